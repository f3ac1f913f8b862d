"""Every test runs on one thread, offline, with caches of its own."""

import logging
import os
import sys
from pathlib import Path

import pytest
import ray
import torch
from hypothesis import HealthCheck, settings
from xdist.scheduler import LoadScopeScheduling

from sweeps.engine.ray_private import loopback_only, without_services
from tests.curves import Curves
from tests.made_data import write_made_data
from tests.strict import strict_json
from trainables import register, registry

# No test depends on the speed of the machine: before its first draw, Hypothesis reads every module's source.
settings.register_profile("any-speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-speed")

# The hub's client reads this when it is imported; spawned processes inherit it.
os.environ["HF_HUB_OFFLINE"] = "1"

# The tests of each of these files share a sweep or a server, so one worker runs the whole file.
SHARING = (
    *("test_documents.py", "test_jsonl.py", "test_publisher.py", "test_run.py", "test_security.py"),
    "test_stages.py",
)


class Scheduling(LoadScopeScheduling):
    """Gives workers one test function at a time, but files of ``services`` and ``SHARING`` whole."""

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return file if "/services/" in file or file.endswith(SHARING) else nodeid.partition("[")[0]


def pytest_xdist_make_scheduler(config, log):
    return Scheduling(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.fixture(scope="session", autouse=True)
def isolated_machine(tmp_path_factory):
    """Keep caches in the session's folder, and use one thread, as trials do."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("huggingface")))
        # Do not join a cluster that happens to run on this machine.
        patch.setenv("RAY_ADDRESS", "local")
        # All tests share one store, because MLflow takes seconds to create one.
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def strict_journals(tmp_path_factory):
    """Check that every journal that tests have written is standard JSON, which has no NaN."""
    yield
    for journal in tmp_path_factory.getbasetemp().rglob("journal.jsonl"):
        for line in journal.read_bytes().splitlines(keepends=True):
            # A driver that was killed may leave an incomplete line.
            if line.endswith(b"\n"):
                strict_json(line, journal)


@pytest.fixture(scope="session")
def made_data(tmp_path_factory) -> Path:
    """Write small datasets in the form of the real ones."""
    folder = tmp_path_factory.mktemp("data")
    write_made_data(folder)
    return folder


@pytest.fixture(scope="session")
def data_dir(made_data, tmp_path_factory) -> Path:
    """Link the real datasets that ``NOISESWEEP_DATA_DIR`` has, and made ones for the rest."""
    real = os.environ.get("NOISESWEEP_DATA_DIR")
    if not real:
        return made_data
    folder = tmp_path_factory.mktemp("real")
    for made in made_data.iterdir():
        (folder / made.name).symlink_to(found if (found := Path(real, made.name)).is_dir() else made)
    return folder


@pytest.fixture(scope="session")
def ray_session():
    """Start one Ray for all sweeps of the session."""
    # A sweep on one machine starts Ray in the same way.
    with loopback_only(), without_services():
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield
    ray.shutdown()


@pytest.fixture
def curves():
    """Register the trainable that is a formula."""
    register(Curves)
    yield
    registry._registered.pop("curves")


@pytest.fixture
def float64():
    """Compute in double precision where no type is given."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)


@pytest.fixture
def install_package(tmp_path, monkeypatch):
    """Install a package of one module: its file and its metadata, laid out as pip does."""

    def install(package, code, name, *, group):
        module = package.replace("-", "_")
        monkeypatch.delitem(sys.modules, module, raising=False)
        (tmp_path / f"{module}.py").write_text(code)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}:Mine\n")
        monkeypatch.syspath_prepend(tmp_path)

    return install

"""Every test runs on one thread, offline, with caches of its own."""

import logging
import os
from pathlib import Path

import pytest
import ray
import torch
from xdist.scheduler import LoadScopeScheduling

from sweeps.engine.ray_private import loopback_only, without_services
from tests.curves import Curves
from tests.made_data import write_made_data
from tests.strict import strict_json
from trainables import register, registry

os.environ["HF_HUB_OFFLINE"] = "1"  # read when the hub's client is imported; spawned processes inherit it


# Their tests share a sweep or a server, which one worker then starts once.
SHARING = ("test_jsonl.py", "test_publisher.py", "test_run.py", "test_security.py", "test_stages.py")


class Scheduling(LoadScopeScheduling):
    """Gives workers one test function at a time, but files of ``services`` and ``SHARING`` whole."""

    def _split_scope(self, nodeid):
        file = nodeid.partition("::")[0]
        return file if "/services/" in file or file.endswith(SHARING) else nodeid.partition("[")[0]


def pytest_xdist_make_scheduler(config, log):
    return Scheduling(config, log) if config.getvalue("dist") == "loadscope" else None


@pytest.fixture(scope="session", autouse=True)
def isolated_machine(tmp_path_factory):
    """Keep caches in the session's folder; one thread, as trials have."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("HF_HOME", str(tmp_path_factory.mktemp("huggingface")))
        patch.setenv("RAY_ADDRESS", "local")  # never a cluster that happens to run here
        # One store for the session: making a new one takes MLflow seconds.
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db")
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="session", autouse=True)
def strict_journals(tmp_path_factory):
    """Read every journal that tests have written as other languages do, which know no NaN."""
    yield
    for journal in tmp_path_factory.getbasetemp().rglob("journal.jsonl"):
        for line in journal.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n"):  # else a killed driver left it
                strict_json(line, journal)


@pytest.fixture(scope="session")
def made_data(tmp_path_factory) -> Path:
    """Write small datasets in the form of the real ones."""
    folder = tmp_path_factory.mktemp("data")
    write_made_data(folder)
    return folder


@pytest.fixture(scope="session")
def data_dir(made_data, tmp_path_factory) -> Path:
    """Find the real datasets where ``NOISESWEEP_DATA_DIR`` has them, and made ones for the rest."""
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
    with loopback_only(), without_services():  # as that of a sweep on one machine
        ray.init(num_cpus=1, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    yield
    ray.shutdown()


@pytest.fixture
def curves():
    """Register the trainable that is a formula."""
    register(Curves)
    yield
    registry._registered.pop("curves")

"""The import contracts of pyproject.toml: `make lint` checks them, and this that they can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
UNIT = "Unit tests import no MLflow and start no other process themselves"


@pytest.fixture
def copy(tmp_path):
    """A copy of the code to break."""
    for folder in ("trainables", "sweeps", "cluster", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def broken(copy):
    """Names of the contracts that the copy breaks."""
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    found = [line.removesuffix(" BROKEN") for line in done.stdout.splitlines() if line.endswith(" BROKEN")]
    assert done.returncode == bool(found), done.stdout + done.stderr
    return found


def test_they_are_kept(copy):
    assert broken(copy) == []


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("sweeps/record/state.py", "import sweeps.report.words", "The rooms of sweeps, top first"),
        ("sweeps/utils.py", "", "The rooms of sweeps, top first"),
        ("sweeps/spec/model.py", "import sweeps.spec.load", "No circles"),
        ("sweeps/console/display.py", "import mlflow", "MLflow for tracking"),
        ("sweeps/runner.py", "import ray", "Ray for engine, search and cluster"),
        ("sweeps/runner.py", "import cluster.jobs", "cluster for cli"),
        ("sweeps/runner.py", "import tests.curves", "Nothing imports the tests"),
        ("cluster/jobs.py", "import sweeps.spec.load", "cluster takes from sweeps the errors alone"),
        (
            "sweeps/engine/callbacks.py",
            "import sweeps.engine.trial",
            "The driver's callbacks do not import the worker",
        ),
        (
            "sweeps/engine/trial.py",
            "import sweeps.search.scheduler",
            "A worker loads no searcher and no scheduler",
        ),
        ("tests/unit/test_noise.py", "import subprocess", UNIT),
    ],
)
def test_they_can_be_broken(copy, module, line, contract):
    with (copy / module).open("a") as file:
        file.write(f"\n{line}\n")
    assert contract in broken(copy)

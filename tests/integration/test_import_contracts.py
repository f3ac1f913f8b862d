"""The import contracts of pyproject.toml: `make lint` checks them; these tests show that they can fail."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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
    found = [line.partition(" BROKEN")[0] for line in done.stdout.splitlines() if " BROKEN" in line]
    assert done.returncode == bool(found), done.stdout + done.stderr
    return found


# Each of these lines breaks one contract, and no two break the same.
BREAKING = {
    "The rooms of sweeps, top first": ("sweeps/utils.py", ""),  # which is no room
    "No import cycles": ("sweeps/spec/model.py", "import sweeps.spec.load"),
    "trainables imports neither sweeps nor what sweeps is built on": (
        "trainables/loop.py",
        "import optuna",
    ),
    "cluster imports only errors and process_state from sweeps": (
        "cluster/jobs.py",
        "import sweeps.spec.space",
    ),
    "Nothing imports the tests": ("sweeps/runner.py", "import tests.curves"),
    "Only workers import torch": ("sweeps/spec/schema.py", "import trainables.noise"),
    "A worker loads no searcher and no scheduler": (
        "sweeps/worker/trial.py",
        "import sweeps.search.scheduler",
    ),
    "Ray for engine, worker, search and cluster": ("sweeps/runner.py", "import ray"),
    "MLflow for tracking and the export of the best network": ("sweeps/console/display.py", "import mlflow"),
    "cluster for cli": ("sweeps/runner.py", "import cluster.jobs"),
    "Unit tests import no MLflow and start no other process themselves": (
        "tests/unit/test_noise.py",
        "import subprocess",
    ),
}


def test_they_are_kept_and_can_be_broken(copy):
    assert broken(copy) == []
    for module, line in BREAKING.values():
        with (copy / module).open("a") as file:
            file.write(f"\n{line}\n")
    assert broken(copy) == list(BREAKING)


def test_an_import_of_a_higher_room_breaks_their_order(copy):
    with (copy / "sweeps/record/state.py").open("a") as file:
        file.write("\nimport sweeps.report.labels\n")
    assert "The rooms of sweeps, top first" in broken(copy)

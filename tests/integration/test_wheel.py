"""What is installed from a wheel, outside of the checkout."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from tests.integration.conftest import COMMIT

ROOT = Path(__file__).parents[2]


def run(installed, folder, *words):
    env = {**os.environ, "PYTHONPATH": str(installed)}
    env.pop("MLFLOW_TRACKING_URI", None)
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=True).stdout


def noisesweep(installed, folder, *words):
    """Call the installed command."""
    return run(installed, folder, installed / "bin" / "noisesweep", *words)


def test_all_packages_are_those_of_the_wheel(installed, tmp_path):
    names = ("sweeps", "trainables", "cluster")
    code = f"from importlib.util import find_spec\nfor name in {names}: print(find_spec(name).origin)"
    found = run(installed, tmp_path, sys.executable, "-P", "-c", code).splitlines()
    assert found == [str(installed / name / "__init__.py") for name in names]


def test_it_has_what_ships(installed):
    for folder in ("sweeps/studies", "sweeps/report/templates", "cluster"):
        tracked = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True)
        for name in tracked.stdout.splitlines():
            if not name.endswith(".gitignore"):
                assert (installed / name).read_bytes() == (ROOT / name).read_bytes(), name


def test_it_lists_the_studies_that_run_by_their_names(installed, tmp_path):
    listed = noisesweep(installed, tmp_path, "list")
    assert f"digits  trains digits  {installed}/sweeps/studies/digits.yaml" in listed


def test_its_version_names_the_commit(installed, tmp_path):
    released = version("noisesweep").partition("+")[0]
    expected = f"noisesweep {released} (commit {COMMIT})\n"
    assert noisesweep(installed, tmp_path, "--version") == expected

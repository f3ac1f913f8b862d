"""What is installed from a wheel, outside of the checkout."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
RUN = """
import sys
from sweeps import cli
sys.argv = ["noisesweep", *sys.argv[1:]]
cli.script()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy, so that the checkout stays clean."""
    folder = tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in tracked.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "benchmarks/")):
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "./source",
    ]
    subprocess.run(command, cwd=folder, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel):
    """Unpack it, as pip does; its dependencies are those of the checkout."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(wheel.parent / "site")
    return wheel.parent / "site"


def noisesweep(installed, folder, *words):
    env = {**os.environ, "PYTHONPATH": str(installed)}
    env.pop("MLFLOW_TRACKING_URI")
    command = [sys.executable, "-P", "-c", RUN, *words]
    return subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, check=True).stdout


def test_it_has_what_ships(installed):
    for folder in ("sweeps/studies", "sweeps/report/templates", "cluster"):
        tracked = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True)
        for name in tracked.stdout.splitlines():
            if not name.endswith(".gitignore"):
                assert (installed / name).read_bytes() == (ROOT / name).read_bytes(), name


def test_a_shipped_study_runs_by_its_name(installed, tmp_path):
    assert f"digits  trains digits  {installed}/sweeps/studies/digits.yaml" in noisesweep(
        installed, tmp_path, "list"
    )
    arms = ("compare={noise: [none, layer]}", "search.sigma.when.noise=[layer]", "claims=[]")
    small = (*arms, "fixed.epochs=3", "stages.confirm.seeds=2")
    changes = [word for change in small for word in ("--set", change)]
    output = noisesweep(installed, tmp_path, "run", "digits", "--trials", "1", *changes)
    assert "complete, 6 of 6 trials ended: 6 finished" in output
    assert (tmp_path / "runs" / "digits" / "001" / "report" / "report.html").exists()

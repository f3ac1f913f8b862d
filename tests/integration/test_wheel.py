"""What is installed from a wheel, outside of the checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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
    """Install it into a folder; its dependencies are those of the checkout."""
    site = wheel.parent / "site"
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
        "--target",
        site,
        wheel,
    ]
    subprocess.run(command, check=True)
    return site


def run(installed, folder, *words):
    env = {**os.environ, "PYTHONPATH": str(installed)}
    env.pop("MLFLOW_TRACKING_URI")
    return subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=True).stdout


def noisesweep(installed, folder, *words):
    return run(installed, folder, installed / "bin" / "noisesweep", *words)


def test_all_packages_are_those_of_the_wheel(installed, tmp_path):
    code = (
        "import sweeps, trainables, cluster\nfor each in sweeps, trainables, cluster: print(each.__path__[0])"
    )
    found = run(installed, tmp_path, sys.executable, "-P", "-c", code).splitlines()
    assert found == [str(installed / name) for name in ("sweeps", "trainables", "cluster")]


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
    small = (*arms, "fixed.epochs=3", "stages.confirm.seeds=2", "budget.concurrent=1")
    changes = [word for change in small for word in ("--set", change)]
    output = noisesweep(installed, tmp_path, "run", "digits", "--trials", "1", *changes)
    assert "complete, 6 of 6 trials ended: 6 finished" in output
    assert (tmp_path / "runs" / "digits" / "001" / "report" / "report.html").exists()

"""Sweeps on real Ray, Optuna and MLflow."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.threaded import publish_in_a_thread

ROOT = Path(__file__).parents[2]
# `make wheel` tags the version with a commit in this way.
COMMIT = "abc1234"
PIP = (sys.executable, "-m", "pip")


@pytest.fixture(autouse=True)
def threaded_publisher(request, monkeypatch):
    """Publish from a thread, unless a test is marked ``publisher_process``."""
    if "publisher_process" not in request.keywords:
        publish_in_a_thread(monkeypatch)


@pytest.fixture(scope="session")
def wheel(tmp_path_factory):
    """Build the wheel from a copy, so that the checkout stays clean."""
    folder = tmp_path_factory.mktemp("wheel")
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in tracked.stdout.splitlines():
        if (ROOT / name).is_file() and not name.startswith(("tests/", "docs/", "benchmarks/")):
            (folder / "source" / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / "source" / name).write_bytes((ROOT / name).read_bytes())
    tag = [f"--config-settings=--global-option={each}" for each in ("egg_info", f"--tag-build=+g{COMMIT}")]
    options = ["--quiet", "--no-deps", "--no-build-isolation", *tag]
    subprocess.run([*PIP, "wheel", *options, "./source"], cwd=folder, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="session")
def installed(wheel):
    """Install it into a folder; its dependencies are those of the checkout."""
    site = wheel.parent / "site"
    options = ["--quiet", "--no-deps", "--no-index", "--target", site]
    subprocess.run([*PIP, "install", *options, wheel], check=True)
    return site

"""The checks of a machine: what they find, and that none hides another."""

import pytest

from sweeps.engine import machine
from sweeps.engine.machine import machine_checks, safely
from sweeps.errors import SweepError


@pytest.fixture
def checks():
    return lambda: {check.name: check for check in machine_checks()}


def test_a_machine_that_runs_the_tests_can_run_sweeps(checks, monkeypatch):
    monkeypatch.delenv("NOISESWEEP_DATA_DIR", raising=False)
    found = checks()
    assert [*found] == ["python", "packages", "shm", "temp", "cache", "data"]
    assert not [check for check in found.values() if check.needed and not check.ok]
    assert "cifar100 (142 MB)" in found["data"].found


def test_folders_that_cannot_be_used_are_found_side_by_side(checks, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    long = tmp_path / ("long" * 20)
    monkeypatch.setenv("RAY_TMPDIR", str(long))
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "file" / "cache"))
    monkeypatch.setenv("NOISESWEEP_DATA_DIR", str(tmp_path / "nowhere"))
    found = checks()
    assert [name for name, check in found.items() if not check.ok] == ["temp", "cache", "data"]
    assert found["temp"].found == f"{long}: is too long for Ray's sockets"
    assert found["temp"].remedy.startswith("export RAY_TMPDIR=/tmp, or another path of at most ")
    assert "no such folder" in found["data"].found


def test_packages_of_other_versions_are_named_with_a_command(checks, monkeypatch):
    versions = {"torch": "1.0", "mlflow": "0"}
    real = machine._version
    monkeypatch.setattr(machine, "_version", lambda name: versions.get(name) or real(name))
    packages = checks()["packages"]
    assert not packages.ok
    assert packages.found == "torch 1.0, mlflow 0"
    assert packages.remedy.startswith("pip install 'torch<")
    assert "'mlflow<" in packages.remedy


@pytest.mark.parametrize(
    ("error", "remedy"), [(OSError("disk\non fire"), "buy one"), (SweepError("use water"), "")]
)
def test_a_check_that_fails_is_a_line(error, remedy):
    def fail():
        raise error

    check = safely("fire", fail, "buy one")
    assert (check.ok, check.found, check.remedy) == (False, " ".join(str(error).split()), remedy)

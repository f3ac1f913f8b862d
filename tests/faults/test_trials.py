"""Trials lose their process, their memory, their checkpoint."""

import os
import signal
from pathlib import Path

import psutil
import torch

from sweeps.record.folder import latest_sweep
from tests.faults.sweep import Driver, events, verify, write


def trial_processes(driver):
    """The processes that train: Ray names them after what they run."""
    of_driver = psutil.Process(driver.process.pid).children(recursive=True)
    return [each for each in of_driver if each.name().startswith("ray::ImplicitFunc")]


def test_trial_processes_killed(undisturbed, store, record, tmp_path):
    driver, killed = Driver("run", write(tmp_path), "--storage", tmp_path), 0
    for event in events(tmp_path, driver):
        if event["event"] == "epoch" and event["epoch"] in (3, 8) and killed < 4:
            for process in trial_processes(driver):
                process.kill()
                killed += 1
    driver.finish()
    record("trial process killed (SIGKILL)", killed, verify(tmp_path, undisturbed))


def test_checkpoints_truncated(undisturbed, store, record, tmp_path):
    driver = Driver("run", write(tmp_path), "--storage", tmp_path)
    for event in events(tmp_path, driver):
        if event["event"] == "epoch" and event["epoch"] == 3:
            os.killpg(driver.process.pid, signal.SIGKILL)
    driver.process.wait()
    folder = latest_sweep(tmp_path, "faults")
    cut = 0
    for trial in (folder.path / "checkpoints").iterdir():
        *_, newest = sorted(trial.glob("*.pt"))
        os.truncate(newest, newest.stat().st_size // (2 + cut))
        cut += 1
    Driver("resume", "faults", "--storage", tmp_path).finish()
    record("checkpoint file truncated", cut, verify(tmp_path, undisturbed))


class Harmful:
    """Runs code when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


def test_checkpoints_that_would_run_code(undisturbed, store, record, tmp_path):
    driver = Driver("run", write(tmp_path), "--storage", tmp_path)
    for event in events(tmp_path, driver):
        if event["event"] == "epoch" and event["epoch"] == 3:
            os.killpg(driver.process.pid, signal.SIGKILL)
    driver.process.wait()
    marker, planted = tmp_path / "it-ran", 0
    for trial in (latest_sweep(tmp_path, "faults").path / "checkpoints").iterdir():
        torch.save(Harmful(marker), trial / "epoch-99999.pt")
        planted += 1
    torch.load(trial / "epoch-99999.pt", weights_only=False)
    assert marker.exists()  # it would have run
    marker.unlink()
    Driver("resume", "faults", "--storage", tmp_path).finish()
    assert not marker.exists()
    record("checkpoint with a malicious pickle", planted, verify(tmp_path, undisturbed))

"""The sweep that faults are injected into, and what must be true of it afterwards."""

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from sweeps.record.folder import SweepFolder, latest_sweep
from sweeps.record.journal import Follower, Journal
from sweeps.record.trials import TrialRecord
from sweeps.tracking.bookmark import Bookmark

TIMING = {"epoch_seconds", "examples_per_second"}
ROOT = Path(__file__).parents[2]
NOISESWEEP = str(Path(sys.executable).with_name("noisesweep"))


def content(name: str = "faults", **changes: Any) -> dict[str, Any]:
    """Real training of some seconds; which trials there are, and their numbers, follow from the seeds."""
    base = {
        "name": name,
        "trainable": "digits",
        "compare": {"noise": ["none", "layer"]},
        "fixed": {"epochs": 12, "optimizer": "adam", "batch_size": 32},
        "search": {
            "lr": {"log_uniform": [1e-4, 1e-2]},
            "sigma": {"uniform": [0.01, 0.1], "when": {"noise": ["layer"]}},
        },
        # What TPE chose would depend on which trial ended first.
        "stages": {"search": {"trials_per_arm": 1}, "confirm": {"seeds": 5}},
        "objective": {"metric": "val_accuracy", "mode": "max"},
        "max_failures": 5,
    }
    return base | changes


def write(folder: Path, name: str = "faults", **changes: Any) -> Path:
    """Write the sweep's YAML."""
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps(content(name, **changes)))  # JSON is YAML
    return file


class Driver:
    """The command line in a process of its own."""

    def __init__(self, *words: str | Path, program: Sequence[str] = (NOISESWEEP,), **env: str) -> None:
        self.output = tempfile.TemporaryFile()  # noqa: SIM115 - a pipe that nobody reads would stop it
        self.process = subprocess.Popen(
            [*program, *map(str, words)],
            cwd=ROOT,
            env={**os.environ, **env},
            stdout=self.output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def ended_within(self, seconds: float) -> bool:
        """Wait, but no longer than this."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def finish(self, code: int = 0) -> str:
        """Wait for its end; give what it printed."""
        self.process.wait(300)
        self.output.seek(0)
        printed = self.output.read().decode()
        assert self.process.returncode == code, printed
        return printed


@dataclass(frozen=True)
class Found:
    """What a sweep came to: the trials it should have and has not, and runs beyond one a trial."""

    lost: int
    duplicated: int


def numbers(trial: TrialRecord) -> dict[int, dict[str, float]]:
    """What the seeds fix of a trial."""
    return {
        epoch: {name: value for name, value in metrics.items() if name not in TIMING}
        for epoch, metrics in trial.epochs.items()
    }


def verify(storage: Path, undisturbed: SweepFolder, name: str = "faults") -> Found:
    """Hold a sweep against the undisturbed one, and MLflow against its journal."""
    folder, reference = latest_sweep(storage, name), undisturbed.state().trials
    state = folder.state()
    assert state.complete
    assert state.trials.keys() <= reference.keys()
    for trial in state.trials.values():
        like = reference[trial.id]
        assert (trial.stage, trial.arm, trial.seed) == (like.stage, like.arm, like.seed)
        assert trial.hyperparameters == like.hyperparameters
        assert (trial.status, numbers(trial)) == (like.status, numbers(like))
    written = Counter(
        (event["trial"], event["epoch"]) for event, _ in folder.journal.read() if event["event"] == "epoch"
    )
    assert set(written.values()) == {1}
    return Found(lost=len(reference.keys() - state.trials.keys()), duplicated=_check_mlflow(folder))


def _check_mlflow(folder: SweepFolder) -> int:
    state, bookmark = folder.state(), Bookmark.read(folder)
    assert bookmark
    client = MlflowClient(bookmark.uri)
    experiment = client.get_experiment_by_name(state.spec.name).experiment_id
    runs = client.search_runs([experiment], max_results=1000)
    parents = [run for run in runs if run.data.tags["kind"] == "sweep"]
    children = [run for run in runs if "trial" in run.data.tags]
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {bookmark.parent}
    assert {run.data.tags["trial"] for run in children} == state.trials.keys()
    for run in children:
        trial = state.trials[run.data.tags["trial"]]
        logged = client.get_metric_history(run.info.run_id, "val_loss")
        assert sorted((point.step, point.value) for point in logged) == [
            (epoch, metrics["val_loss"]) for epoch, metrics in sorted(trial.epochs.items())
        ]
        assert run.data.tags["status"] == trial.status
    arms = Counter(run.data.tags["content"] for run in runs if run.data.tags["kind"] == "arm")
    return len(children) - len(state.trials) + len(parents) - 1 + arms.total() - len(arms)


class _Events(Follower):
    """A sweep's events, handed over as they are written."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self.queue: queue.Queue[dict[str, Any] | None] = queue.Queue()

    def handle(self, new: list[dict[str, Any]]) -> None:
        for event in new:
            self.queue.put(event)


def events(storage: Path, driver: Driver, name: str = "faults") -> Iterator[dict[str, Any]]:
    """Give the events of a sweep as its driver writes them, until the driver ends."""
    follower = _Events(Journal(storage / name / "001" / "journal.jsonl"))
    follower.start()

    def close() -> None:
        driver.process.wait()
        follower.close()
        follower.queue.put(None)

    threading.Thread(target=close, daemon=True).start()
    while (event := follower.queue.get()) is not None:
        yield event

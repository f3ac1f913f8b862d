"""One trial: trains, saves checkpoints and reports epochs."""

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from ray import tune

from sweeps.errors import in_a_line
from sweeps.record.checkpoints import Checkpoints
from sweeps.record.correctness import packed
from sweeps.search.configuration import OBJECTIVE, split_config, worst
from sweeps.spec.model import Spec
from sweeps.worker.data import build_trainable
from sweeps.worker.serialization import from_bytes, to_bytes
from trainables.data import DataError
from trainables.loop import Training

# Short epochs are reported and saved together, as each report waits for the driver and each save for a file.
_REPORT_SECONDS = 0.5

EpochReport = dict[str, Any]


def run_trial(
    config: dict[str, Any],
    spec: Spec,
    checkpoints: str,
    test: bool = False,
    rungs: frozenset[int] = frozenset(),
) -> None:
    """Train one configuration, from its latest checkpoint if there is one.

    Args:
        config: The active searched hyperparameters, the seed and the trial's id; under ``point`` if the
            stage's trials are listed.
        spec: The sweep.
        checkpoints: Root folder of all trials' checkpoints.
        test: Read the test split after the last epoch.
        rungs: Epochs after which a scheduler may stop the trial, so that they must be reported at once.
    """
    torch.set_num_threads(max(1, int(spec.resources.cpu)))
    trial, searched, seed = split_config(config)
    with _host_in_data_errors():
        hyperparameters = spec.hyperparameters(searched)
        device = "cuda" if spec.resources.gpu else "cpu"
        training = build_trainable(spec).start(
            hyperparameters, seed=seed, device=device, test=test, equal=spec.budget.equal
        )
        run = _TrialRun(spec, training, Checkpoints(checkpoints, trial), rungs)
        run.restore()
        run.train(hyperparameters.epochs)


class _TrialRun:
    """Trains, saves checkpoints, and reports epochs to the driver."""

    def __init__(
        self, spec: Spec, training: Training, checkpoints: Checkpoints, rungs: frozenset[int]
    ) -> None:
        self._spec, self._training, self._checkpoints = spec, training, checkpoints
        self._rungs = rungs
        self._reported: list[EpochReport] = []
        self._waiting: list[EpochReport] = []

    def restore(self) -> None:
        """Continue from the latest checkpoint, and report its epochs again: a killed driver may lack some.

        A checkpoint of other data is not used; if these data are the wrong ones, the driver ends the sweep.
        """
        content = self._checkpoints.load(from_bytes)
        if content is None or self._is_of_other_data(content["reported"]):
            return
        self._training.load_state_dict(content["training"])
        self._reported = content["reported"]
        reported: list[EpochReport] = []
        for epoch in self._reported:
            reported.append(epoch)
            if epoch["epoch"] in self._rungs or epoch is self._reported[-1]:
                _report(reported)
                reported = []

    def _is_of_other_data(self, reported: Sequence[EpochReport]) -> bool:
        fingerprint = self._training.data_fingerprint
        return self._spec.declaration.fixed_data and reported[-1]["data_fingerprint"] != fingerprint

    def train(self, last_epoch: int) -> None:
        """Train to the end; epochs before a failure are reported too."""
        last_report = time.monotonic()
        try:
            for metrics in self._training:
                self._waiting.append(self._epoch_report(metrics))
                is_over = self._training.diverged or self._training.epoch == last_epoch
                is_late = time.monotonic() - last_report >= _REPORT_SECONDS
                if is_over or is_late or self._training.epoch in self._rungs:
                    self._save_and_report()
                    last_report = time.monotonic()
        except Exception:
            if self._waiting:
                _report(self._waiting)
            raise

    def _epoch_report(self, metrics: dict[str, float]) -> EpochReport:
        training, spec = self._training, self._spec
        # It is there only after the last epoch of a trial that reads the test split.
        correct = {} if training.correct is None else {"correct": packed(training.correct)}
        return {
            "epoch": training.epoch,
            "metrics": {name: value for name, value in metrics.items() if name != "epoch"},
            **correct,
            "diverged": training.diverged,
            "data_fingerprint": training.data_fingerprint,
            OBJECTIVE: worst(spec) if training.diverged else metrics[spec.objective.metric],
        }

    def _save_and_report(self) -> None:
        self._reported += self._waiting
        remark = "" if self._training.diverged else self._save()
        waiting, self._waiting = self._waiting, []
        _report(waiting, remark)

    def _save(self) -> str:
        """Save a checkpoint; return a remark if the disk is full, as the results do not depend on it."""
        content = {"training": self._training.state_dict(), "reported": self._reported}
        try:
            self._checkpoints.save(self._training.epoch, to_bytes(content))
        except OSError as error:
            return f"no checkpoint could be written: {in_a_line(error)}"
        return ""


def _report(epochs: list[EpochReport], remark: str = "") -> None:
    tune.report({**epochs[-1], "epochs": epochs, "remark": remark})


@contextmanager
def _host_in_data_errors() -> Iterator[None]:
    """Name the node that lacks the data."""
    try:
        yield
    except DataError as error:
        raise DataError(f"on {platform.node()}: {error.message}", error.hyperparameter) from None

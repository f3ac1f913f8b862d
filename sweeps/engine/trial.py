"""What runs in a worker: one trial, reported as its epochs end."""

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from ray import tune

from sweeps.engine.allocator import keep_freed_memory
from sweeps.engine.compiler import defer_compiler
from sweeps.record.checkpoints import Checkpoints
from sweeps.search.configuration import OBJECTIVE, split_config, worst
from sweeps.spec.model import Spec
from trainables import Trainable, registry
from trainables.data import DataError
from trainables.loop import Training

# Short epochs are reported, and saved, several at a time: each takes the driver's answer and a file.
_TOGETHER_SECONDS = 0.5


def run_trial(
    config: dict[str, Any],
    spec: Spec,
    trainable_class: type[Trainable],
    checkpoints: str,
    test: bool = False,
    judged: bool = False,
) -> None:
    """Train one configuration, from its last checkpoint if there is one.

    Args:
        config: The searched hyperparameters that apply, the seed and the trial's id; where trials are listed,
            under ``point``.
        spec: The sweep.
        trainable_class: Its trainable, which may be registered on the driver only.
        checkpoints: Where the checkpoints of all trials are.
        test: Read the test split, after the last epoch.
        judged: A scheduler may end the trial after any epoch, so that each is reported by itself.
    """
    keep_freed_memory()
    defer_compiler()
    registry.register(trainable_class)
    torch.set_num_threads(max(1, int(spec.resources.cpu)))
    trial, searched, seed = split_config(config)
    with _naming_host():
        trainable, hyperparameters = spec.build_trainable(), spec.hyperparameters(searched)
        device = "cuda" if spec.resources.gpu else "cpu"
        training = trainable.start(hyperparameters, seed=seed, device=device, test=test)
        kept = Checkpoints(checkpoints, trial)
        reported: list[dict[str, Any]] = []
        if content := kept.load():
            training.load_state_dict(content["training"])
            reported = content["reported"]
        # A driver that was killed may have missed some.
        for part in [[report] for report in reported] if judged else [reported] * bool(reported):
            _report(part)
        waiting: list[dict[str, Any]] = []
        began = time.monotonic()
        try:
            for metrics in training:
                waiting.append(_epoch_report(training, metrics, spec))
                over = training.diverged or training.epoch == hyperparameters.epochs
                if judged or over or time.monotonic() - began >= _TOGETHER_SECONDS:
                    reported += waiting
                    _report(waiting, "" if training.diverged else _save(kept, training, reported))
                    waiting, began = [], time.monotonic()
        except Exception:
            if waiting:
                _report(waiting)
            raise


def _epoch_report(training: Training, metrics: dict[str, float], spec: Spec) -> dict[str, Any]:
    return {
        "epoch": training.epoch,
        "metrics": {name: value for name, value in metrics.items() if name != "epoch"},
        "diverged": training.diverged,
        "data_fingerprint": training.data_fingerprint,
        OBJECTIVE: worst(spec) if training.diverged else metrics[spec.objective.metric],
    }


def _report(epochs: Sequence[dict[str, Any]], remark: str = "") -> None:
    tune.report({**epochs[-1], "epochs": list(epochs), "remark": remark})


@contextmanager
def _naming_host() -> Iterator[None]:
    # Which node lacks the data.
    try:
        yield
    except DataError as error:
        raise DataError(f"on {platform.node()}: {error.message}", error.hyperparameter) from None


def _save(kept: Checkpoints, training: Training, reported: list[dict[str, Any]]) -> str:
    # A full disk costs the checkpoint, not the trial: its results follow from its seed.
    try:
        kept.save(training.epoch, {"training": training.state_dict(), "reported": reported})
    except OSError as error:
        return f"no checkpoint could be written: {' '.join(str(error).split())}"
    return ""

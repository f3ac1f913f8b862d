"""What runs in a worker: one trial, reported epoch by epoch."""

import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from ray import tune

from sweeps.search import OBJECTIVE
from sweeps.spec import Spec
from trainables import Trainable, registry
from trainables.loop import Training

CHECKPOINT_FILE = "training.pt"


def run_trial(
    config: dict[str, Any], spec: Spec, trainable_class: type[Trainable], test: bool = False
) -> None:
    """Train one configuration, from its last checkpoint if there is one.

    Args:
        config: The searched hyperparameters that apply, and the seed; for a grid, under ``point``.
        spec: The sweep.
        trainable_class: Its trainable, which may be registered on the driver only.
        test: Read the test split, after the last epoch.
    """
    registry.register(trainable_class)
    torch.set_num_threads(max(1, int(spec.resources.cpu)))
    searched, seed = split_config(config)
    trainable = spec.build_trainable()
    device = "cuda" if spec.resources.gpu else "cpu"
    training = trainable.start(spec.hyperparameters(searched), seed=seed, device=device, test=test)
    _restore(training)
    for metrics in training:
        report = {
            "epoch": training.epoch,
            "metrics": {name: value for name, value in metrics.items() if name != "epoch"},
            "diverged": training.diverged,
            "data_fingerprint": training.data_fingerprint,
            OBJECTIVE: worst(spec) if training.diverged else metrics[spec.objective.metric],
        }
        if training.diverged:
            tune.report(report)
        else:
            _report_with_checkpoint(report, training)


def _report_with_checkpoint(report: dict[str, Any], training: Training) -> None:
    with tempfile.TemporaryDirectory() as folder:
        content = {"training": training.state_dict(), "report": report}
        torch.save(content, Path(folder, CHECKPOINT_FILE))
        tune.report(report, checkpoint=tune.Checkpoint.from_directory(folder))


def _restore(training: Training) -> None:
    checkpoint = tune.get_checkpoint()
    if not checkpoint:
        return
    with checkpoint.as_directory() as folder:
        file = Path(folder, CHECKPOINT_FILE)
        if not file.exists():  # dropped after Tune last wrote its state, for a newer one
            newest = newest_checkpoint(Path(folder).parent)
            if newest is None:
                return  # it starts over, to the same numbers: they follow from its seed
            file = newest
        content = torch.load(file, weights_only=True)
    training.load_state_dict(content["training"])
    # A driver that was killed may have missed it; one that has it takes no notice.
    tune.report(content["report"])


def newest_checkpoint(folder: Path) -> Path | None:
    """Find a trial's newest checkpoint.

    Args:
        folder: The trial's folder.

    Returns:
        The file; None if there is none.
    """
    return max(folder.glob(f"*/{CHECKPOINT_FILE}"), default=None)


def split_config(config: dict[str, Any]) -> tuple[dict[str, Any], int]:
    """Take a Tune configuration apart.

    Args:
        config: As ``run_trial`` gets it.

    Returns:
        The searched hyperparameters, and the seed.
    """
    searched = dict(config.get("point", config))
    return searched, searched.pop("seed")


def worst(spec: Spec) -> float:
    """Score a diverged trial, so that the search avoids its like: samplers ignore trials without a score.

    Args:
        spec: The sweep.

    Returns:
        0 where more is better (scores are fractions), the largest finite number where less is.
    """
    return 0.0 if spec.objective.mode == "max" else sys.float_info.max

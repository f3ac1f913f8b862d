"""The configuration of a trial, as the driver passes it to the worker. Loads neither Optuna nor Tune."""

import sys
from typing import Any

from sweeps.spec.model import Spec

# The key of the trial's id in a configuration.
TRIAL = "trial"
# The key under which a trial reports its score: the objective's metric, or the worst value if it diverged.
OBJECTIVE = "objective"


def trial_id(number: int) -> str:
    """Return the ID of a trial, such as ``0031``. Unlike Tune's IDs, it stays the same on a resume."""
    return f"{number:04d}"


def split_config(config: dict[str, Any]) -> tuple[str, dict[str, Any], int]:
    """Split a Tune configuration into the trial's id, the searched hyperparameters and the seed."""
    searched = dict(config.get("point", config))
    return searched.pop(TRIAL), searched, searched.pop("seed")


def worst(spec: Spec) -> float:
    """Return the score of a diverged trial: 0 where more is better, the largest finite number where less is.

    Without a score, a sampler would ignore the trial and try similar ones again.
    """
    return 0.0 if spec.objective.mode == "max" else sys.float_info.max

"""The configuration of a trial, and the keys by which the driver and its worker speak of it."""

import sys
from typing import Any

from sweeps.spec.model import Spec

TRIAL = "trial"  # the key of a configuration that names its trial
# What a trial reports for the search and ASHA: the objective's metric, or the worst value when diverged.
OBJECTIVE = "objective"


def trial_id(number: int) -> str:
    """Name a trial, for good: Tune's own names change when a sweep is resumed.

    Args:
        number: Its number, from 1.

    Returns:
        Such as ``0031``.
    """
    return f"{number:04d}"


def split_config(config: dict[str, Any]) -> tuple[str, dict[str, Any], int]:
    """Take a Tune configuration apart.

    Args:
        config: As ``run_trial`` gets it.

    Returns:
        The trial's id, the searched hyperparameters, and the seed.
    """
    searched = dict(config.get("point", config))
    return searched.pop(TRIAL), searched, searched.pop("seed")


def worst(spec: Spec) -> float:
    """Score a diverged trial, so that the search avoids its like: samplers ignore trials without a score.

    Args:
        spec: The sweep.

    Returns:
        0 where more is better (scores are fractions), the largest finite number where less is.
    """
    return 0.0 if spec.objective.mode == "max" else sys.float_info.max

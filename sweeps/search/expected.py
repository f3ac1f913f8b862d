"""How many epochs early stopping leaves a trial: simulated, before anything is trained."""

import random
from types import SimpleNamespace
from typing import Any

from sweeps.search.configuration import OBJECTIVE, TRIAL
from sweeps.search.scheduler import ArmScheduler, build_scheduler, rungs
from sweeps.spec.model import Spec
from sweeps.spec.starting import trials_of

_REPETITIONS = 10
_MOST_TRIALS = 200


def expected_shares(spec: Spec) -> list[float]:
    """Return the mean share of its epochs that a trial has, for each arm that is tuned by itself.

    The spec's own scheduler judges trials that follow each other in random order of their quality, which
    does not change from epoch to epoch. Real trials run side by side, change places, and get better as the
    sampler learns, so that more epochs are trained.

    Returns:
        One for each of ``spec.tuned``, or a single one for a sweep without stages; 1 without early stopping.
    """
    budgets = [trials_of(spec, tuned) for tuned in spec.tuned] if spec.search_stage else []
    budgets = budgets or [spec.budget.trials or _MOST_TRIALS]
    if spec.early_stopping is None:
        return [1.0] * len(budgets)
    # The schedulers of all arms are alike.
    point: dict[str, Any] = dict(spec.tuned[0]) if spec.stages else {}
    shares = {n: _share(spec, point, max(1, min(n, _MOST_TRIALS))) for n in set(budgets)}
    return [shares[n] for n in budgets]


def _share(spec: Spec, point: dict[str, Any], n_trials: int) -> float:
    order, epochs = random.Random(0), 0
    for _ in range(_REPETITIONS):
        scheduler = build_scheduler(spec)
        assert scheduler is not None, "the spec stops trials early"
        for number in range(n_trials):
            epochs += _epochs(spec, scheduler, {**point, TRIAL: str(number)}, order.random())
    return epochs / (_REPETITIONS * n_trials * spec.max_epochs)


def _epochs(spec: Spec, scheduler: ArmScheduler, config: dict[str, Any], quality: float) -> int:
    """Return the epochs of a trial whose reports all have the same score."""
    # The scheduler reads nothing but the configuration.
    trial: Any = SimpleNamespace(config=config)
    score = quality if spec.objective.mode == "max" else -quality
    scheduler.on_trial_add(None, trial)
    for epoch in sorted(rungs(spec) - {spec.max_epochs}):
        result = {"epoch": epoch, OBJECTIVE: score}
        if scheduler.on_trial_result(None, trial, result) == scheduler.STOP:
            scheduler.on_trial_complete(None, trial, result)
            return epoch
    scheduler.on_trial_complete(None, trial, {"epoch": spec.max_epochs, OBJECTIVE: score})
    return spec.max_epochs

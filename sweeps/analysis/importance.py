"""Which hyperparameter mattered in an arm's search, by Optuna's functional ANOVA."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.importance import FanovaImportanceEvaluator, get_param_importances

from sweeps.record.state import SEARCH, SweepState
from sweeps.spec.sections import Scalar
from sweeps.spec.space import SearchSpace

_FEWEST_TRIALS = 4  # a forest of fewer says nothing


class _Replay:
    """Answers a search space with what a trial had, and keeps the distributions it is asked about."""

    def __init__(self, hyperparameters: Mapping[str, Any]) -> None:
        self._values = hyperparameters
        self.distributions: dict[str, BaseDistribution] = {}

    def _answer(self, name: str, distribution: BaseDistribution) -> Any:
        self.distributions[name] = distribution
        return self._values[name]

    def suggest_categorical(self, name: str, choices: Sequence[Scalar]) -> Any:
        return self._answer(name, CategoricalDistribution(choices))

    def suggest_int(self, name: str, low: int, high: int) -> int:
        return int(self._answer(name, IntDistribution(low, high)))

    def suggest_float(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        return float(self._answer(name, FloatDistribution(low, high, log=log)))


def importances(state: SweepState, arm: str) -> dict[str, float]:
    """Share out the variance of an arm's search among its hyperparameters.

    Args:
        state: The sweep.
        arm: The arm.

    Returns:
        Shares that sum to 1, of the hyperparameters that all its trials have; empty for fewer than two of
        them, for few trials, or where every trial scores the same. Of trials that finished or were stopped:
        what diverged has no score.
    """
    spec = state.spec
    chosen = {spec.compared: next(value for value in spec.arms if str(value) == arm)}
    space = SearchSpace(spec, chosen if spec.stages else None)
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it announces every study
    study = optuna.create_study(direction="maximize" if spec.objective.mode == "max" else "minimize")
    for trial in state.of_stage(SEARCH):
        score = state.score(trial)
        if (
            trial.arm == arm
            and trial.status in ("finished", "stopped")
            and score is not None
            and math.isfinite(score)
        ):
            replay = _Replay(trial.hyperparameters)
            space(replay)
            params = {name: trial.hyperparameters[name] for name in replay.distributions}
            study.add_trial(
                optuna.trial.create_trial(params=params, distributions=replay.distributions, value=score)
            )
    common = set.intersection(*(set(trial.params) for trial in study.trials)) if study.trials else set()
    # In one order in every process, or the forest differs.
    searched = [name for name in spec.search if name in common]
    varied = [name for name in searched if len({trial.params[name] for trial in study.trials}) > 1]
    scores = {trial.value for trial in study.trials}
    if len(study.trials) < _FEWEST_TRIALS or len(varied) < 2 or len(scores) < 2:
        return {}
    found = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0), params=varied)
    return {name: found[name] for name in varied}

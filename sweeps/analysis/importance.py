"""Importance of the hyperparameters in an arm's search, by Optuna's functional ANOVA."""

import logging
from collections.abc import Mapping

import optuna
from optuna.trial import FixedTrial, FrozenTrial, create_trial

from sweeps.process_state import log_level
from sweeps.record.state import SweepState
from sweeps.record.trials import SEARCH
from sweeps.spec.sections import Scalar
from sweeps.spec.space import SearchSpace

# A random forest fitted to fewer trials is meaningless.
FEWEST_TRIALS = 20


def importances(state: SweepState, tuned: Mapping[str, Scalar]) -> dict[str, float]:
    """Return each hyperparameter's share of the variance of the scores in an arm's search.

    The shares sum to 1. Only trials that finished count, as those stopped early have scores of fewer epochs,
    and only hyperparameters that all of them have. Empty for fewer than two hyperparameters, for
    fewer than 20 trials, or if every trial has the same score.

    Args:
        state: The sweep.
        tuned: The arm, and the value of ``across`` if there is one, such as ``{"noise": "all"}``.
    """
    trials = _finished_trials(state, tuned)
    if len(trials) < FEWEST_TRIALS or len({trial.value for trial in trials}) < 2:
        return {}
    # Names are in the order of the spec, since the forest depends on it: the order of a set would differ from
    # process to process.
    common = [name for name in state.spec.search if all(name in trial.params for trial in trials)]
    varied = [name for name in common if len({trial.params[name] for trial in trials}) > 1]
    if len(varied) < 2:
        return {}
    # These import scikit-learn, which takes a second.
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    larger_is_better = state.spec.objective.mode == "max"
    # Optuna logs a line for each new study.
    with log_level("optuna", logging.WARNING):
        study = optuna.create_study(direction="maximize" if larger_is_better else "minimize")
    study.add_trials(trials)
    shares = get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0), params=varied)
    return {name: shares[name] for name in varied}


def _finished_trials(state: SweepState, tuned: Mapping[str, Scalar]) -> list[FrozenTrial]:
    spec = state.spec
    space = SearchSpace(spec, tuned if spec.stages else None)
    ranked = [
        record
        for record in state.ranked(state.of_stage(SEARCH))
        if record.status == "finished" and tuned.items() <= record.hyperparameters.items()
    ]
    trials = []
    for record in sorted(ranked, key=lambda record: record.number):
        # The space asks for the hyperparameters that apply, and FixedTrial keeps their distributions.
        asked = FixedTrial(record.hyperparameters)
        space(asked)
        score = state.score(record)
        trials.append(create_trial(params=asked.params, distributions=asked.distributions, value=score))
    return trials

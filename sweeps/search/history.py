"""What a driver learns from the journal of those before it: what was tried, with what outcome."""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sweeps.record.journal import Event
from sweeps.record.state import CONFIRM, ENDED, SEARCH, SweepState, TrialRecord
from sweeps.search.configuration import OBJECTIVE, TRIAL, trial_id, worst
from sweeps.search.scheduler import Report
from sweeps.search.searcher import KnownTrial
from sweeps.spec.model import Spec
from sweeps.spec.space import grid_trials


def known_trials(state: SweepState) -> list[KnownTrial]:
    """List the trials of the search for its searcher.

    Args:
        state: The sweep.

    Returns:
        In the order of their numbers.
    """
    arms = [str(arm) for arm in state.spec.arms] if state.spec.stages else []
    return [
        KnownTrial(
            id=trial.id,
            arm=arms.index(trial.arm) if arms else 0,
            point=state.spec.searched_of(trial.hyperparameters),
            epochs=len(trial.epochs),
            ended=trial.status in ENDED,
            score=None if trial.status == "failed" else _ranked(state.spec, trial.last),
        )
        for trial in state.of_stage(SEARCH)
    ]


def reports(spec: Spec, events: Iterable[Event]) -> Iterator[Report]:
    """List what the trials of a search have reported, for its scheduler.

    Args:
        spec: The sweep.
        events: Its journal.

    Yields:
        In the order in which they were reported.
    """
    state = SweepState(spec)
    for event in events:
        state.apply(event)
        if event["event"] == "epoch" and (trial := state.trials[event["trial"]]).stage == SEARCH:
            result = {"epoch": event["epoch"], OBJECTIVE: _ranked(spec, event["metrics"])}
            yield Report(trial.id, spec.searched_of(trial.hyperparameters), result)


def _ranked(spec: Spec, metrics: Mapping[str, float]) -> float:
    score = metrics.get(spec.objective.metric, math.nan)
    return score if math.isfinite(score) else worst(spec)


def listed_trials(state: SweepState, stage: str) -> list[dict[str, Any]]:
    """List the trials of a grid, or of the confirm stage.

    Args:
        state: The sweep.
        stage: ``search`` or ``confirm``.

    Returns:
        Their configurations, each with its seed and id; empty for a search.
    """
    spec, first = state.spec, 1
    if stage == CONFIRM:
        listed = _confirm_trials(state)
        first += max((trial.number for trial in state.of_stage(SEARCH)), default=0)
    else:
        listed = grid_trials(spec) if spec.is_grid else []
    return [{**point, TRIAL: trial_id(number)} for number, point in enumerate(listed, start=first)]


def _confirm_trials(state: SweepState) -> list[dict[str, Any]]:
    # Every point with the first seed before any with the second: a partial run is balanced.
    spec = state.spec
    confirm = spec.stages.confirm if spec.stages else None
    changes = {} if confirm is None or "curvature" in spec.fixed else {"curvature": confirm.curvature}
    points = state.selected or []
    return [{**point, **changes, "seed": seed} for seed in spec.confirm_seeds for point in points]


def not_ended(state: SweepState, listed: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what needs no more.

    Args:
        state: The sweep.
        listed: What ``listed_trials`` gave.

    Returns:
        The configurations of trials that were not started, or were interrupted.
    """

    def open_(trial: TrialRecord | None) -> bool:
        return trial is None or trial.status not in ENDED

    return [point for point in listed if open_(state.trials.get(point[TRIAL]))]

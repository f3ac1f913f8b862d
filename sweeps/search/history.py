"""Reads from the journal what a new driver needs: known trials, their reports, trials still to run."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sweeps.record.journal import Event
from sweeps.record.state import SweepState
from sweeps.record.trials import ENDED, SEARCH
from sweeps.search.configuration import OBJECTIVE, TRIAL, trial_id, worst
from sweeps.search.scheduler import Report
from sweeps.search.searcher import KnownTrial
from sweeps.spec.model import MEASURING, Spec
from sweeps.spec.space import tuned_by


def known_trials(state: SweepState) -> list[KnownTrial]:
    """List the trials of the search for its searcher, in the order of their numbers."""
    return [
        KnownTrial(
            id=trial.id,
            arm=tuned_by(state.spec, trial.hyperparameters) if state.spec.stages else 0,
            point=state.spec.searched_of(trial.hyperparameters),
            epochs=len(trial.epochs),
            ended=trial.status in ENDED,
            score=None if trial.status == "failed" else _score(state.spec, trial.last),
        )
        for trial in state.of_stage(SEARCH)
    ]


def reports(state: SweepState, events: Iterable[Event]) -> Iterator[Report]:
    """Yield the trials of the search for its scheduler, by number, then their reports as in the journal."""
    for trial in state.of_stage(SEARCH):
        yield Report(trial.id, state.spec.searched_of(trial.hyperparameters), None)
    for event in events:
        if event["event"] == "epoch" and (trial := state.trials[event["trial"]]).stage == SEARCH:
            result = {"epoch": event["epoch"], OBJECTIVE: _score(state.spec, event["metrics"])}
            yield Report(trial.id, state.spec.searched_of(trial.hyperparameters), result)


def _score(spec: Spec, metrics: Mapping[str, float]) -> float:
    score = metrics.get(spec.objective.metric, math.nan)
    return score if math.isfinite(score) else worst(spec)


def listed_trials(state: SweepState) -> list[dict[str, Any]]:
    """List the configurations, with seed and trial id, of a grid or confirm stage for the looks begun so far.

    A trial that exists keeps its id; the others are numbered from the end of the search, in the order in
    which they start.
    """
    spec, known = state.spec, state.by_point_and_seed
    measured = [name for name in MEASURING if name not in spec.fixed] if spec.confirms else []
    measuring = {name: getattr(spec.confirm, name) for name in measured}
    used = {trial.number for trial in state.trials.values()}
    searched = state.of_stage(SEARCH) if spec.confirms else []
    number, listed = max((trial.number for trial in searched), default=0), list[dict[str, Any]]()
    for each in state.rounds:
        for name, seed in each:
            trial = known.get((name, seed))
            # The place in the list decides, so that a sweep that is resumed has the numbers of one that was
            # not.
            number = trial.number if trial else next(n for n in itertools.count(number + 1) if n not in used)
            used.add(number)
            listed.append({**each.points[name], **measuring, "seed": seed, TRIAL: trial_id(number)})
    return listed


def not_ended(state: SweepState, listed: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the configurations of trials that have not started or were interrupted."""
    ended = {trial.id for trial in state.trials.values() if trial.status in ENDED}
    return [point for point in listed if point[TRIAL] not in ended]

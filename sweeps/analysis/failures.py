"""Stages and arms of a sweep that have no result, as their trials failed."""

from collections.abc import Iterator, Sequence

from sweeps.record.state import SweepState
from sweeps.record.trials import CONFIRM, SEARCH, TrialRecord

_WITH_RESULT = ("finished", "stopped")


def outcome(state: SweepState) -> str:
    """Return how a sweep has ended, as in its journal: ``finished``, ``failed`` or ``interrupted``."""
    if not state.complete:
        return "interrupted"
    return "failed" if failures(state) else "finished"


def failures(state: SweepState) -> list[str]:
    """Say which stages have no trial that finished, and which arms of the others have only failed ones."""
    compares = bool(state.spec.stages) or state.spec.is_grid
    found: list[str] = []
    for stage in (SEARCH, CONFIRM):
        trials = state.of_stage(stage)
        where = f" of the {'confirm stage' if stage == CONFIRM else 'search'}" if state.spec.stages else ""
        if none_finished(trials):
            found.append(f"no trial{where} has finished: {_ends(trials)}{_first_reason(trials)}")
        elif compares:
            found += _arms(state, stage, where)
    return found


def none_finished(trials: Sequence[TrialRecord]) -> bool:
    """Whether there are trials, and none of them has a result."""
    return bool(trials) and not any(trial.status in _WITH_RESULT for trial in trials)


def _arms(state: SweepState, stage: str, where: str) -> Iterator[str]:
    for arm in state.arms():
        trials = state.of_stage(stage, arm)
        if trials and all(trial.status == "failed" for trial in trials):
            yield f"every trial{where} with {state.spec.compared} {arm} has failed{_first_reason(trials)}"


def _ends(trials: Sequence[TrialRecord]) -> str:
    statuses = [trial.status for trial in trials]
    return ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))


def _first_reason(trials: Sequence[TrialRecord]) -> str:
    reason = next((trial.reason for trial in trials if trial.reason), "")
    return f"; the first: {reason}" if reason else ""

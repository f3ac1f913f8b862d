"""Failed trials that are run again: which ones, and what that reopens."""

from bisect import bisect_right

from sweeps.record.journal import Event
from sweeps.record.state import SweepState
from sweeps.record.trials import SEARCH, TrialRecord
from sweeps.spec.space import tuned_by


def retryable(state: SweepState) -> list[TrialRecord]:
    """List the failed trials that can be run again, by number.

    Once the search has chosen, its choice stays: of its failed trials, only those of arms can be run again
    for which it has chosen nothing.
    """
    known = state.by_point_and_seed
    looked = {known[key].id for each in state.rounds for key in each if key in known}
    failed = [trial for trial in state.by_number() if trial.status == "failed"]
    return [trial for trial in failed if trial.id in looked or _may_search_again(state, trial)]


def retry_event(state: SweepState) -> Event | None:
    """Return the event that lets failed trials run again; None if there are none.

    It opens the first look again that they belong to, as its verdicts were without them. Looks that were
    taken before the others were changed stay closed.
    """
    trials = retryable(state)
    if not trials:
        return None
    search = state.selected is not None and any(trial.stage == SEARCH for trial in trials)
    taken = state.extensions[-1]["looks_taken"] if state.extensions else 0
    looks = 0 if search else max(taken, min(_look_of(state, trial) for trial in trials))
    return {"event": "retry", "trials": [trial.id for trial in trials], "search": search, "looks": looks}


def _may_search_again(state: SweepState, trial: TrialRecord) -> bool:
    if trial.stage != SEARCH or state.spec.is_grid:
        return False
    own = tuned_by(state.spec, trial.hyperparameters) if state.selected else None
    return all(tuned_by(state.spec, point) != own for point in state.selected or [])


def _look_of(state: SweepState, trial: TrialRecord) -> int:
    """Return the index of the first look at a trial's seed; 0 for one of the search."""
    first = state.spec.replicates[0]
    return 0 if trial.seed < first else bisect_right(state.spec.n_seeds, trial.seed - first)

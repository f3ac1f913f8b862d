"""The lines that tell how far a sweep is, as its events happen."""

from collections.abc import Iterator
from statistics import fmean

from sweeps.analysis.arms import arms_of, best_arm, is_judgeable, points_of
from sweeps.analysis.descriptions import counted, describe, shown_values
from sweeps.record.journal import Event
from sweeps.record.state import SweepState
from sweeps.record.time_left import TimeLeft
from sweeps.record.trials import ENDED, TrialRecord
from sweeps.spec.space import points_at, tuned_by

# A line for this many trials; a line for fewer if a sweep had less than eight lines, and for more if it had
# more than forty.
_TRIALS, _FEWEST, _MOST = 10, 8, 40


class Lines:
    """Writes what happens in a sweep: choices, problems and progress.

    Each trial that failed or diverged has a line of its own. The others are told by a line for several, or
    one for each if ``verbose``.
    """

    def __init__(self, state: SweepState, time_left: TimeLeft, *, verbose: bool, progress: bool) -> None:
        self._state, self._time_left = state, time_left
        self._verbose, self._progress = verbose, progress and not verbose
        # The number of ended trials that the last line told of.
        self._told = n_ended(state)
        # The reason of the last trial that had one.
        self._reason = ""
        # Counting what is planned takes a while, and only these events change it.
        self._total = state.n_trials

    def about(self, event: Event) -> Iterator[str]:
        """Yield the lines about an event that the state already includes."""
        if event["event"] in ("select", "look"):
            self._total = self._state.n_trials
        if event["event"] == "end":
            yield from self._about_end(self._state.trials[event["trial"]], event["time"])
        elif event["event"] == "select":
            yield from self._progress_line(event["time"], due=1)
            yield from self._selected()
        elif event["event"] == "remark":
            yield f"{describe(self._state.spec, self._state.trials[event['trial']])}: {event['text']}"

    def _about_end(self, trial: TrialRecord, now: int) -> Iterator[str]:
        if self._verbose or trial.status in ("diverged", "failed"):
            yield self._with_count(self._ending(trial), now, trial.status)
        # A search with a budget in epochs has no known number of trials.
        is_last = n_ended(self._state) == self._total if self._total else self._state.complete
        yield from self._progress_line(now, due=1 if is_last else trials_per_line(self._total))

    def _progress_line(self, now: int, due: int) -> Iterator[str]:
        """Yield how far the sweep is, if so many trials are due to be told of."""
        ended = n_ended(self._state)
        if self._progress and ended - self._told >= due:
            self._told = ended
            yield self._with_count(self._so_far(), now)

    def _with_count(self, text: str, now: int, status: str = "") -> str:
        line = f"[{n_ended(self._state)}/{self._total or '?'}] {text}"
        left = self._time_left.text(self._state, now)
        if not left or self._state.complete or status == "interrupted":
            return line
        return f"{line} - {left}"

    def _ending(self, trial: TrialRecord) -> str:
        parts = [describe(self._state.spec, trial), trial.status]
        parts.append(f"after {len(trial.epochs)} of {trial.hyperparameters['epochs']} epochs")
        score = self._state.score(trial)
        if score is not None:
            parts.append(f"{self._state.spec.objective.metric}={score:.4f}")
        if trial.reason:
            parts.append("for the same reason" if trial.reason == self._reason else f"({trial.reason})")
            self._reason = trial.reason
        return " ".join(parts)

    def _so_far(self) -> str:
        counts = {status: n for status, n in self._state.counts().items() if n and status in ENDED}
        text = ", ".join(f"{n} {status}" for status, n in counts.items())
        best = best_mean(self._state) if is_judgeable(self._state) else self._best_trial()
        return f"{text}; {best}" if best else text

    def _best_trial(self) -> str:
        spec, trial = self._state.spec, self._state.best()
        if trial is None:
            return ""
        return f"best {spec.objective.metric}={self._state.score(trial):.4f}: {describe(spec, trial)}"

    def _selected(self) -> Iterator[str]:
        spec, selected = self._state.spec, self._state.selected or []
        seeds, points = spec.replicates[: spec.n_seeds[0]], points_at(spec)
        done = "the search is complete; " if spec.search_stage else ""
        also = f", also at {counted(len(points), 'listed point')}" if points else ""
        yield f"{done}confirming on seeds {seeds[0]} to {seeds[-1]}{also}:"
        for index, tuned in enumerate(spec.tuned):
            name = tuned[spec.compared]
            chosen = [point for point in selected if tuned_by(spec, point) == index]
            for point in chosen:
                yield f"  {name} {shown_values(spec, point)}".rstrip()
            if not chosen:
                stratum = "".join(f", {value}" for key, value in tuned.items() if key != spec.compared)
                yield f"  {name}{stratum}: left out, no trial has a finite score"


def n_ended(state: SweepState) -> int:
    """Count the trials that have ended and are not resumed."""
    return sum(trial.status in ENDED for trial in state.trials.values())


def trials_per_line(total: int | None) -> int:
    """Return how many trials a line of progress tells of; ``total`` is the sweep's number, if it is known."""
    return _TRIALS if total is None else max(1, min(_TRIALS, total // _FEWEST), total // _MOST)


def best_mean(state: SweepState) -> str:
    """Name the arm with the best mean objective so far; empty before any seed has ended."""
    spec, metric = state.spec, state.spec.objective.metric
    arms = [arm for _, where in points_of(spec) for arm in arms_of(state, where)]
    best = best_arm(spec, arms) if arms else None
    if best is None or not (scores := best.final(metric).values()):
        return ""
    name = f"{best.name} {shown_values(spec, best.point)}".rstrip()
    return f"best mean {metric}={fmean(scores):.4f}: {name}, {counted(len(scores), 'seed')}"

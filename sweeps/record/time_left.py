"""Estimates of the time that a sweep still takes."""

from datetime import timedelta

from sweeps.record.journal import Event
from sweeps.record.state import SweepState
from sweeps.record.trials import ENDED


class TimeLeft:
    """Estimates the time left from the current driver's progress; earlier drivers and pauses do not count.

    It is the time until the next look, if claims are judged at several.
    """

    def __init__(self) -> None:
        # Time in ms since 1970, and the work done by then.
        self._began: int | None = None
        self._done_before = 0.0

    def apply(self, event: Event, state: SweepState) -> None:
        """Update the estimate; ``state`` already includes the event."""
        if event["event"] == "begin":
            self._began, self._done_before = event["time"], done(state)

    def text(self, state: SweepState, now: float) -> str:
        """Write the time left at ``now`` (ms since 1970), such as ``about 0:10:00 left``, or nothing."""
        left = self.left(state, now)
        until = "to the next look" if 0 < len(state.rounds) < len(state.looks) else "left"
        return "" if left is None else f"about {left} {until}"

    def left(self, state: SweepState, now: float) -> timedelta | None:
        """Estimate the time left at ``now`` (ms since 1970), in whole seconds; None while it is unknown."""
        finished = done(state)
        if self._began is None or finished <= self._done_before or state.n_trials is None:
            return None
        seconds_per_trial = (now - self._began) / 1000 / (finished - self._done_before)
        return timedelta(seconds=round(max(0.0, seconds_per_trial * (state.n_trials - finished))))


def done(state: SweepState) -> float:
    """Count the trials that are done; one that has not ended counts by its share of epochs."""
    return sum(
        1 if trial.status in ENDED else len(trial.epochs) / trial.hyperparameters["epochs"]
        for trial in state.by_number()
    )

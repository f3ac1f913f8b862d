"""How much of a sweep is done, and how long the rest takes."""

from datetime import timedelta

from sweeps.record.journal import Event
from sweeps.record.state import ENDED, SweepState


class Pace:
    """What the driver at work has done since it began; earlier ones, and the time between, do not count."""

    def __init__(self) -> None:
        self._began: int | None = None  # ms since 1970, and the work done by then
        self._before = 0.0

    def apply(self, event: Event, state: SweepState) -> None:
        """Take an event in.

        Args:
            event: From the journal.
            state: The sweep with that event.
        """
        if event["event"] == "begin":
            self._began, self._before = event["time"], done(state)

    def left(self, state: SweepState, now: float) -> timedelta | None:
        """Estimate the time left.

        Args:
            state: The sweep.
            now: Time in ms since 1970.

        Returns:
            To the second; None while nothing is known.
        """
        so_far = done(state)
        if self._began is None or so_far <= self._before or state.n_trials is None:
            return None
        seconds = (now - self._began) / 1000 * (state.n_trials - so_far) / (so_far - self._before)
        return timedelta(seconds=round(max(0.0, seconds)))


def done(state: SweepState) -> float:
    """Count what is done.

    Args:
        state: The sweep.

    Returns:
        In trials, those that have not ended by their share of epochs.
    """
    return sum(
        1 if trial.status in ENDED else len(trial.epochs) / trial.hyperparameters["epochs"]
        for trial in state.counted()
    )

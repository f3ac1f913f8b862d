"""Stops a sweep cleanly on Ctrl-C, or on the signal of a stopped job, a batch system or a closed terminal."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sweeps.errors import SweepError

_PATIENCE_SECONDS = 15.0


class Stopped(Exception):
    """The user asked to stop."""


class Stop:
    """A request to end the sweep.

    Attributes:
        asked: Whether the user has asked to stop.
        fault: An error that ends the sweep, and that the user has to fix before resuming it.
    """

    def __init__(self) -> None:
        self.asked = False
        self.fault: SweepError | None = None

    def fail(self, error: SweepError) -> None:
        """Request to end the sweep because of an error."""
        self.fault = error

    def check(self) -> None:
        """End the sweep if that was requested.

        Raises:
            Stopped: If the user has asked to stop.
            SweepError: The fault.
        """
        if self.fault:
            raise self.fault
        if self.asked:
            raise Stopped


@contextmanager
def stopping(when_stuck: Callable[[], None]) -> Iterator[Stop]:
    """Turn the first Ctrl-C, SIGTERM or SIGHUP into a request to stop; a second one has its usual effect.

    A SIGHUP that is ignored, as under ``nohup``, stays so.

    Args:
        when_stuck: Called from a thread if the sweep does not stop in time: after a SIGTERM to every process
            of a machine, Ray is gone and waiting for it takes minutes.

    Yields:
        The request. It is never set outside the main thread, which alone receives signals.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    patience = threading.Timer(_PATIENCE_SECONDS, when_stuck)
    patience.daemon = True
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    if before[signal.SIGHUP] == signal.SIG_IGN:
        del before[signal.SIGHUP]

    def restore() -> None:
        for number, handler in before.items():
            # None stands for a handler that was not set from Python.
            if handler is not None:
                signal.signal(number, handler)

    def ask(number: int, frame: Any) -> None:
        stop.asked = True
        restore()
        patience.start()

    for number in before:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        patience.cancel()
        if patience.is_alive():
            # It has given up, closes everything and ends the process.
            patience.join()
        restore()

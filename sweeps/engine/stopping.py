"""Stopping a sweep in good order: Ctrl-C, and the SIGTERM that a stopped job or a batch system sends."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from sweeps.errors import SweepError

_PATIENCE_SECONDS = 15.0


class Stopped(Exception):
    """The user has asked to stop."""


class Stop:
    """Whether, and why, what runs is to end.

    Attributes:
        asked: The user has asked for it.
        fault: Something that the user has to put right first.
    """

    def __init__(self) -> None:
        self.asked = False
        self.fault: SweepError | None = None

    def check(self) -> None:
        """End what runs if it is to end.

        Raises:
            Stopped: The user has asked for it.
            SweepError: The fault.
        """
        if self.fault:
            raise self.fault
        if self.asked:
            raise Stopped


@contextmanager
def stopping(when_stuck: Callable[[], None]) -> Iterator[Stop]:
    """Take Ctrl-C and SIGTERM as a request, the first time; a second one acts as ever.

    Args:
        when_stuck: Called from a thread when the request has not been met for long: with SIGTERM to all of a
            machine Ray is gone, and waiting for it takes minutes.

    Yields:
        Whether it came. Only the main thread gets signals: elsewhere it never does.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    patience = threading.Timer(_PATIENCE_SECONDS, when_stuck)
    patience.daemon = True
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
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
        restore()

"""Starts the publisher process, which uploads a sweep to MLflow in parallel with Tune's loop.

MLflow takes seconds to import, and then ten milliseconds of Python per trial, for which the loop would wait.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe


class PublisherProcess:
    """Runs ``sweeps.tracking.publisher_main``; the connection carries ``sweeps.tracking.protocol``."""

    def __init__(self) -> None:
        self.connection, child = Pipe()
        self._process = subprocess.Popen(
            # With -P and the driver's sys.path it finds the modules that the driver finds, and no others.
            [sys.executable, "-P", "-m", "sweeps.tracking.publisher_main", str(child.fileno())],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            # The driver's standard output belongs to the sweep.
            stdout=subprocess.DEVNULL,
            pass_fds=[child.fileno()],
            # Keep the terminal's Ctrl-C for the driver.
            start_new_session=True,
        )
        child.close()

    def kill(self) -> int:
        """Kill the process unless it has exited; return its exit status, negative for a signal."""
        self._process.kill()
        self.connection.close()
        return self._process.wait()


_ahead: list[PublisherProcess] = []


@contextmanager
def started_ahead() -> Iterator[None]:
    """Start a process for ``publisher_process`` that imports while the caller does; kill it if unused."""
    _ahead.append(PublisherProcess())
    try:
        yield
    finally:
        while _ahead:
            _ahead.pop().kill()


def publisher_process() -> PublisherProcess:
    """Return the process that was started ahead, or start one."""
    return _ahead.pop() if _ahead else PublisherProcess()

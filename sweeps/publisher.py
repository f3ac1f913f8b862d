"""The process that delivers to MLflow, as its driver sees it; imports next to nothing, to start it first."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import Pipe


class PublisherProcess:
    """Runs ``sweeps.publish``, which takes seconds to import MLflow and torch.

    Attributes:
        connection: What is said to it, and by it.
    """

    def __init__(self) -> None:
        self.connection, other = Pipe()
        self._process = subprocess.Popen(
            # It finds what the driver finds, also the trainable; -P: nothing else in the working directory.
            [sys.executable, "-P", "-m", "sweeps.publish", str(other.fileno())],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=subprocess.DEVNULL,  # the driver's is the sweep's
            pass_fds=[other.fileno()],
            start_new_session=True,  # Ctrl-C is the driver's
        )
        other.close()

    def end(self) -> int:
        """End it, if it has not ended itself; what is not delivered is left.

        Returns:
            Its exit status, below zero the signal that ended it.
        """
        self._process.kill()
        self.connection.close()
        return self._process.wait()


_ahead: list[PublisherProcess] = []


@contextmanager
def started_ahead() -> Iterator[None]:
    """Start the process that ``publisher_process`` will give, so that it imports while the caller does.

    Yields:
        Nothing; where it was not taken, it is ended.
    """
    _ahead.append(PublisherProcess())
    try:
        yield
    finally:
        while _ahead:
            _ahead.pop().end()


def publisher_process() -> PublisherProcess:
    """Start the process, unless that was done ahead.

    Returns:
        It waits for what ``Delivery`` says.
    """
    return _ahead.pop() if _ahead else PublisherProcess()

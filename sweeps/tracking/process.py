"""The process that delivers a sweep to MLflow: started by the driver, which talks to it through ``Delivery``.

MLflow takes ten milliseconds of Python a trial, which Tune's loop would wait for, and seconds to import. The
process ends with its driver, however that ends, and with nothing else: Ctrl-C and SIGTERM are the driver's.
The driver starts it before it imports anything large, and so this module imports next to nothing itself.
"""

import math
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

from sweeps.errors import SweepError, in_a_line

if TYPE_CHECKING:
    from sweeps.record.folder import SweepFolder
    from sweeps.record.mirror import Mirror
    from trainables import Trainable

_POLL_SECONDS = 0.1
_NICENESS = 5  # trials first
_GONE = (EOFError, BrokenPipeError, ConnectionResetError)  # what a connection whose other end is raises


class PublisherProcess:
    """Runs ``sweeps.tracking.process``, which takes seconds to import MLflow and torch.

    Attributes:
        connection: What is said to it, and by it.
    """

    def __init__(self) -> None:
        self.connection, other = Pipe()
        self._process = subprocess.Popen(
            # It finds what the driver finds, also the trainable; -P: nothing else in the working directory.
            [sys.executable, "-P", "-m", "sweeps.tracking.process", str(other.fileno())],
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


class Delivery:
    """Delivers a sweep's journal to MLflow; should its process die, another one goes on.

    Attributes:
        parent: Id of the sweep's parent run.
    """

    def __init__(self, uri: str, study: str) -> None:
        """Start the process, which takes seconds to import what it needs.

        Args:
            uri: The tracking store.
            study: Name of the study, whose experiment it opens.
        """
        self.uri, self.parent = uri, ""
        self._study = study
        self._undelivered: int | None = None
        self._closing, self._abandoned = threading.Event(), threading.Event()
        self._listener = threading.Thread(target=self._listen, name="Delivery", daemon=True)
        self._process = publisher_process()

    def open(self) -> None:
        """Open the store.

        Raises:
            SweepError: If it cannot be reached or written, or the experiment is deleted.
        """
        self._ask((self.uri, self._study))

    def follow(
        self,
        folder: "SweepFolder",
        trainable: "type[Trainable]",
        say: Callable[[str], None],
        mirror: "Mirror | None" = None,
    ) -> None:
        """Open a sweep's parent run.

        Args:
            folder: The sweep.
            trainable: Its trainable, which may be registered in this process only.
            say: Tells the user that the store went away or came back.
            mirror: What copies the journal; only what is safe there is delivered, or MLflow would have runs
                that the next driver does not know.

        Raises:
            SweepError: If the store does not take it.
        """
        self._folder, self._trainable, self._say, self._mirror = folder, trainable, say, mirror
        self._follow()

    def start(self) -> None:
        """Begin to deliver."""
        self._listener.start()

    def close(self) -> None:
        """Deliver the rest, and leave no run that looks as if it went on."""
        self._closing.set()
        self._listener.join()
        self.abandon()

    def abandon(self) -> None:
        """End the process, which leaves what is not delivered."""
        self._abandoned.set()
        self._process.end()

    @property
    def undelivered(self) -> int:
        """Events in the journal that MLflow does not have."""
        if self._undelivered is not None:
            return self._undelivered
        return sum(1 for _ in self._folder.journal.read(self._delivered()))

    def _ask(self, message: tuple[object, ...], advice: str = "") -> str:
        try:
            self._process.connection.send(message)
            outcome, *of_it = self._process.connection.recv()
        except _GONE:
            raise SweepError(f"what writes to MLflow at {self.uri} has {self._ended()}{advice}") from None
        if outcome == "opened":
            return str(of_it[0])
        text, known = of_it
        raise SweepError(text if known else f"MLflow does not take writes at {self.uri}: {text}{advice}")

    def _follow(self) -> None:
        import cloudpickle

        trainable = cloudpickle.dumps(self._trainable)  # by value, if a script or notebook defines it
        self._safe = self._mirror.offset if self._mirror else math.inf
        advice = f"; put it right and go on with: {self._folder.resume_command}"
        self.parent = self._ask((self._folder, trainable, self._safe), advice)

    def _listen(self) -> None:
        before = -1
        while True:
            try:
                self._talk()
                return
            except (EOFError, OSError):
                if self._abandoned.is_set():  # as by a second Ctrl-C
                    return
                reason = self._ended()
            if self._delivered() == before:
                self._say(
                    f"what writes to MLflow has {reason} again; the rest is kept in "
                    f"{self._folder.journal.path}, deliver it with: {self._folder.resume_command}"
                )
                return
            self._say(f"what writes to MLflow has {reason}; another goes on")
            before = self._delivered()
            try:
                self._process = publisher_process()
                self.open()
                self._follow()
            except (SweepError, OSError) as error:
                self._say(str(error))
                return

    def _talk(self) -> None:
        connection, closing = self._process.connection, False
        while True:
            if self._mirror and self._mirror.offset != self._safe:
                self._safe = self._mirror.offset
                connection.send(self._safe)
            if not closing and self._closing.is_set():  # after what is safe
                closing = True
                connection.send(None)
            if connection.poll(_POLL_SECONDS):
                kind, content = connection.recv()
                if kind == "closed":
                    self._undelivered = content
                    return
                self._say(content)

    def _ended(self) -> str:
        return f"ended (exit status {self._process.end()})"

    def _delivered(self) -> int:
        from sweeps.tracking.bookmark import Bookmark

        bookmark = Bookmark.read(self._folder)
        return bookmark.offset if bookmark else 0


def main(descriptor: int) -> None:
    """Open the store, then the sweep, then deliver until the driver says that it is over.

    Args:
        descriptor: Of the connection to the driver.
    """
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    driver: Connection[Any, Any] = Connection(descriptor)
    messages: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_listen, args=(driver, messages), daemon=True).start()
    import cloudpickle

    from sweeps.tracking.publisher import Publisher
    from sweeps.tracking.store import open_store
    from trainables import registry

    import_module("mlflow.store.tracking.sqlalchemy_store")  # else the first use of a file does
    uri, study = messages.get()
    store = _answer(driver, lambda: open_store(uri, study))
    folder, trainable, safe = messages.get()
    registry.register(cloudpickle.loads(trainable))

    def say(text: str) -> None:
        driver.send(("say", text))

    publisher = _answer(driver, lambda: Publisher(folder.spec(), folder, store, say), lambda it: it.parent)
    publisher.limit = safe
    publisher.start()
    os.nice(_NICENESS)
    import_module("torch._dynamo")  # for the model at the end, while there is time
    while (safe := messages.get()) is not None:
        publisher.limit = safe
    publisher.close()
    driver.send(("closed", publisher.undelivered))


def _listen(driver: "Connection[Any, Any]", messages: "SimpleQueue[Any]") -> None:
    while True:
        try:
            messages.put(driver.recv())
        except (EOFError, OSError):  # the driver is gone, and the next one takes over
            os._exit(1)


def _answer(
    driver: "Connection[Any, Any]", attempt: Callable[[], Any], told: Callable[[Any], str] = lambda _: ""
) -> Any:
    try:
        outcome = attempt()
    except Exception as error:  # each kind of store raises its own
        known = isinstance(error, SweepError)
        driver.send(("refused", str(error) if known else in_a_line(error), known))
        sys.exit(1)
    driver.send(("opened", told(outcome)))
    return outcome


if __name__ == "__main__":
    main(int(sys.argv[1]))

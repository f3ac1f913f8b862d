"""The driver's side of delivery to MLflow, which runs in a process of its own (``sweeps.publish``).

MLflow takes ten milliseconds of Python a trial, which Tune's loop would wait for, and seconds to import.
"""

import math
import threading
from collections.abc import Callable

from ray import cloudpickle

from sweeps.mirror import Mirror
from sweeps.mistakes import SweepError
from sweeps.publisher import publisher_process
from sweeps.storage import SweepFolder
from trainables import Trainable

_POLL_SECONDS = 0.1
_GONE = (EOFError, BrokenPipeError, ConnectionResetError)  # what a connection whose other end is raises


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
        self._closing = threading.Event()
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
        folder: SweepFolder,
        trainable: type[Trainable],
        say: Callable[[str], None],
        mirror: Mirror | None = None,
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
            except _GONE:
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
        return int((self._folder.bookmark_content() or {}).get("offset", 0))

"""The driver's side of the publisher process: tells it what to upload, and replaces it if it dies."""

import math
import threading
from collections.abc import Callable

import cloudpickle

from sweeps.errors import SweepError
from sweeps.record.folder import SweepFolder
from sweeps.record.mirror import Mirror
from sweeps.tracking.bookmark import Bookmark
from sweeps.tracking.protocol import (
    Close,
    Closed,
    Failed,
    FollowSweep,
    Opened,
    OpenStore,
    SafeUpTo,
    Say,
    SendReport,
)
from sweeps.tracking.publisher_process import publisher_process
from trainables import registry

_POLL_SECONDS = 0.1


class PublisherClient:
    """Has a publisher process upload a sweep's journal to MLflow; ``parent`` is the id of the sweep's run."""

    def __init__(self, uri: str, study: str) -> None:
        self.uri, self.parent = uri, ""
        self._study = study
        self._undelivered: int | None = None
        self._closing, self._abandoned = threading.Event(), threading.Event()
        self._listener = threading.Thread(target=self._listen, name="PublisherClient", daemon=True)
        self._process = publisher_process()

    def open(self) -> None:
        """Open the store; raise SweepError if it cannot be reached or written."""
        self._request(OpenStore(self.uri, self._study))

    def follow(self, folder: SweepFolder, say: Callable[[str], None], mirror: Mirror | None = None) -> None:
        """Open a sweep's parent run; raise SweepError if MLflow cannot be written.

        With a mirror, only events that it has copied are uploaded: MLflow must not have runs that the next
        driver, perhaps on another machine, does not know.
        """
        self._folder, self._say, self._mirror = folder, say, mirror
        self._follow()

    def start(self) -> None:
        """Begin to upload."""
        self._listener.start()

    def send_report(self, folder: SweepFolder, parent: str) -> None:
        """Log a sweep's report to its parent run; raise SweepError if MLflow cannot be written."""
        self._request(SendReport(folder, self.uri, parent))

    def close(self) -> None:
        """Upload the rest, and mark runs that have not ended as killed."""
        self._closing.set()
        self._listener.join()
        self.abandon()

    def abandon(self) -> None:
        """Kill the process without uploading the rest."""
        self._abandoned.set()
        self._process.kill()

    @property
    def undelivered(self) -> int:
        """Number of events in the journal that MLflow does not have."""
        if self._undelivered is not None:
            return self._undelivered
        return sum(1 for _ in self._folder.journal.read(self._uploaded()))

    def _request(self, message: OpenStore | SendReport | FollowSweep, remedy: str = "") -> Opened:
        try:
            self._process.connection.send(message)
            answer: Opened | Failed = self._process.connection.recv()
        except (EOFError, OSError):
            raise SweepError(f"{self._kill_and_describe()}{remedy}") from None
        if isinstance(answer, Opened):
            return answer
        if answer.is_sweep_error:
            raise SweepError(answer.text)
        raise SweepError(f"cannot write to MLflow at {self.uri}: {answer.text}{remedy}")

    def _follow(self) -> None:
        self._safe = self._mirror.offset if self._mirror else math.inf
        spec = self._folder.spec()
        registered = registry.registered(spec.trainable, spec.noise_modes, only_declared=True)
        request = FollowSweep(self._folder, cloudpickle.dumps(registered), self._safe)
        self.parent = self._request(request, self._remedy).parent

    @property
    def _remedy(self) -> str:
        return f"; fix the cause, then run: {self._folder.resume_command}"

    def _listen(self) -> None:
        """Talk to the process until the sweep is closed; replace it if it dies after some progress."""
        uploaded_before = -1
        while not self._talk():
            if self._abandoned.is_set():
                # abandon() may have killed the process that this one has just replaced.
                self._process.kill()
                return
            exited, uploaded = self._kill_and_describe(), self._uploaded()
            if uploaded == uploaded_before:
                self._say(f"{exited} again; the rest is kept in {self._folder.journal.path}{self._remedy}")
                return
            self._say(f"{exited}; starting another")
            uploaded_before = uploaded
            try:
                self._process = publisher_process()
                self.open()
                self._follow()
            except (SweepError, OSError) as error:
                self._say(str(error))
                return

    def _talk(self) -> bool:
        """Return whether the process closed the sweep; False if it died or was abandoned before."""
        connection, close_sent = self._process.connection, False
        try:
            while self._undelivered is None and not self._abandoned.is_set():
                # Read whether to close before the mirror's offset, which is final by then: Close comes last.
                closing = self._closing.is_set()
                if self._mirror and self._mirror.offset != self._safe:
                    self._safe = self._mirror.offset
                    connection.send(SafeUpTo(self._safe))
                if closing and not close_sent:
                    connection.send(Close())
                    close_sent = True
                if closing and self._mirror:
                    # The mirror's thread has ended, but uploading the rest can outlast its lease.
                    self._mirror.tick()
                if connection.poll(_POLL_SECONDS):
                    message: Say | Closed = connection.recv()
                    if isinstance(message, Closed):
                        self._undelivered = message.undelivered
                    else:
                        self._say(message.text)
        except (EOFError, OSError):
            return False
        return self._undelivered is not None

    def _kill_and_describe(self) -> str:
        return f"the MLflow publisher for {self.uri} exited with status {self._process.kill()}"

    def _uploaded(self) -> int:
        bookmark = Bookmark.read(self._folder)
        return bookmark.offset if bookmark else 0

"""The folder of a sweep, STORAGE/NAME/001, 002, ...; the latest is the one that NAME means."""

import fcntl
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from sweeps.errors import SweepError
from sweeps.record.checkpoints import Checkpoints
from sweeps.record.files import BOOKMARK, JOURNAL, LOCK, RESOLVED, SWEEP, write_whole
from sweeps.record.journal import Journal
from sweeps.record.mirror import Mirror, below, claim, lease_holder, pull, uri_of
from sweeps.record.state import SweepState
from sweeps.record.storage import command
from sweeps.spec.model import NAME, Spec
from sweeps.spec.source import Source

_LOCK_SECONDS = 1.0  # longer than a status check holds the lock


@dataclass(frozen=True)
class SweepFolder:
    """The folder of one sweep."""

    path: Path

    @property
    def journal(self) -> Journal:
        """What happened in it."""
        return Journal(self.path / JOURNAL)

    @property
    def uri(self) -> str | None:
        """Where it is in a store, if that is no folder."""
        storage = uri_of(self.storage)
        return storage and below(storage, self.path.parent.name, self.path.name)

    @property
    def tune_root(self) -> str:
        """Where Tune works; nothing there is needed after its driver."""
        return self._shared("tune")

    @property
    def checkpoint_root(self) -> str:
        """Where the checkpoints of all trials are."""
        return self._shared("checkpoints")

    def _shared(self, name: str) -> str:
        return below(self.uri, name) if self.uri else str(self.path / name)

    def claim(self) -> None:
        """Claim it in its store, if that is no folder, and bring it up to date.

        Raises:
            SweepError: If a driver elsewhere is at work on it.
        """
        if self.uri:
            claim(self.path, self.uri)

    def mirror(self, say: Callable[[str], None]) -> Mirror | None:
        """Begin to copy it to its store.

        Args:
            say: Tells the user that the store went away or came back.

        Returns:
            What copies it; None if its folder is the storage.
        """
        return Mirror(self.path, self.uri, say) if self.uri else None

    def checkpoints(self, trial: str) -> Checkpoints:
        """Find the checkpoints of a trial.

        Args:
            trial: Its id.

        Returns:
            They are dropped when it ends, unless it is the best.
        """
        return Checkpoints(self.checkpoint_root, trial)

    @property
    def report(self) -> Path:
        """The report's pages and figures."""
        return self.path / "report"

    @property
    def resume_command(self) -> str:
        """What to type to go on with it."""
        return command("resume", self.path.parent.name, storage=self.storage)

    @property
    def report_command(self) -> str:
        """What to type for its report."""
        return command("report", self.path.parent.name, storage=self.storage)

    @property
    def storage(self) -> Path:
        """The storage that it is in."""
        return self.path.parent.parent

    @property
    def bookmark(self) -> Path:
        """Where MLflow delivery keeps how far it got."""
        return self.path / BOOKMARK

    def spec(self) -> Spec:
        """Read its spec, overrides included.

        Returns:
            The spec that it was started with.
        """
        # Checked when it was written; its trainable may be one that a script registered.
        return Spec.model_validate(Source(self.path / RESOLVED).content)

    def rewrite(self, spec: Spec) -> None:
        """Go on with a spec that has changed in what is harmless.

        Args:
            spec: The spec.

        Raises:
            SweepError: If the sweep is running.
        """
        with self.lock():
            write_whole(self.path / RESOLVED, spec.resolved)

    def state(self) -> SweepState:
        """Read its trials.

        Returns:
            Their state, also while it runs.
        """
        return SweepState(self.spec(), (event for event, _ in self.journal.read()))

    def lock(self) -> FileLock:
        """Claim it for a driver; a driver that dies lets go.

        Returns:
            The lock, held.

        Raises:
            SweepError: If another driver has it.
        """
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=_LOCK_SECONDS)
        except Timeout:
            raise SweepError(f"{self.path}: this sweep is running already") from None
        return lock

    def is_running(self) -> bool:
        """Tell whether a driver is at work on it.

        Returns:
            Whether its lock, or its lease in the store, is held.
        """
        if self.uri and lease_holder(self.uri):
            return True
        try:
            file = os.open(self.path / LOCK, os.O_RDONLY)  # who only looks may not be allowed to write
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(file)
        return False


def sweep_folders(storage: Path, name: str) -> list[SweepFolder]:
    """List the sweeps of a study.

    Args:
        storage: The storage folder.
        name: The study's name.

    Returns:
        Oldest first.
    """
    pull(storage, name)
    numbered = sorted(_numbered(storage.resolve() / name).items())
    return [SweepFolder(path) for _, path in numbered if (path / RESOLVED).exists()]


def _numbered(study: Path) -> dict[int, Path]:
    return {int(path.name): path for path in study.glob("[0-9]*") if path.name.isdecimal()}


def study_names(storage: Path) -> list[str]:
    """List the studies that have a sweep.

    Args:
        storage: The storage folder.

    Returns:
        Their names, sorted.
    """
    pull(storage)
    return sorted({path.parent.parent.name for path in storage.glob(f"*/*/{RESOLVED}")})


def newest_sweep(storage: Path, name: str) -> SweepFolder:
    """Find the sweep that a name means.

    Args:
        storage: The storage folder.
        name: The study's name.

    Returns:
        Its newest sweep.

    Raises:
        SweepError: If there is none.
    """
    # A name that is not one could lead out of the storage.
    folders = sweep_folders(storage, name) if re.fullmatch(NAME, name) else []
    if folders:
        return folders[-1]
    studies = study_names(storage)
    known = f"there are {', '.join(studies)}" if studies else "there is none yet"
    raise SweepError(f"{uri_of(storage) or storage}: no sweep of the name {name!r}; {known}")


def create_sweep(storage: Path, spec: Spec) -> SweepFolder:
    """Make the folder of a new sweep.

    Args:
        storage: The storage folder.
        spec: The sweep.

    Returns:
        The folder, with the YAML as written and as resolved in it.

    Raises:
        SweepError: If the storage cannot be written.
    """
    study = storage.resolve() / spec.name
    try:
        study.mkdir(parents=True, exist_ok=True)
        number = 1 + max(_numbered(study), default=0)
        folder = SweepFolder(study / f"{number:03d}")
        folder.path.mkdir()
    except FileExistsError:
        raise SweepError(f"{folder.path}: another sweep of this study has just begun") from None
    except OSError as error:
        raise SweepError(f"{storage}: cannot be written: {error}") from None
    try:
        write_whole(folder.path / SWEEP, spec.text or spec.resolved)
        write_whole(folder.path / RESOLVED, spec.resolved)  # last: with it there is a sweep
    except OSError as error:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise SweepError(f"{storage}: cannot be written: {error}") from None
    return folder

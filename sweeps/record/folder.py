"""The folder of a sweep, STORAGE/NAME/001, 002, ...; NAME alone means the latest."""

import fcntl
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from sweeps.errors import SweepError, did_you_mean
from sweeps.record.checkpoints import Checkpoints, saved_trials
from sweeps.record.files import (
    ARMS,
    BOOKMARK,
    JOURNAL,
    LOCK,
    RESOLVED,
    RESULTS,
    SWEEP,
    studies_in,
    write_whole,
)
from sweeps.record.journal import Event, Journal
from sweeps.record.lease import Lease
from sweeps.record.mirror import Mirror
from sweeps.record.state import SweepState
from sweeps.record.storage import command, join_uri, pull, uri_of
from sweeps.spec.model import NAME, REGISTER, Spec
from sweeps.spec.source import Source

# Longer than a status check holds the lock.
_LOCK_SECONDS = 1.0


@dataclass(frozen=True)
class SweepFolder:
    """The folder of one sweep; in an object store, its working copy on this machine."""

    path: Path

    @property
    def study(self) -> str:
        return self.path.parent.name

    @property
    def storage(self) -> Path:
        return self.path.parent.parent

    @property
    def uri(self) -> str | None:
        """The sweep in its object store; None if the storage is a folder."""
        storage = uri_of(self.storage)
        return storage and join_uri(storage, self.study, self.path.name)

    @property
    def journal(self) -> Journal:
        return Journal(self.path / JOURNAL)

    @property
    def bookmark(self) -> Path:
        """The file in which the publisher records how much is uploaded."""
        return self.path / BOOKMARK

    @property
    def arms(self) -> Path:
        """The file from which the publisher logs a run for each arm (``sweeps.analysis.arm_records``)."""
        return self.path / ARMS

    @property
    def results(self) -> Path:
        """The table of the trials."""
        return self.path / RESULTS

    @property
    def report(self) -> Path:
        """The folder of the report's pages and figures."""
        return self.path / "report"

    @property
    def paper(self) -> Path:
        """The folder of the report's figures and tables for a paper."""
        return self.report / "paper"

    @property
    def tune_root(self) -> str:
        """Tune's folder, which is not needed once the driver has exited."""
        return self._shared("tune")

    @property
    def checkpoint_root(self) -> str:
        return self._shared("checkpoints")

    @property
    def model(self) -> str:
        """The best network, as an MLflow model."""
        return self._shared("model")

    def _shared(self, name: str) -> str:
        """Name a folder that every node reaches, as a path or a URI."""
        return join_uri(self.uri, name) if self.uri else str(self.path / name)

    @property
    def resume_command(self) -> str:
        return command("resume", self.study, storage=self.storage)

    @property
    def retry_command(self) -> str:
        return command("resume", self.study, "--retry-failed", storage=self.storage)

    @property
    def report_command(self) -> str:
        return command("report", self.study, storage=self.storage)

    def checkpoints(self, trial: str) -> Checkpoints:
        """Return a trial's checkpoints, which are deleted when it ends, unless it may be the best."""
        return Checkpoints(self.checkpoint_root, trial)

    def saved_trials(self) -> set[str]:
        """Return the IDs of the trials that have checkpoints."""
        return saved_trials(self.checkpoint_root)

    def spec(self) -> Spec:
        """Read the spec that the sweep was started with, overrides included."""
        # Not checked again, because its trainable may be one that only the user's script registers.
        return Spec.model_validate(Source(self.path / RESOLVED).content)

    def amend(self, spec: Spec, events: Sequence[Event]) -> None:
        """Record events in the journal, and the spec that goes with them; ``lock`` must be held."""
        if events:
            self.journal.extend(events)
        if spec.resolved != self.spec().resolved:
            write_whole(self.path / RESOLVED, spec.resolved)

    def state(self) -> SweepState:
        """Read the state of the trials, also while the sweep runs."""
        return SweepState(self.spec(), (event for event, _ in self.journal.read()))

    def lock(self) -> FileLock:
        """Acquire the lock that a local driver holds until it dies; raise SweepError if one has it."""
        lock = FileLock(self.path / LOCK)
        try:
            lock.acquire(timeout=_LOCK_SECONDS)
        except Timeout:
            raise SweepError(f"{self.path}: this sweep is running already") from None
        except OSError as error:
            raise self._lock_error(error) from None
        return lock

    def _lock_error(self, error: OSError) -> SweepError:
        remedy = "a sweep is resumed by its owner, in a storage on a file system with locks"
        return SweepError(f"{self.path / LOCK}: cannot be locked ({error.strerror}); {remedy}")

    def claim(self) -> None:
        """Claim the sweep in its object store, if it has one, and pull its journal; ``lock`` must be held."""
        if self.uri:
            Lease(self.path, self.uri).claim()
            # Not the YAML, which this driver may just have changed.
            pull(self.storage, f"{self.study}/{self.path.name}", [JOURNAL, BOOKMARK])

    def mirror(self, say: Callable[[str], None]) -> Mirror | None:
        """Start to copy the sweep to its object store; None if the storage is a folder."""
        return Mirror(self.path, self.uri, say) if self.uri else None

    def is_running(self) -> bool:
        """Whether a driver works on the sweep, on this machine or, in an object store, on another."""
        if self.uri and Lease(self.path, self.uri).holder_elsewhere():
            return True
        try:
            # Read-only, because a user who may not write can still check.
            with (self.path / LOCK).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        except OSError as error:
            raise self._lock_error(error) from None
        return False


def sweep_folders(storage: Path, name: str) -> list[SweepFolder]:
    """List the sweeps of a study, the oldest first."""
    pull(storage, name)
    numbered = sorted(_numbered(storage.resolve() / name).items())
    return [SweepFolder(path) for _, path in numbered if (path / RESOLVED).exists()]


def _numbered(study: Path) -> dict[int, Path]:
    return {int(path.name): path for path in study.glob("[0-9]*") if path.name.isdecimal()}


def study_names(storage: Path) -> list[str]:
    """List the studies that have a sweep, sorted."""
    pull(storage)
    return studies_in(storage)


def latest_sweep(storage: Path, name: str) -> SweepFolder:
    """Return the latest sweep of a study; raise SweepError if there is none."""
    # An invalid name could lead out of the storage.
    folders = sweep_folders(storage, name) if re.fullmatch(NAME, name) else []
    if folders:
        return folders[-1]
    studies = study_names(storage)
    near = did_you_mean(name, studies, before="; ")
    known = f"{near or ';'} the storage has: {', '.join(studies)}" if studies else "; there is none yet"
    raise SweepError(f"{uri_of(storage) or storage}: no sweep named {name!r}{known}")


def check_known(folder: SweepFolder, spec: Spec) -> None:
    """Check that a sweep's trainable and noise modes are registered here.

    Raises:
        SweepError: If one is not; a script that registers it may call ``sweeps.resume``.
    """
    if spec.missing:
        raise SweepError(
            f"{folder.path}: {spec.missing}; {REGISTER}, register it in a script that calls "
            f"sweeps.resume({folder.study!r}), or give its package an entry point"
        )


def create_sweep(storage: Path, spec: Spec, *, first: bool = False) -> SweepFolder:
    """Create a sweep's folder, with its YAML as written and as resolved.

    Args:
        storage: The storage.
        spec: The sweep.
        first: Whether it must be the only sweep of its study.

    Raises:
        SweepError: If the storage cannot be written, or has another sweep that has just begun.
    """
    if first and (known := sweep_folders(storage, spec.name)):
        raise SweepError(f"{known[-1].path}: another driver has just begun this sweep")
    study = storage.resolve() / spec.name
    number = 1 + max(_numbered(study), default=0)
    folder = SweepFolder(study / f"{number:03d}")
    try:
        folder.path.mkdir(parents=True)
        write_whole(folder.path / SWEEP, spec.text or spec.resolved)
        # Written last, because a folder with this file counts as a sweep.
        write_whole(folder.path / RESOLVED, spec.resolved)
    except FileExistsError:
        raise SweepError(f"{folder.path}: another sweep of this study has just begun") from None
    except OSError as error:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise SweepError(f"{storage}: cannot be written: {error}") from None
    return folder

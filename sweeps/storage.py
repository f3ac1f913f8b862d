"""Where sweeps are kept: STORAGE/NAME/001, 002, ...; the newest is the one that NAME means."""

import fcntl
import json
import os
import re
import shlex
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sweeps.checkpoints import Checkpoints
from sweeps.journal import Journal, write_whole
from sweeps.mirror import (
    BOOKMARK,
    JOURNAL,
    RESOLVED,
    Mirror,
    below,
    claim,
    lease_holder,
    pull,
    uri_of,
    working_copy,
)
from sweeps.mistakes import SweepError
from sweeps.secrets import refuse_credentials
from sweeps.source import Source
from sweeps.spec import NAME, Spec
from sweeps.state import SweepState

_RAY_JOB = "RAY_JOB_CONFIG_JSON_ENV_VAR"  # set for the driver of a Ray job
_LOST = "would be lost with the job's copy of the working directory"
SCHEMES = ("sqlite:///", "http://", "https://", "postgresql", "mysql", "mssql", "databricks")
DEFAULT_STORAGE = Path("runs")
_LOCK = ".lock"
_LOCK_SECONDS = 1.0  # who looks whether a sweep is running holds it for a moment


def open_storage(where: str | Path | None = None) -> Path:
    """Find the folder in which sweeps are worked on.

    Args:
        where: A path, or a URI that pyarrow reads. None: ``runs`` here; in a Ray job, whose working directory
            is a copy that Ray deletes, ``noisesweep`` in the home directory.

    Returns:
        The folder: the storage itself, or for a URI this machine's working copy.

    Raises:
        SweepError: If it cannot be read, is a file, or is relative to a job's working directory.
    """
    if where is None:
        return Path.home() / "noisesweep" if in_ray_job() else DEFAULT_STORAGE
    refuse_credentials("storage", str(where))
    if "://" in str(where) and not str(where).startswith("file://"):
        return working_copy(str(where))
    path = Path(str(where).removeprefix("file://"))
    if in_ray_job() and not path.is_absolute():
        raise SweepError(f"storage {path}: {_LOST}; give an absolute path or a URI")
    if path.exists() and not path.is_dir():
        raise SweepError(f"storage {path}: is a file; give a folder or a URI")
    return path


def in_ray_job() -> bool:
    """Tell whether this is the driver of a Ray job.

    Returns:
        Whether the working directory is a copy, which Ray deletes as soon as the job is to stop.
    """
    return _RAY_JOB in os.environ


def command(*words: str, storage: Path) -> str:
    """Write a command so that it can be pasted into the user's shell.

    Args:
        *words: The command and its arguments.
        storage: The storage that it is about.

    Returns:
        The command line, as this program was called, with ``--storage`` where it is not the default of who
        types it: a job's is not that of a shell.
    """
    called = Path(sys.argv[0])
    outside_path = called.name == "noisesweep" and shutil.which("noisesweep") is None
    program = os.path.relpath(called) if outside_path else "noisesweep"
    is_default = not in_ray_job() and storage.resolve() == open_storage().resolve()
    option = [] if is_default else ["--storage", uri_of(storage) or str(storage)]
    return shlex.join([program, *words, *option])


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

    def bookmark_content(self) -> dict[str, Any] | None:
        """Read what MLflow delivery has written down.

        Returns:
            The store's ``uri``, the ``parent`` run, how far it got; None before the first delivery.

        Raises:
            SweepError: If it is damaged.
        """
        try:
            return json.loads(self.bookmark.read_text()) if self.bookmark.exists() else None
        except ValueError:
            advice = "delete it, and MLflow gets the sweep once more, as another one"
            raise SweepError(f"{self.bookmark}: is damaged; {advice}") from None

    def portable(self, uri: str) -> str:
        """Name a tracking store so that the name holds when the storage is moved.

        Args:
            uri: The store.

        Returns:
            ``STORAGE`` for the SQLite file in the storage, else the same.
        """
        return "STORAGE" if uri == _own_store(self.storage) else uri

    @property
    def tracking_uri(self) -> str | None:
        """The MLflow store it was last delivered to."""
        known = self.bookmark_content()
        if known is None:
            return None
        return _own_store(self.storage) if known["uri"] == "STORAGE" else str(known["uri"])

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
        lock = FileLock(self.path / _LOCK)
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
            file = os.open(self.path / _LOCK, os.O_RDONLY)  # who only looks may not be allowed to write
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
    pull(storage)
    studies = sorted({path.parent.parent.name for path in storage.glob(f"*/*/{RESOLVED}")})
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
        write_whole(folder.path / "sweep.yaml", spec.text or spec.resolved)
        write_whole(folder.path / RESOLVED, spec.resolved)  # last: with it there is a sweep
    except OSError as error:
        shutil.rmtree(folder.path, ignore_errors=True)
        raise SweepError(f"{storage}: cannot be written: {error}") from None
    return folder


def default_tracking_uri(storage: Path) -> str:
    """Choose the tracking store when none is named.

    Args:
        storage: The storage folder.

    Returns:
        ``MLFLOW_TRACKING_URI``, else an SQLite file in the storage.

    Raises:
        SweepError: If neither can be: a store that is no folder holds no SQLite file.
    """
    if uri := os.environ.get("MLFLOW_TRACKING_URI"):
        return uri
    if remote := uri_of(storage):
        advice = "set MLFLOW_TRACKING_URI, or give --tracking-uri"
        raise SweepError(f"storage {remote}: an MLflow server is needed with it; {advice}")
    return _own_store(storage)


def is_default_store(uri: str, storage: Path) -> bool:
    """Tell whether a tracking store is the one that is taken when none is named.

    Args:
        uri: The tracking store.
        storage: The storage folder.

    Returns:
        Whether commands need not name it.
    """
    return uri == (os.environ.get("MLFLOW_TRACKING_URI") or _own_store(storage))


def _own_store(storage: Path) -> str:
    return f"sqlite:///{storage.resolve() / 'mlflow.db'}"


def check_scheme(uri: str) -> None:
    """Refuse what cannot be a tracking store.

    Args:
        uri: The tracking store.

    Raises:
        SweepError: If MLflow knows no store of its kind, or it is relative to a job's working directory.
    """
    refuse_credentials("tracking store", uri)
    if not uri.startswith(SCHEMES):
        raise SweepError(
            f"{uri}: is no tracking store; give sqlite:///FILE or the http:// address of a server"
        )
    if in_ray_job() and uri.startswith("sqlite:///") and not uri.startswith("sqlite:////"):
        raise SweepError(f"tracking store {uri}: {_LOST}; give sqlite:////FOLDER/FILE, or a server")


def check_database(uri: str) -> None:
    """Refuse an SQLite store that does not exist, which MLflow would make, empty.

    Args:
        uri: The tracking store.

    Raises:
        SweepError: If there is no such file.
    """
    check_scheme(uri)
    database = Path(uri.removeprefix("sqlite:///"))
    if uri.startswith("sqlite:///") and not database.exists():
        raise SweepError(
            f"{database}: no tracking store; run a sweep first, or name its storage with --storage"
        )

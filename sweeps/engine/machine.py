"""Checks of this machine that take no time: versions, memory, folders and data."""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, metadata, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from sweeps.errors import SweepError, in_a_line
from trainables import registry
from trainables.data import DataError
from trainables.data.cache import cache_dir
from trainables.data.located import locate

_PACKAGE = "noisesweep"
_GIB = 2**30
# Ray puts its sockets below its folder for temporary files, and a path of a socket has at most so many bytes.
_SOCKET = "/ray/session_2026-01-01_00-00-00_000000_0000000/sockets/plasma_store"
_MOST_BYTES = 107 if sys.platform == "linux" else 103
# Ray refuses to work on a disk that is fuller than this.
_FULL = 0.95


@dataclass(frozen=True)
class Check:
    """One thing that was checked.

    Attributes:
        name: A word for it.
        ok: Whether it is as it should be.
        found: What was found.
        remedy: What to do if it is not ok.
        needed: Whether no sweep can run without it.
    """

    name: str
    ok: bool
    found: str
    remedy: str = ""
    needed: bool = True


def safely(name: str, check: Callable[[], Check], remedy: str) -> Check:
    """Run a check; whatever it raises is what the user needs to know."""
    try:
        return check()
    except SweepError as error:
        # It says what to do.
        return Check(name, False, str(error))
    except Exception as error:
        return Check(name, False, in_a_line(error) or type(error).__name__, remedy)


def machine_checks() -> Iterator[Check]:
    """Yield the checks that need neither a process nor the network."""
    yield safely("python", _python, "install a supported Python")
    yield safely("packages", _packages, "pip install noisesweep")
    yield safely("shm", _shared_memory, "make /dev/shm larger")
    yield safely("temp", _temporary, "set RAY_TMPDIR to a short path on a disk with space")
    yield safely("cache", _cache, "set NOISESWEEP_CACHE_DIR to a folder that can be written")
    yield safely("data", _data, "set NOISESWEEP_DATA_DIR to a folder with datasets, or unset it")


def _python() -> Check:
    needed = metadata(_PACKAGE)["Requires-Python"]
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, needs {needed}"
    is_ok = platform.python_version() in SpecifierSet(needed)
    return Check("python", is_ok, found, f"install Python {needed}, and noisesweep with it")


def _packages() -> Check:
    """Compare the versions of packages with those that the project supports."""
    asked = [Requirement(text) for text in requires(_PACKAGE) or []]
    asked = [each for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})]
    wrong = [each for each in asked if not each.specifier.contains(_version(each.name), prereleases=True)]
    if wrong:
        found = ", ".join(f"{each.name} {_version(each.name)}" for each in wrong)
        return Check("packages", False, found, "pip install " + " ".join(f"'{each}'" for each in wrong))
    named = ", ".join(f"{name} {_version(name)}" for name in (_PACKAGE, "ray", "torch", "mlflow", "optuna"))
    return Check("packages", True, f"{named}; {len(asked)} as required")


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        # It is lower than every version that is asked for.
        return "0"


def _shared_memory() -> Check:
    """Look at the memory in which Ray keeps objects, which containers limit to 64 MB by default."""
    folder = Path("/dev/shm")
    if sys.platform != "linux":
        return Check("shm", True, "not used on this system")
    free = shutil.disk_usage(folder).free / _GIB
    remedy = "start the container with --shm-size=2g; until then, Ray keeps its objects on the disk, slowly"
    return Check("shm", free >= 0.2, f"{folder}: {free:.1f} GiB free", remedy, needed=False)


def _temporary() -> Check:
    """Check the folder of Ray's sockets and logs: its path must be short, and its disk not full."""
    named = next((name for name in ("RAY_TMPDIR", "TMPDIR") if os.environ.get(name)), "")
    folder = os.environ.get(named) or ("/tmp" if os.name == "posix" else tempfile.gettempdir())
    if len(os.fsencode(folder + _SOCKET)) > _MOST_BYTES:
        most = _MOST_BYTES - len(_SOCKET)
        remedy = f"export {named or 'RAY_TMPDIR'}=/tmp, or another path of at most {most} bytes"
        return Check("temp", False, f"{folder}: is too long for Ray's sockets", remedy)
    _write_in(Path(folder))
    usage = shutil.disk_usage(folder)
    found = f"{folder}: can be written, {usage.free / _GIB:.1f} GiB free"
    is_full = usage.used / usage.total > _FULL
    return Check("temp", not is_full, found, f"free space below {folder}: Ray stops at {_FULL:.0%}")


def _cache() -> Check:
    """Check the folder for prepared data, which is in the home directory by default."""
    folder = cache_dir()
    _write_in(existing(folder))
    return Check("cache", True, f"{folder}: can be written")


def existing(folder: Path) -> Path:
    """Return the folder itself, or its closest parent that exists."""
    return next(each for each in (folder.absolute(), *folder.absolute().parents) if each.exists())


def _write_in(folder: Path) -> None:
    tempfile.TemporaryFile(dir=folder).close()


def _data() -> Check:
    """Say which datasets are here, and which would be downloaded."""
    root = os.environ.get("NOISESWEEP_DATA_DIR")
    here, elsewhere = list[str](), list[str]()
    for name in registry.BUILT_IN:
        declaration = registry.declaration(name)
        for source in declaration.sources(declaration.Hyperparameters()):
            try:
                is_here = locate(source, None) is not None
            except DataError as error:
                return Check("data", False, error.message, "correct NOISESWEEP_DATA_DIR, or unset it")
            (here if is_here else elsewhere).append(f"{name} ({source.megabytes:g} MB)")
    found = f"here: {', '.join(here) or 'none'}"
    if elsewhere:
        found += f"; downloaded when first used: {', '.join(elsewhere)}"
    return Check("data", True, f"{root or 'no NOISESWEEP_DATA_DIR'}; {found}")

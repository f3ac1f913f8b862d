"""Checks whether a sweep can run here: this machine, its storage, Ray, GPUs and the tracking store."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path

import ray
from filelock import FileLock, Timeout
from pyarrow.fs import FileSystem

from sweeps.engine.machine import Check, existing, machine_checks, safely
from sweeps.engine.ray_address import ALONE, address_to_join
from sweeps.engine.ray_session import connected
from sweeps.engine.resources import nodes
from sweeps.errors import SweepError
from sweeps.record.storage import join_uri, open_storage, uri_of, write_to_store
from sweeps.spec.sections import Resources
from sweeps.tracking.uris import check_scheme, default_tracking_uri, sqlite_file
from sweeps.worker import tasks

_GIB = 2**30
_PROGRAM_SECONDS = _WORKER_SECONDS = 60.0


def examine(storage: str | None, tracking_uri: str | None) -> Iterator[Check]:
    """Yield one check after the other; one that fails hides no other.

    Args:
        storage: Folder or URI of sweeps, as for ``run``.
        tracking_uri: The tracking store, as for ``run``.
    """
    with ExitStack() as programs:
        # They take seconds to import what they check, while the other checks run.
        torch = programs.enter_context(_program("sweeps.worker.gpus"))
        tracking = None
        # The check of the tracking store says why there is none.
        with suppress(SweepError):
            if not _is_new(uri := _tracking_uri(storage, tracking_uri)):
                tracking = programs.enter_context(_program("sweeps.tracking.reach", uri))
        yield from machine_checks()
        yield safely("storage", partial(_storage, storage), "pass --storage with a folder or URI to write to")
        yield safely("ray", _ray, ALONE)
        yield safely("gpu", partial(_gpus, torch), "pip install torch")
        check = partial(_tracking, storage, tracking_uri, tracking)
        yield safely("tracking", check, "start the server, or pass --tracking-uri")


def _program(module: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        # With -P and the driver's sys.path it finds the modules that the driver finds, and no others.
        [sys.executable, "-P", "-W", "ignore", "-m", module, *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _output(program: "subprocess.Popen[str]") -> str:
    """Return what a program has printed; raise RuntimeError with the last line of its error."""
    try:
        output, errors = program.communicate(timeout=_PROGRAM_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()
        raise RuntimeError(f"no answer in {_PROGRAM_SECONDS:.0f} s") from None
    if program.returncode:
        raise RuntimeError((errors.strip().splitlines() or [f"exit status {program.returncode}"])[-1])
    return output


def _storage(storage: str | None) -> Check:
    """Write where sweeps are stored; in a folder, also check that locks exclude each other."""
    path = open_storage(storage)
    if uri := uri_of(path):
        filesystem, target = FileSystem.from_uri(join_uri(uri, ".noisesweep-doctor"))
        write_to_store(filesystem, target, b"")
        filesystem.delete_file(target)
        return Check("storage", True, f"{uri}: can be written")
    with tempfile.TemporaryDirectory(dir=existing(path), prefix=".noisesweep-") as folder:
        file = Path(folder, "lock")
        with FileLock(file):
            try:
                FileLock(file).acquire(timeout=0)
            except Timeout:
                return Check("storage", True, f"{path.absolute()}: can be written, and locks work")
    remedy = "choose a folder on a file system with locks, such as a local disk"
    return Check("storage", False, f"{path.absolute()}: two drivers could lock the same sweep", remedy)


def _ray() -> Check:
    """Join or start Ray as a sweep does, and have a worker answer."""
    address = address_to_join()
    with connected(Resources(), tune=False):
        ray.get(ray.remote(tasks.ping).remote(), timeout=_WORKER_SECONDS)
        where = f"joined {address}, {len(nodes())} nodes" if address else "starts here"
        return Check("ray", True, f"{where}: {_amounts(ray.cluster_resources())}")


def _amounts(resources: dict[str, float]) -> str:
    cores, memory = resources.get("CPU", 0), resources.get("memory", 0) / _GIB
    return f"{cores:g} cores, {resources.get('GPU', 0):g} GPUs, {memory:.1f} GiB of memory for trials"


def _gpus(program: "subprocess.Popen[str]") -> Check:
    names: Sequence[str] = json.loads(_output(program))
    if names:
        return Check("gpu", True, f"{', '.join(names)}; use with --set resources.gpu=1")
    remedy = "sweeps run on the cores; if there is a GPU, install its driver and a torch built for it"
    return Check("gpu", False, "torch finds none", remedy, needed=False)


def _tracking_uri(storage: str | None, tracking_uri: str | None) -> str:
    """Return the tracking store; raise SweepError if there is none, or it has a password."""
    uri = tracking_uri or default_tracking_uri(open_storage(storage))
    check_scheme(uri)
    return uri


def _is_new(uri: str) -> bool:
    """Whether it is an SQLite file that the first sweep creates."""
    database = sqlite_file(uri)
    return database is not None and not database.exists()


def _tracking(
    storage: str | None, tracking_uri: str | None, program: "subprocess.Popen[str] | None"
) -> Check:
    uri = _tracking_uri(storage, tracking_uri)
    if program is None:
        # The storage's check has tried to write there, if it is the default.
        return Check("tracking", True, f"{uri}: the first sweep creates it")
    _output(program)
    return Check("tracking", True, f"{uri}: answers")

"""Connects a sweep to a running Ray instance, or starts one on this machine only."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import ray

from sweeps.engine import forked_worker, ray_private
from sweeps.engine.fork_server import fork_server
from sweeps.engine.ray_address import ALONE, address_to_join
from sweeps.engine.resources import check_satisfiable
from sweeps.errors import SweepError, in_a_line
from sweeps.process_state import environment, ignored, log_level, signal_handler
from sweeps.spec.model import Spec
from sweeps.spec.sections import Resources

# Make glibc use one arena and keep freed memory: every epoch of a trial allocates the same sizes again. By
# default, a trial's thread has an arena of its own, and large tensors are returned to the system.
ALLOCATOR = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1),  # bytes
}
_SHUTDOWN_SECONDS = 10.0


@contextmanager
def ray_session(spec: Spec, say: Callable[[str], None]) -> Iterator[None]:
    """Join or start a Ray instance that can run the trials of a sweep, and disconnect from it at the end.

    A connection of the caller stays as it is.

    Args:
        spec: The sweep.
        say: Tells the user what the sweep waits for.

    Raises:
        SweepError: If Ray cannot be reached, or no node has the resources of a trial.
    """
    with connected(spec.resources, spec.budget.concurrent):
        check_satisfiable(spec, say)
        yield


@contextmanager
def connected(resources: Resources, concurrent: int | None = None, *, tune: bool = True) -> Iterator[None]:
    """Join or start a Ray instance, and disconnect from it at the end, as ``ray_session``.

    Args:
        resources: The resources of one trial.
        concurrent: Trials at a time; None for as many as fit.
        tune: Whether workers will run trials of Tune.

    Raises:
        SweepError: If Ray cannot be reached.
    """
    with ExitStack() as session:
        session.enter_context(ray_private.errors_on_stderr())
        if not ray.is_initialized():
            session.enter_context(log_level("ray", logging.ERROR))
            session.enter_context(signal_handler(signal.SIGTERM))
            session.enter_context(environment())
            join_or_start(resources, concurrent, session, tune=tune)
        yield


def join_or_start(
    resources: Resources, concurrent: int | None, session: ExitStack, *, tune: bool = True
) -> None:
    """Join the Ray instance that ``RAY_ADDRESS`` names or that ``ray start`` began here, or else start one.

    One that is started listens on loopback alone and has no dashboard. On Linux its workers are forks of one
    process, unless they use a GPU. If trials will take at least half of the workers, these import Tune at
    once.

    Args:
        resources: The resources of one trial.
        concurrent: Trials at a time; None for as many as fit.
        session: Disconnects from Ray when it is closed.
        tune: Whether workers will run trials of Tune.

    Raises:
        SweepError: If it cannot be joined or started.
    """
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if address_to_join():
        session.callback(_shut_down)
        with _told("Ray cannot be reached", lambda error: ALONE):
            ray.init(**options)
        return
    # Ray starts a worker for each core.
    cores = os.cpu_count() or 1
    fit = int(cores / resources.cpu)
    only_cores = not (resources.gpu or resources.memory or resources.custom)
    if tune and only_cores and 2 * min(fit, concurrent or fit) >= cores:
        # One more than trials: the worker that prepares the data also exports the best network at the end.
        options |= ray_private.preloading("sweeps.worker.trial", workers=cores + 1)
    os.environ.update({**ALLOCATOR, **os.environ})
    # A closed terminal sends SIGHUP to Ray as well, which the driver still needs to stop cleanly.
    with _told("Ray cannot start", remedy), ignored(signal.SIGHUP):
        # Ray keeps a token there; without a home folder, it would log a traceback as well.
        Path.home()
        program = None
        if not resources.gpu and sys.platform == "linux":
            session.enter_context(fork_server(threads=max(1, int(resources.cpu))))
            program = forked_worker.__file__
        session.callback(_shut_down)
        with (
            ray_private.loopback_only(),
            ray_private.without_services(),
            ray_private.workers_started_by(program),
        ):
            ray.init(include_dashboard=False, **options)


@contextmanager
def _told(problem: str, remedy_of: Callable[[Exception], str]) -> Iterator[None]:
    """Raise what Ray raises as a SweepError."""
    try:
        yield
    # Ray raises a bare Exception if its processes do not answer in time.
    except Exception as error:
        raise SweepError(f"{problem}: {in_a_line(error).removesuffix('.')}; {remedy_of(error)}") from None


def remedy(error: Exception) -> str:
    """Say what to set so that Ray starts, after it has failed with this error."""
    if "AF_UNIX" in str(error):
        return "export RAY_TMPDIR=/tmp, or another short path"
    if getattr(error, "filename", None) or "home directory" in str(error):
        return "HOME and RAY_TMPDIR, or else TMPDIR, must be folders that can be written"
    if "timed out" in str(error):
        return "the machine may be too busy, or its disk too slow: try again"
    return "its logs are in ray/session_latest/logs of RAY_TMPDIR, or else of TMPDIR or /tmp"


def _shut_down() -> None:
    """Shut Ray down in another thread: ``ray.shutdown`` blocks forever if Ray's processes have died.

    This thread only waits: Ray aborts if one of its objects is freed during shutdown.
    """
    shutdown = threading.Thread(target=ray.shutdown, daemon=True)
    shutdown.start()
    shutdown.join(_SHUTDOWN_SECONDS)

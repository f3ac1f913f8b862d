"""The Ray that a sweep runs on: one of this machine alone, or one that is there already."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants, services, worker
from ray._private.node import Node

from sweeps.engine.resources import check_satisfiable
from sweeps.errors import SweepError, in_a_line
from sweeps.spec.model import Spec
from sweeps.spec.sections import Resources

_OF_TRIALS = ["sweeps.engine.trial"]  # what workers take seconds to import

_own = False  # whether the Ray that runs was started here


def ensure_ray(spec: Spec, say: Callable[[str], None]) -> None:
    """Join a Ray, or start one, in which the trials of a sweep can run; one that runs already is used.

    Args:
        spec: The sweep.
        say: Tells the user what is waited for.

    Raises:
        SweepError: If Ray cannot be reached, or no node of it has what a trial takes.
    """
    mend_ray()
    if not ray.is_initialized():
        try:
            start_or_join(spec.resources, spec.budget.concurrent)
        except (ConnectionError, RuntimeError) as error:
            advice = "RAY_ADDRESS names a cluster; RAY_ADDRESS=local runs on this machine alone"
            raise SweepError(f"Ray cannot be reached ({advice}): {in_a_line(error)}") from None
    check_satisfiable(spec, say)


def start_or_join(resources: Resources, concurrent: int | None) -> None:
    """Join the Ray that ``RAY_ADDRESS`` names or that ``ray start`` began here; else start one.

    One that is started listens on loopback alone and has no dashboard. Where trials will take half of its
    workers or more, these import what trials need while the driver gets ready.

    Args:
        resources: What a trial takes of a node.
        concurrent: Trials at a time; None: as many as fit.

    Raises:
        ConnectionError: If it cannot be joined.
        RuntimeError: If it cannot be started.
    """
    options: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if _is_there():
        ray.init(**options)
        return
    cores = os.cpu_count() or 1  # Ray starts a worker for each
    fit = int(cores / resources.cpu)
    cores_alone = not (resources.gpu or resources.memory or resources.custom)
    if cores_alone and 2 * min(fit, concurrent or fit) >= cores:
        options["_system_config"] = {
            "preload_python_modules": _OF_TRIALS,
            # Else Ray ends them, idle as they are, when Tune reserves their cores, and starts others.
            "num_workers_soft_limit": cores,
        }
    with on_loopback(), _without_services(), _one_arena():
        ray.init(include_dashboard=False, **options)
    global _own
    _own = True


def leave() -> None:
    """Shut Ray down if ``start_or_join`` has started it; one that was joined is left as it is."""
    global _own
    if _own:
        _own = False
        ray.shutdown()


@contextmanager
def _without_services() -> Iterator[None]:
    # One machine's Ray without dashboard needs no API server, autoscaler or reader of logs: two seconds.
    unneeded = ("start_api_server", "start_monitor", "start_log_monitor")
    before = {name: getattr(Node, name) for name in unneeded}
    try:
        for name in unneeded:
            setattr(Node, name, lambda node, **options: None)
        yield
    finally:
        for name, start in before.items():
            setattr(Node, name, start)


@contextmanager
def _one_arena() -> Iterator[None]:
    # A trial runs in a thread of its worker, to which glibc gives memory apart from the main thread's, and
    # takes it back between trials: 8% of a convolutional network's time. Read when a process starts.
    name = "MALLOC_ARENA_MAX"
    if name in os.environ:
        yield
        return
    os.environ[name] = "1"
    try:
        yield
    finally:
        del os.environ[name]


def _is_there() -> bool:
    return services.canonicalize_bootstrap_address(None) is not None


@contextmanager
def on_loopback() -> Iterator[None]:
    """Let the Ray that ``ray.init`` starts be reached from this machine alone.

    By itself Ray takes all addresses, and asks for no token. One that is there already is joined as it is.

    Yields:
        While Ray starts.
    """
    clusters = ray_constants.ENABLE_RAY_CLUSTER
    if not _is_there():
        ray_constants.ENABLE_RAY_CLUSTER = False  # as Ray does where it has no clusters: macOS, Windows
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = clusters


def mend_ray() -> None:
    """Let Ray say on standard error what becomes of its workers: standard output is the sweep's."""
    worker.print_to_stdstream = _to_standard_error


_print = worker.print_to_stdstream


def _to_standard_error(data: dict[str, Any], ignore_prefix: bool) -> None:
    _print({**data, "is_err": True}, ignore_prefix)

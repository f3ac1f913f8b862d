"""Measures what the trials of a sweep cost, in workers such as those that will train them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from sweeps.analysis.costs import Cost
from sweeps.analysis.descriptions import counted
from sweeps.analysis.work import Program, Work, representatives, works_of
from sweeps.engine.data import check_data_dir, located
from sweeps.engine.ray_session import connected
from sweeps.engine.resources import as_ray_resources, as_task_options, check_satisfiable, nodes
from sweeps.errors import SweepError, in_a_line
from sweeps.search.expected import expected_shares
from sweeps.spec.model import Spec
from sweeps.worker import tasks
from trainables.data import DataError
from trainables.declarations.hyperparameters import Hyperparameters
from trainables.declarations.sources import Source

# How long a worker may take to start; on a cluster that others use, it may have to wait for resources.
_PLACE_SECONDS = 30


@dataclass(frozen=True)
class Plan:
    """What a sweep will cost.

    Attributes:
        works: Its trials, by stage and program.
        nodes: Number of nodes that can run a trial now.
        slots: Number of trials at a time.
        data: What the trials read, and where a node has it: None for what it lacks.
        costs: What each program costs; empty if the data are not there.
    """

    works: list[Work]
    nodes: int
    slots: int
    data: list[tuple[Source, Path | None]]
    costs: Mapping[Program, Cost]


def plan(spec: Spec, say: Callable[[str], None]) -> Plan:
    """Count what a sweep runs, and measure a few steps of it, on this machine or on a cluster.

    Nothing is downloaded: without the data, nothing is measured.

    Args:
        spec: The sweep.
        say: Tells the user what the command waits for.

    Raises:
        SweepError: If Ray cannot be reached, no node has the resources of a trial, or a trial cannot start.
    """
    spec = located(spec)
    check_data_dir(spec)
    works = works_of(spec, expected_shares(spec))
    # Workers that import Tune would slow down what is measured.
    with connected(spec.resources, spec.budget.concurrent, tune=False):
        check_satisfiable(spec, say)
        fits = [n for node in nodes() if (n := _fit(spec, node))]
        # There may be no such node before an autoscaler adds one.
        slots = min(sum(fits) or 1, spec.budget.concurrent or sum(fits) or 1)
        registered = tasks.Registered.of(spec)
        data = _result(spec, _submit(spec, tasks.locate_data, registered, spec, alone=False))
        costs: dict[Program, Cost] = {}
        if all(path for _, path in data):
            _result(spec, _submit(spec, tasks.prepare_data, registered, spec))
            costs = _measured(spec, registered, works, slots, say)
    return Plan(works, len(fits), slots, data, costs)


def _fit(spec: Spec, node: Mapping[str, float]) -> int:
    """Return how many trials a node runs at a time."""
    needed = as_ray_resources(spec.resources)
    return min(int(node.get(name, 0) / amount + 1e-9) for name, amount in needed.items())


def _measured(
    spec: Spec, registered: tasks.Registered, works: list[Work], slots: int, say: Callable[[str], None]
) -> dict[Program, Cost]:
    """Measure each program, as many at a time as trials will run, because they slow each other down."""
    programs = representatives(works)
    kinds = counted(len(programs), "kind")
    say(f"measuring a few steps of {kinds} of trials ...")
    costs: dict[Program, Cost] = {}
    while missing := [program for program in programs if program not in costs]:
        # Every slot has a trial, as in the sweep.
        chosen = [*islice(chain(missing, cycle(programs)), slots)]
        measured = _side_by_side(spec, registered, [programs[program] for program in chosen])
        for index, cost in measured.items():
            costs.setdefault(chosen[index], cost)
    return {program: costs[program] for program in programs}


def _side_by_side(
    spec: Spec, registered: tasks.Registered, chosen: Sequence[tuple[Hyperparameters, bool]]
) -> dict[int, Cost]:
    """Measure trials at the same time, each in a worker of its own; return the costs by their index.

    Nothing is measured before all workers have trained an epoch: one that starts would take the processors
    from those that train, which Ray runs at a low priority. Trials for which a shared cluster has no place
    now are left out.
    """
    actor = ray.remote(max_restarts=0, **as_task_options(spec.resources))(tasks.Measurement)
    workers = [actor.remote(registered, spec, *each) for each in chosen]
    try:
        placed = _placed(workers)
        for reference in [workers[index].warm_up.remote() for index in placed]:
            _result(spec, reference)
        measured = {index: workers[index].measure.remote() for index in placed}
        return {index: _result(spec, reference) for index, reference in measured.items()}
    finally:
        for worker in workers:
            ray.kill(worker)


def _placed(workers: Sequence[Any]) -> list[int]:
    """Wait for workers, and return the indices of those that have a place: at least one."""
    starting = {worker.ready.remote(): index for index, worker in enumerate(workers)}
    ready, _ = ray.wait([*starting], num_returns=len(starting), timeout=_PLACE_SECONDS)
    if not ready:
        ready, _ = ray.wait([*starting], num_returns=1)
    return sorted(starting[reference] for reference in ready)


def _submit(spec: Spec, task: Callable[..., Any], *arguments: Any, alone: bool = True) -> Any:
    # A worker that is alone ends with its call, so that its memory does not count for the next.
    remote = ray.remote(max_calls=int(alone), **as_task_options(spec.resources))(task)
    return remote.remote(*arguments)


def _result(spec: Spec, reference: Any) -> Any:
    try:
        return ray.get(reference)
    except RayTaskError as error:
        if isinstance(error.cause, DataError):
            raise spec.error_at(error.cause.hyperparameter, error.cause.message) from None
        raise SweepError(f"a trial of {spec.trainable} fails: {in_a_line(error.cause)}") from None
    except RayError as error:
        raise SweepError(f"a trial of {spec.trainable} cannot be measured: {in_a_line(error)}") from None

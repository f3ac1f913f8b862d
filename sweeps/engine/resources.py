"""Checks that a node has the resources of a trial, or that one with them will be added."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from math import isclose
from typing import Any

import ray
from ray.util.placement_group import placement_group, remove_placement_group

from sweeps.engine.ray_private import GangResourceRequest, cluster_status
from sweeps.errors import SweepError
from sweeps.spec.model import Spec
from sweeps.spec.sections import Resources

_GIB = 2**30
# The nodes of a cluster that was just started need some time to join.
_JOIN_SECONDS = 30


def as_ray_resources(resources: Resources) -> dict[str, float]:
    """Name a trial's resources as Ray does, without those that are zero; memory in bytes."""
    amounts = {
        "CPU": resources.cpu,
        "GPU": resources.gpu,
        "memory": resources.memory * _GIB,
        **resources.custom,
    }
    return {name: amount for name, amount in amounts.items() if amount}


def as_task_options(resources: Resources) -> dict[str, Any]:
    """Ask for a trial's resources in the options of ``ray.remote``."""
    return {
        "num_cpus": resources.cpu,
        "num_gpus": resources.gpu,
        "memory": resources.memory * _GIB or None,
        "resources": resources.custom,
    }


def check_satisfiable(spec: Spec, say: Callable[[str], None]) -> None:
    """Refuse resources that no node can ever have: Ray would wait for them forever.

    Args:
        spec: The sweep, with Ray running.
        say: Tells the user what the sweep waits for.

    Raises:
        SweepError: If no node has enough, none joins that does, and the autoscaler cannot add one.
    """
    needed = as_ray_resources(spec.resources)
    if any(all(node.get(name, 0) >= amount for name, amount in needed.items()) for node in nodes()):
        return
    if _others_may_join() and _will_come(needed, say):
        return
    profiles = "".join(f" or --profile {name}" for name in spec.profiles)
    most = {name: max((node.get(name, 0) for node in nodes()), default=0) for name in needed}
    raise SweepError(
        f"resources: a trial asks for {_text(needed)} on one node; nodes have at most {_text(most)} "
        f"(change resources{profiles})"
    )


def nodes() -> list[dict[str, float]]:
    """List what each node of the Ray instance has, by Ray's names of resources."""
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _others_may_join() -> bool:
    host = ray.get_runtime_context().gcs_address.rpartition(":")[0].strip("[]")
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:
        # The host is given by name.
        return True


def _will_come(needed: Mapping[str, float], say: Callable[[str], None]) -> bool:
    """Wait for a place for one trial: on a node that joins, or that the autoscaler is about to add."""
    say(f"no node has {_text(needed)} yet: waiting up to {_JOIN_SECONDS} s for one to join")
    place = placement_group([dict(needed)])
    # The version of the cluster's demands that includes this place.
    version: int | None = None
    try:
        for _ in range(_JOIN_SECONDS):
            if place.wait(timeout_seconds=1):
                return True
            status = cluster_status()
            demands, answer = status.cluster_resource_state, status.autoscaling_state
            if version is None and _includes(demands.pending_gang_resource_requests, needed):
                version = demands.cluster_resource_state_version
            answered = version is not None and answer.last_seen_cluster_resource_state_version >= version
            if answered and not _includes(answer.infeasible_gang_resource_requests, needed):
                say("the autoscaler is about to add one")
                return True
        return False
    finally:
        remove_placement_group(place)


def _includes(requests: Iterable[GangResourceRequest], needed: Mapping[str, float]) -> bool:
    bundles = (request.resources_bundle for gang in requests for request in gang.requests)
    return any(_same(bundle, needed) for bundle in bundles)


def _same(bundle: Mapping[str, float], needed: Mapping[str, float]) -> bool:
    """Compare amounts, which Ray rounds to a ten-thousandth."""
    return bundle.keys() == needed.keys() and all(
        isclose(bundle[name], amount, rel_tol=1e-3) for name, amount in needed.items()
    )


def _text(amounts: Mapping[str, float]) -> str:
    names = {"CPU": "cpu", "GPU": "gpu"}
    *head, last = [
        f"{amount / _GIB:.3g} GiB memory" if name == "memory" else f"{amount:g} {names.get(name, name)}"
        for name, amount in amounts.items()
    ]
    return f"{', '.join(head)} and {last}" if head else last

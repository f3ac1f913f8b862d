"""What a trial takes of a node, held against the nodes that there are or could be."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping
from math import isclose

import ray
from ray.core.generated.autoscaler_pb2 import GangResourceRequest, GetClusterStatusReply
from ray.util.placement_group import placement_group, remove_placement_group

from sweeps.errors import SweepError
from sweeps.spec.model import Spec
from sweeps.spec.sections import Resources

_GIB = 2**30
_JOIN_SECONDS = 30  # a cluster that has just been started is still growing


def wanted(resources: Resources) -> dict[str, float]:
    """Say in Ray's terms what a trial takes.

    Args:
        resources: As in the YAML.

    Returns:
        Amounts by Ray's names, those of nothing left out; memory in bytes.
    """
    named = {
        "CPU": resources.cpu,
        "GPU": resources.gpu,
        "memory": resources.memory * _GIB,
        **resources.custom,
    }
    return {name: amount for name, amount in named.items() if amount}


def check_satisfiable(spec: Spec, say: Callable[[str], None]) -> None:
    """Refuse what no node could ever give: Ray would wait for it for ever.

    Args:
        spec: The sweep, with Ray running.
        say: Tells the user what is waited for.

    Raises:
        SweepError: If no node that there is, joins within half a minute, or could be added by the autoscaler
            has enough.
    """
    needed = wanted(spec.resources)
    if any(_has(node, needed) for node in _nodes()) or (_others_may_join() and _will_come(needed, say)):
        return
    profiles = "".join(f" or --profile {name}" for name in spec.profiles)
    raise SweepError(
        f"resources: a trial asks for {_shown(needed)} on one node; nodes have at most "
        f"{_shown(_most(_nodes(), needed))} (change resources{profiles})"
    )


def _nodes() -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def _others_may_join() -> bool:
    host = ray.get_runtime_context().gcs_address.rpartition(":")[0].strip("[]")
    try:
        return not ipaddress.ip_address(host).is_loopback
    except ValueError:  # a name
        return True


def _will_come(needed: Mapping[str, float], say: Callable[[str], None]) -> bool:
    # A place for one trial: it is made as soon as a node has joined, and the autoscaler says what it can do.
    say(f"no node has {_shown(needed)} yet: waiting up to {_JOIN_SECONDS} s for one to join")
    place = placement_group([dict(needed)])
    asked: int | None = None  # the version of the cluster's demands in which this one was first seen
    try:
        for _ in range(_JOIN_SECONDS):
            if place.wait(timeout_seconds=1):
                return True
            status = _autoscaling()
            demands, answer = status.cluster_resource_state, status.autoscaling_state
            if asked is None and _among(demands.pending_gang_resource_requests, needed):
                asked = demands.cluster_resource_state_version
            answered = asked is not None and answer.last_seen_cluster_resource_state_version >= asked
            if answered and not _among(answer.infeasible_gang_resource_requests, needed):
                say("the autoscaler is about to add one")
                return True
        return False
    finally:
        remove_placement_group(place)


def _autoscaling() -> GetClusterStatusReply:
    # Not in Ray's public interface. Its autoscaler is asked in the second version, which `ray up` and KubeRay
    # take; without it nothing is ever answered.
    gcs = ray._private.worker.global_worker.gcs_client
    return GetClusterStatusReply.FromString(gcs.get_cluster_status())


def _among(demands: Iterable[GangResourceRequest], needed: Mapping[str, float]) -> bool:
    bundles = (request.resources_bundle for demand in demands for request in demand.requests)
    return any(_same(bundle, needed) for bundle in bundles)


def _same(bundle: Mapping[str, float], needed: Mapping[str, float]) -> bool:
    # Ray rounds amounts, to a ten-thousandth.
    amounts = needed.items()
    return bundle.keys() == needed.keys() and all(isclose(bundle[k], v, rel_tol=1e-3) for k, v in amounts)


def _has(node: Mapping[str, float], needed: Mapping[str, float]) -> bool:
    return all(node.get(name, 0) >= amount for name, amount in needed.items())


def _most(nodes: Iterable[Mapping[str, float]], needed: Mapping[str, float]) -> dict[str, float]:
    nodes = list(nodes)
    return {name: max((node.get(name, 0) for node in nodes), default=0) for name in needed}


def _shown(amounts: Mapping[str, float]) -> str:
    plain = {"CPU": "cpu", "GPU": "gpu"}
    parts = [
        f"{amount / _GIB:.3g} GiB memory" if name == "memory" else f"{amount:g} {plain.get(name, name)}"
        for name, amount in amounts.items()
    ]
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)

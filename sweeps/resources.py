"""What a trial takes of a node, held against the nodes that there are or could be."""

import ipaddress
from collections.abc import Callable, Iterable, Mapping

import ray
from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply, ResourceRequest

from sweeps.mistakes import SweepError
from sweeps.parts import Resources
from sweeps.spec import Spec

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
    return not ipaddress.ip_address(ray.get_runtime_context().gcs_address.rpartition(":")[0]).is_loopback


def _will_come(needed: Mapping[str, float], say: Callable[[str], None]) -> bool:
    # A task that takes what a trial does: it runs as soon as a node can, and the autoscaler judges it.
    say(f"no node has {_shown(needed)} yet: waiting for one to join")
    custom = dict(needed)
    amounts = [custom.pop(name, 0) for name in ("CPU", "GPU", "memory")]
    options = dict(zip(("num_cpus", "num_gpus", "memory"), amounts, strict=True))
    probe = ray.remote(_nothing).options(**options, resources=custom).remote()
    asked: int | None = None  # the version of the cluster's demands in which the probe's was first seen
    try:
        for _ in range(_JOIN_SECONDS):
            if ray.wait([probe], timeout=1)[0]:
                return True
            status = _autoscaling()
            demands, answer = status.cluster_resource_state, status.autoscaling_state
            if asked is None and _asks((each.request for each in demands.pending_resource_requests), needed):
                asked = demands.cluster_resource_state_version
            answered = asked is not None and answer.last_seen_cluster_resource_state_version >= asked
            if answered and not _asks(answer.infeasible_resource_requests, needed):
                say("the autoscaler is about to add one")
                return True
        return False
    finally:
        ray.cancel(probe)


def _nothing() -> None:
    pass


def _autoscaling() -> GetClusterStatusReply:
    # Not in Ray's public interface. Its autoscaler is asked in the second version, which `ray up` and KubeRay
    # take; without it nothing is ever answered.
    gcs = ray._private.worker.global_worker.gcs_client
    return GetClusterStatusReply.FromString(gcs.get_cluster_status())


def _asks(requests: Iterable[ResourceRequest], needed: Mapping[str, float]) -> bool:
    return any(dict(request.resources_bundle) == needed for request in requests)


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

"""What a trial takes of a node, held against the nodes that there are or could be."""

from collections.abc import Iterable, Mapping
from contextlib import suppress

import ray

from sweeps.mistakes import SweepError
from sweeps.parts import Resources
from sweeps.spec import Spec

_GIB = 2**30


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


def check_satisfiable(spec: Spec) -> str:
    """Refuse what no node could ever give: Ray would wait for it for ever.

    Args:
        spec: The sweep, with Ray running.

    Returns:
        What to tell the user: that a node is to be added first; empty if there is one.

    Raises:
        SweepError: If no node that there is, nor one that the autoscaler could add, has enough.
    """
    needed = wanted(spec.resources)
    alive = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(_has(node, needed) for node in alive):
        return ""
    addable = _addable_nodes()
    for name, node in addable.items():
        if _has(node, needed):
            return f"no node can run a trial yet: waiting for the autoscaler to add one ({name})"
    profiles = "".join(f" or --profile {name}" for name in spec.profiles)
    raise SweepError(
        f"resources: a trial asks for {_shown(needed)} on one node; nodes have at most "
        f"{_shown(_most([*alive, *addable.values()], needed))} (change resources{profiles})"
    )


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


def _addable_nodes() -> dict[str, dict[str, float]]:
    config = None
    with suppress(Exception):  # not in Ray's public interface; without it only nodes that are there count
        config = ray._private.state.state.get_cluster_config()
    groups = config.node_group_configs if config else []
    return {group.name: dict(group.resources) for group in groups if group.max_count}

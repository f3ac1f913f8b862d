"""Ray's private names that sweeps use or patch, each with its reason, seen in Ray 2.60; Tune's are apart.

``tests/integration/test_ray_private.py`` fails if a new version of Ray breaks one of them or no longer needs
it. Patches are undone at the end of the sweep.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray._private import ray_constants, services, worker
from ray._private.grpc_utils import init_grpc_channel
from ray._private.node import Node
from ray.core.generated.autoscaler_pb2 import GangResourceRequest as GangResourceRequest
from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply
from ray.core.generated.gcs_service_pb2 import GetClusterIdRequest
from ray.core.generated.gcs_service_pb2_grpc import NodeInfoGcsServiceStub

from sweeps.process_state import attributes


def running_address() -> str | None:
    """Return the address of the Ray instance that ``ray.init`` would join; None if it would start one.

    No public function tells.
    """
    address: str | None = services.canonicalize_bootstrap_address(None)
    return address


def ask_head(address: str, seconds: float) -> None:
    """Ask Ray's head for its cluster's ID, as ``ray.init`` does at first; raise ``grpc.RpcError`` in time.

    ``ray.init`` waits for minutes, or forever, and its client, ``GcsClient``, has no time limit. Upstream: no
    issue.
    """
    # Ray itself uses no proxy either.
    with init_grpc_channel(address, [("grpc.enable_http_proxy", 0)]) as channel:
        NodeInfoGcsServiceStub(channel).GetClusterId(GetClusterIdRequest(), timeout=seconds)


@contextmanager
def loopback_only() -> Iterator[None]:
    """Make the Ray instance that ``ray.init`` starts listen on loopback only.

    Otherwise it listens on the machine's address and asks for no token. Ray uses loopback only on macOS and
    Windows, where it does not support clusters. Upstream: #59852 binds to one address, but not to loopback.
    """
    with attributes(ray_constants, ENABLE_RAY_CLUSTER=False):
        yield


@contextmanager
def without_services() -> Iterator[None]:
    """Start Ray without API server, autoscaler and log reader, which take two seconds.

    A sweep on one machine uses none of them, and ``ray.init`` has no option for it. Upstream: no issue.
    """

    def skip(node: Node, **options: Any) -> None:
        pass

    with attributes(Node, start_api_server=skip, start_monitor=skip, start_log_monitor=skip):
        yield


@contextmanager
def workers_started_by(program: str | None) -> Iterator[None]:
    """Let the Ray instance that ``ray.init`` starts run this Python file for a worker, unless it is None.

    ``py_executable`` of a runtime environment is public, but Ray would then be imported twice for a worker,
    the first time only to start it. Upstream: no issue.
    """
    start_raylet = Node.start_raylet

    def start(node: Node, *arguments: Any, **options: Any) -> None:
        node._ray_params.worker_path = program or node._ray_params.worker_path
        start_raylet(node, *arguments, **options)

    with attributes(Node, start_raylet=start):
        yield


@contextmanager
def errors_on_stderr() -> Iterator[None]:
    """Let Ray report lost workers on standard error, as standard output has the sweep's JSON lines.

    Ray prints such reports to standard output, whatever ``log_to_driver`` is. Upstream: no issue.
    """
    print_to_stdstream = worker.print_to_stdstream

    def print_to_stderr(data: dict[str, Any], ignore_prefix: bool) -> None:
        print_to_stdstream({**data, "is_err": True}, ignore_prefix)

    with attributes(worker, print_to_stdstream=print_to_stderr):
        yield


def preloading(module: str, workers: int) -> dict[str, Any]:
    """Options of ``ray.init`` with which so many workers import a module as soon as they start.

    Without the limit, Ray ends idle workers when Tune reserves their cores, and starts others. Upstream: the
    options of ``_system_config`` are not documented.
    """
    return {"_system_config": {"preload_python_modules": [module], "num_workers_soft_limit": workers}}


def cluster_status() -> GetClusterStatusReply:
    """Ask which resources are demanded, and which of them the autoscaler cannot add.

    A placement group, which is public, shows only that no node has them yet. ``ray.util.state`` and
    ``ray.autoscaler`` leave out what cannot be added. Only the autoscaler's second version, which ``ray up``
    and KubeRay use, answers. Upstream: a TODO in ``ray/autoscaler/v2/schema.py``.
    """
    gcs_client = ray._private.worker.global_worker.gcs_client
    return GetClusterStatusReply.FromString(gcs_client.get_cluster_status())

"""Everything that sweeps use or change of Ray's private names, seen in Ray 2.60, each with its reason.

``tests/integration/test_ray_private.py`` fails where a new version of Ray breaks one of them or no longer
needs it. Changes are undone at the end of the sweep.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import ray
from ray._private import ray_constants, services, worker
from ray._private.node import Node
from ray.air.execution._internal import RayActorManager
from ray.core.generated.autoscaler_pb2 import GetClusterStatusReply
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.execution import class_cache, tune_controller
from typing_extensions import override

from sweeps.process_state import attributes


def is_ray_running() -> bool:
    """Whether ``ray.init`` would join a Ray rather than start one; no public function tells."""
    return services.canonicalize_bootstrap_address(None) is not None


@contextmanager
def loopback_only() -> Iterator[None]:
    """Let the Ray that ``ray.init`` starts be reached from this machine alone.

    Ray listens on the machine's address and asks for no token. It takes loopback by itself where it has no
    clusters: on macOS and Windows. Upstream: #59852 binds to one address, which still is not loopback.
    """
    if is_ray_running():
        yield
        return
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
def errors_on_stderr() -> Iterator[None]:
    """Let Ray report lost workers on standard error, as standard output has the sweep's JSON lines.

    Ray prints such reports to standard output, whatever ``log_to_driver`` is. Upstream: no issue.
    """
    print_to_stdstream = worker.print_to_stdstream

    def print_to_stderr(data: dict[str, Any], ignore_prefix: bool) -> None:
        print_to_stdstream({**data, "is_err": True}, ignore_prefix)

    with attributes(worker, print_to_stdstream=print_to_stderr):
        yield


class OutOfMemoryActorManager(RayActorManager):
    """Handles a worker that was killed for lack of memory as a dead worker.

    Ray raises an ``OutOfMemoryError`` for it, which is no ``RayActorError``, the only error by which Tune
    recognizes a dead worker: the whole sweep would end, although the trial can be retried. Upstream: #29736
    introduced the error; there is no issue about Tune.
    """

    @override
    def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=f"out of memory: {str(exception).split('. ')[0]}")
        super()._actor_task_failed(tracked_actor_task, exception)


@contextmanager
def patched_tune() -> Iterator[None]:
    """Let Tune survive workers without memory, keep credentials out of logs, and reuse running workers.

    Tune passes the driver's AWS credentials to its workers as settings, which Ray writes to its logs in plain
    text (upstream: #28276); here each node has its own. Tune also sets ``PL_DISABLE_FORK``, for Lightning: a
    worker with a variable of its own is always started anew. Upstream: no issue.
    """
    passed_on = {name for name in class_cache.ENV_VARS_TO_PROPAGATE if not name.startswith("AWS_")}
    with ExitStack() as patches:
        patches.enter_context(attributes(tune_controller, RayActorManager=OutOfMemoryActorManager))
        patches.enter_context(attributes(class_cache, ENV_VARS_TO_PROPAGATE=passed_on, DEFAULT_ENV_VARS={}))
        yield


def cluster_status() -> GetClusterStatusReply:
    """Ask which resources are demanded, and which of them the autoscaler cannot add.

    A placement group, which is public, shows only that no node has them yet. ``ray.util.state`` and
    ``ray.autoscaler`` leave out what cannot be added. Only the autoscaler's second version, which ``ray up``
    and KubeRay use, answers. Upstream: a TODO in ``ray/autoscaler/v2/schema.py``.
    """
    gcs_client = ray._private.worker.global_worker.gcs_client
    return GetClusterStatusReply.FromString(gcs_client.get_cluster_status())

"""A cloud for Ray's autoscaler in which machines never finish starting."""

from typing import Any

from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID, FakeMultiNodeProvider
from ray.autoscaler.tags import (
    NODE_KIND_WORKER,
    STATUS_UP_TO_DATE,
    TAG_RAY_NODE_KIND,
    TAG_RAY_NODE_NAME,
    TAG_RAY_NODE_STATUS,
    TAG_RAY_USER_NODE_TYPE,
)

HEAD = "ray.head.default"
# `ray up` sets these for its autoscaler; the IDs tell the provider which node is the head.
ENVIRONMENT = {
    "RAY_enable_autoscaler_v2": "1",
    "RAY_FAKE_CLUSTER": "1",
    "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
    "RAY_OVERRIDE_NODE_ID_FOR_TESTING": FAKE_HEAD_NODE_ID,
    "AUTOSCALER_UPDATE_INTERVAL_S": "1",
}


class SlowCloud(FakeMultiNodeProvider):
    """Registers a machine, but never starts Ray on it."""

    def _create_node_with_resources_and_labels(
        self, node_config: Any, tags: dict[str, str], count: int, resources: Any, labels: Any
    ) -> None:
        name = self._next_hex_node_id()
        own = {
            TAG_RAY_NODE_KIND: NODE_KIND_WORKER,
            TAG_RAY_USER_NODE_TYPE: tags[TAG_RAY_USER_NODE_TYPE],
            TAG_RAY_NODE_NAME: name,
            TAG_RAY_NODE_STATUS: STATUS_UP_TO_DATE,
        }
        self._nodes[name] = {"tags": own | tags, "node": None}

    def _terminate_node(self, node: Any) -> None:
        pass


def autoscaling(**types: dict[str, Any]) -> dict[str, Any]:
    """Configure Ray's autoscaler with node types."""
    head = {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0}
    commands = ("initialization", "setup", "head_setup", "worker_setup", "head_start_ray", "worker_start_ray")
    others = ("cluster_synced_files", "rsync_exclude", "rsync_filter")
    return {
        "cluster_name": "slow",
        "max_workers": 4,
        "provider": {
            "type": "external",
            "module": "tests.slow_cloud.SlowCloud",
            "head_node_id": FAKE_HEAD_NODE_ID,
            "use_node_id_as_ip": True,
            "launch_multiple": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
        },
        "head_node_type": HEAD,
        "available_node_types": {HEAD: head, **types},
        "auth": {},
        "file_mounts": {},
        "docker": {},
        "upscaling_speed": 1.0,
        "idle_timeout_minutes": 1.0,
        "file_mounts_sync_continuously": False,
        **{name: [] for name in (*(f"{command}_commands" for command in commands), *others)},
    }

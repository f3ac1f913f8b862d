"""Nodes die, memory runs out, two sweeps share a cluster."""

import sys

import psutil
import pytest

from tests.clusters import LocalCluster
from tests.faults.sweep import Driver, Found, events, verify, write

GIB = 2**30
HUNGRY = [sys.executable, "-m", "tests.faults.hungry"]


@pytest.fixture
def on_cluster():
    """Start drivers on a cluster."""

    def start(cluster, *words):
        return Driver(*words, **cluster.env, RAY_ADDRESS=cluster.address)

    return start


def test_nodes_killed_in_the_middle_of_a_trial(undisturbed, store, record, on_cluster, tmp_path):
    with LocalCluster() as cluster:
        nodes, killed = [cluster.add_node(), cluster.add_node()], 0
        driver = on_cluster(cluster, "run", write(tmp_path), "--storage", tmp_path)
        for event in events(tmp_path, driver):
            # By then a trial runs on either; at last on one node alone.
            if event["event"] == "epoch" and event["epoch"] == 4 and killed < 3:
                nodes.pop(0).kill()
                killed += 1
                if killed < 3:
                    nodes.append(cluster.add_node())
        driver.finish()
    record("worker node killed", killed, verify(tmp_path, undisturbed))


def test_a_trial_out_of_memory(undisturbed, store, record, on_cluster, tmp_path):
    """The first attempt of two trials takes memory until Ray's monitor kills it."""
    marker = tmp_path / "marker"
    marker.mkdir()
    memory = psutil.virtual_memory()
    limit = {
        "RAY_memory_usage_threshold": str((memory.total - memory.available + 4 * GIB) / memory.total),
        "RAY_memory_monitor_refresh_ms": "100",
    }
    with LocalCluster(env=limit) as cluster:
        cluster.add_node(cpus=2)
        env = {**cluster.env, "RAY_ADDRESS": cluster.address}
        driver = Driver(write(tmp_path), tmp_path, marker, program=HUNGRY, **env)
        driver.finish()
    record("trial out of memory", len(list(marker.iterdir())), verify(tmp_path, undisturbed))


def test_two_sweeps_at_once_on_one_cluster_one_cache_and_one_store(
    undisturbed, store, record, on_cluster, tmp_path
):
    names, cache = ("faults", "others"), tmp_path / "cache"
    with LocalCluster(env={"NOISESWEEP_CACHE_DIR": str(cache)}) as cluster:
        cluster.add_node(cpus=2)
        both = [on_cluster(cluster, "run", write(tmp_path, name), "--storage", tmp_path) for name in names]
        for driver in both:
            driver.finish()
    found = [verify(tmp_path, undisturbed, name) for name in names]
    total = Found(sum(each.lost for each in found), sum(each.duplicated for each in found))
    record("two sweeps at once on one cluster, cache and store", 2, total)

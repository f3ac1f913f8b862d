"""What no node can give is refused; what one that joins, or that the autoscaler adds, can give is not."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray

from sweeps.engine import resources
from tests.clusters import LocalCluster
from tests.slow_cloud import ENVIRONMENT, autoscaling

ROOT = Path(__file__).parents[2]
CHECK = """
import sys
from sweeps import SweepError, load_spec
from sweeps.engine import ray_session, resources

key, seconds = sys.argv[1:]
resources._JOIN_SECONDS = int(seconds)
spec = load_spec("sweeps/studies/digits.yaml", [f"resources={key}"])
try:
    with ray_session.ray_session(spec, lambda text: print(text, flush=True)):
        pass
except SweepError as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="module")
def cluster():
    types = {
        "gpus": {"resources": {"CPU": 2, "GPU": 1, "memory": 2**30}, "node_config": {}, "max_workers": 2},
        "too-many": {"resources": {"CPU": 64}, "node_config": {}, "max_workers": 0},
    }
    env = {**ENVIRONMENT, "PYTHONPATH": str(ROOT)}  # which has the cloud
    with LocalCluster(head_env=env, autoscaling=autoscaling(**types)) as cluster:
        yield cluster


@pytest.fixture
def check(cluster):
    """Check resources in a process of its own, which waits so many seconds for nodes to join."""

    def start(key, seconds):
        return subprocess.Popen(
            [sys.executable, "-c", CHECK, key, str(seconds)],
            cwd=ROOT,
            env={**cluster.env, "RAY_ADDRESS": cluster.address},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


@pytest.mark.parametrize(
    ("address", "may"),
    [
        ("127.0.0.1:6379", False),
        ("[::1]:6379", False),
        ("10.0.0.5:6379", True),
        ("[fd00::5]:6379", True),
        ("head.example.com:6379", True),
    ],
)
def test_nodes_join_only_what_they_can_reach(address, may, monkeypatch):
    monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(gcs_address=address))
    assert resources._others_may_join() == may


def test_what_neither_nodes_nor_the_autoscaler_can_give_is_refused(check):
    output, errors = check("{cpu: 64}", 5).communicate(timeout=120)
    assert output.splitlines() == ["no node has 64 cpu yet: waiting up to 5 s for one to join"]
    assert errors.splitlines()[-1] == (
        "resources: a trial asks for 64 cpu on one node; nodes have at most 0 cpu (change resources)"
    )


def test_what_the_autoscaler_adds_is_waited_for_by_the_sweep(check):
    process = check("{cpu: 1, gpu: 0.333333, memory: 0.7}", 60)
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert output.splitlines() == [
        "no node has 1 cpu, 0.333333 gpu and 0.7 GiB memory yet: waiting up to 60 s for one to join",
        "the autoscaler is about to add one",
    ]


def test_a_node_that_joins_in_time_is_enough(check, cluster):
    process = check("{cpu: 4}", 60)
    assert process.stdout.readline() == "no node has 4 cpu yet: waiting up to 60 s for one to join\n"
    cluster.add_node(cpus=4)
    output, errors = process.communicate(timeout=120)
    assert (process.returncode, output) == (0, ""), errors

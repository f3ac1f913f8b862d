"""Ray's private names: these tests fail where a new version breaks one of them or no longer needs it."""

import subprocess
import sys
from types import SimpleNamespace

import pytest
from ray._private import worker
from ray.air.execution import PlacementGroupResourceManager, ResourceRequest
from ray.air.execution._internal import RayActorManager
from ray.air.execution._internal.tracked_actor_task import TrackedActorTask
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.execution import class_cache, tune_controller
from ray.tune.execution.tune_controller import TuneController

from sweeps.engine.ray_private import errors_on_stderr
from sweeps.engine.tune_private import OutOfMemoryActorManager, PatientTuneController, patched_tune
from tests.integration.test_ray_session import environment_of_its_own

PLAIN = """
import psutil
import ray

ray.init(include_dashboard=False, log_to_driver=False)
for process in psutil.Process().children(recursive=True):
    print("process", " ".join(process.cmdline()))
    for connection in process.net_connections("inet"):
        if connection.status == psutil.CONN_LISTEN:
            print("listens", connection.laddr.ip)
ray.shutdown()
"""


class Idle:
    """An actor that does nothing."""


def report_lost_worker(manager_class):
    """Tell a manager that an actor ran out of memory; return the errors that it hands on."""
    errors = []
    manager = manager_class(PlacementGroupResourceManager())
    actor = manager.add_actor(
        Idle, {}, ResourceRequest([{"CPU": 1}]), on_error=lambda actor, error: errors.append(error)
    )
    while not manager.live_actors:
        manager.next(timeout=1)
    task = TrackedActorTask(actor)
    manager._actor_task_failed(task, OutOfMemoryError("1 worker was killed. Ray says more."))
    return errors


@pytest.mark.usefixtures("ray_session")
def test_tune_takes_a_worker_without_memory_for_a_dead_one():
    (error,) = report_lost_worker(OutOfMemoryActorManager)
    assert isinstance(error, RayActorError)
    assert str(error) == "out of memory: 1 worker was killed"
    with patched_tune():
        assert tune_controller.RayActorManager is OutOfMemoryActorManager
    assert tune_controller.RayActorManager is RayActorManager


@pytest.mark.usefixtures("ray_session")
def test_tune_alone_falls_over_a_worker_without_memory():
    with pytest.raises(RuntimeError):
        report_lost_worker(RayActorManager)


def test_credentials_and_settings_for_lightning_are_not_passed_on():
    before = class_cache.ENV_VARS_TO_PROPAGATE, class_cache.DEFAULT_ENV_VARS
    assert "AWS_SECRET_ACCESS_KEY" in class_cache.ENV_VARS_TO_PROPAGATE
    assert class_cache.DEFAULT_ENV_VARS
    with patched_tune():
        assert not [name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")]
        assert class_cache.ENV_VARS_TO_PROPAGATE
        assert not class_cache.DEFAULT_ENV_VARS
    assert before == (class_cache.ENV_VARS_TO_PROPAGATE, class_cache.DEFAULT_ENV_VARS)


def test_errors_of_ray_go_to_standard_error(capsys):
    error = {"lines": ["a worker died"], "pid": "raylet", "is_err": False}
    worker.print_to_stdstream(error, ignore_prefix=False)
    assert "a worker died" in capsys.readouterr().out
    with errors_on_stderr():
        worker.print_to_stdstream(error, ignore_prefix=False)
    output = capsys.readouterr()
    assert (output.out, "a worker died" in output.err) == ("", True)


def test_ray_alone_starts_services_and_listens_to_other_machines():
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PLAIN],
        env=environment_of_its_own(),
        capture_output=True,
        text=True,
        check=True,
    )
    for service in ("dashboard.py", "log_monitor.py", "monitor.py"):
        assert service in done.stdout
    addresses = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("listens")}
    assert not all(address in ("127.0.0.1", "::1") for address in addresses)


@pytest.mark.parametrize(
    ("controller", "ended"), [(TuneController, ["starting"]), (PatientTuneController, [])]
)
def test_a_worker_that_is_starting_is_kept(controller, ended):
    def reuse(trial, live):
        tune = object.__new__(controller)
        removed = []
        tune._resetting_trials = set()
        tune._trial_to_actor, tune._actor_to_trial = {"waits": "starting"}, {"starting": "waits"}
        tune._actor_manager = SimpleNamespace(
            live_actors=live, _live_actors_to_ray_actors_resources={"free": (None,)}
        )
        tune._actor_cache = SimpleNamespace(
            has_cached_object=lambda resources: True, pop_cached_object=lambda resources: "free"
        )
        tune._remove_actor = lambda tracked_actor: removed.append(tracked_actor)
        tune._schedule_trial_reset = lambda *arguments: None
        return tune._maybe_reuse_cached_actor(trial), removed

    class Waiting(SimpleNamespace):
        def __hash__(self):
            return hash("waits")

        def __eq__(self, other):
            return other == "waits"

    trial = Waiting(
        placement_group_factory=None, config={}, experiment_tag="", set_ray_actor=lambda actor: None
    )
    assert reuse(trial, ["starting", "free"]) == (bool(ended), ended)
    # One that waits for resources may wait for hours, so its trial takes the free worker.
    assert reuse(trial, ["free"]) == (True, ["starting"])


def test_tune_alone_imports_mlflow():
    script = (
        "import sys; from ray.air._internal import usage; from ray.tune import Callback\n"
        "usage.tag_callbacks([Callback()]); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, check=True
    )
    assert "mlflow" in done.stdout.split()

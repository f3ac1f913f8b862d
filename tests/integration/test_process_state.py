"""A sweep from Python leaves the process of its caller as it found it."""

import json
import subprocess
import sys

from tests.integration.test_ray_session import environment_of_its_own

SCRIPT = """
import json, logging, os, signal
import mlflow, optuna, ray, torch
from ray._private import ray_constants, worker
from ray._private.node import Node
from ray.air._internal import usage
from ray.tune import tune
from ray.tune.execution import class_cache, tune_controller
import sweeps
from sweeps.report.publish import publish_report
from sweeps.engine import stages
from sweeps.record.folder import SweepFolder
from sweeps.report import page
from sweeps.tracking import publisher

SPEC = {
    "name": "state",
    "trainable": "digits",
    "fixed": {"epochs": 1, "train_subset": 100},
    "search": {"lr": {"uniform": [0.01, 0.02]}},
    "objective": {"metric": "val_accuracy", "mode": "max"},
    "budget": {"trials": 1},
}


def state():
    loggers = [name for name in logging.root.manager.loggerDict if name.split(".")[0] != "sweeps"]
    return {
        "environment": dict(os.environ),
        "folder": os.getcwd(),
        "log levels": {name: logging.getLogger(name).level for name in ["", *loggers]},
        "handlers": [repr(handler) for handler in logging.root.handlers],
        "signals": [repr(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)],
        "Optuna's verbosity": optuna.logging.get_verbosity(),
        "MLflow's store": mlflow.get_tracking_uri(),
        "threads of torch": torch.get_num_threads(),
        "Ray is connected": ray.is_initialized(),
        "Ray": [
            repr(value)
            for value in (
                ray_constants.ENABLE_RAY_CLUSTER,
                worker.print_to_stdstream,
                Node.start_api_server,
                Node.start_raylet,
                tune.TuneController,
                usage.tag_callbacks,
                Node.start_monitor,
                Node.start_log_monitor,
                sorted(class_cache.ENV_VARS_TO_PROPAGATE),
                class_cache.DEFAULT_ENV_VARS,
                tune_controller.RayActorManager,
            )
        ],
    }


before = state()
result = sweeps.run(SPEC)
assert result.complete
after_run = state()
sweeps.resume("state")
publish_report(SweepFolder(result.path))
after = state()
for values in (after_run, after):
    values["log levels"] = {name: values["log levels"][name] for name in before["log levels"]}
print(json.dumps([before, after_run, after]))
"""


def test_a_sweep_leaves_the_process_as_it_found_it(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        env=environment_of_its_own(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    before, after_run, after = json.loads(done.stdout.splitlines()[-1])
    assert after_run == before
    assert after == before

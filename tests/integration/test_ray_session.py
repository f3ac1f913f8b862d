"""The Ray of one machine that a sweep starts."""

import os
import subprocess
import sys

START = """
import os
from pathlib import Path

import psutil
import ray
from ray._private import worker
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from sweeps.engine.ray_session import join_or_start
from sweeps.spec.sections import Resources

join_or_start(Resources(), None)
log = Path(worker._global_node.get_logs_dir_path(), "raylet.out")


@ray.remote(num_cpus=1)
class Trial:
    def __init__(self):
        import sys

        self.imported = "sweeps.worker.trial" in sys.modules

    def state(self):
        return os.getpid(), self.imported, os.environ.get("MALLOC_ARENA_MAX")


cores = [placement_group([{"CPU": 1}]) for _ in range(os.cpu_count())]  # as Tune reserves them
assert all(core.wait(30) for core in cores)
strategies = [PlacementGroupSchedulingStrategy(core) for core in cores]
trials = [Trial.options(scheduling_strategy=strategy).remote() for strategy in strategies]
pids, imported, arenas = zip(*ray.get([trial.state.remote() for trial in trials]))
print("trials", len(set(pids)), all(imported))
print("arenas", *set(arenas))
print("workers", log.read_text().count("Started worker process"))
for process in psutil.Process().children(recursive=True):
    print("process", " ".join(process.cmdline()))
ray.shutdown()
"""


def environment_of_its_own():
    """The environment of a process that starts its own Ray, with the modules of this one."""
    names = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "RAY_"))}
    return {**names, "RAY_ADDRESS": "local", "PYTHONPATH": os.pathsep.join(sys.path)}


def test_trials_take_the_workers_that_import_ahead_and_no_service_is_started():
    done = subprocess.run(
        [sys.executable, "-c", START],
        env=environment_of_its_own(),
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [line.split(maxsplit=1) for line in done.stdout.splitlines()]
    found = dict(line for line in lines if line[0] in ("trials", "workers", "arenas"))
    cores = os.cpu_count()
    assert found == {"trials": f"{cores} True", "workers": str(cores), "arenas": "1"}
    processes = " ".join(line[1] for line in lines if line[0] == "process")
    assert "raylet" in processes
    assert not [name for name in ("dashboard.py", "log_monitor.py", "autoscaler") if name in processes]

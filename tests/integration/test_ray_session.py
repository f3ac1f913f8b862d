"""The Ray of one machine that a sweep starts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from sweeps import SweepError
from sweeps.engine.ray_session import _told, remedy

START = """
import os
import signal
import socket
from contextlib import ExitStack
from pathlib import Path

import psutil
import ray
from ray._private import worker
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from sweeps.engine.ray_session import join_or_start
from sweeps.spec.sections import Resources

session = ExitStack()
join_or_start(Resources(), None, session)
log = Path(worker._global_node.get_logs_dir_path(), "raylet.out")
"""

TRIALS = """
@ray.remote(num_cpus=1)
class Trial:
    def __init__(self):
        import sys

        self.imported = "sweeps.worker.trial" in sys.modules

    def state(self):
        return os.getpid(), os.getppid(), self.imported, os.environ.get("MALLOC_ARENA_MAX")


# A worker whose program is killed while it asks for a fork costs nothing.
with socket.socket(socket.AF_UNIX) as client:
    client.connect(os.environ["NOISESWEEP_FORK_SERVER"])
cores = [placement_group([{"CPU": 1}]) for _ in range(os.cpu_count())]  # as Tune reserves them
assert all(core.wait(30) for core in cores)
strategies = [PlacementGroupSchedulingStrategy(core) for core in cores]
trials = [Trial.options(scheduling_strategy=strategy).remote() for strategy in strategies]
pids, parents, imported, arenas = zip(*ray.get([trial.state.remote() for trial in trials]))
print("trials", len(set(pids)), all(imported))
print("arenas", *set(arenas))
print("workers", log.read_text().count("Started worker process"))
print("parents", *{psutil.Process(parent).cmdline()[3] for parent in parents})
for process in psutil.Process().children(recursive=True):
    print("process", " ".join(process.cmdline()))
workers = [psutil.Process(pid) for pid in {*pids, *parents}]
session.close()
print("left", len(psutil.wait_procs(workers, timeout=60)[1]))
"""

WITHOUT_SERVER = """
(server,) = [child for child in psutil.Process().children() if "sweeps.engine.fork_server" in child.cmdline()]
server.kill()
server.wait()


@ray.remote(num_cpus=0)
class Trial:
    def parent(self):
        return psutil.Process(os.getppid()).name()


# More than there are forks.
trials = [Trial.remote() for _ in range(os.cpu_count() + 1)]
print("raylet" in ray.get([trial.parent.remote() for trial in trials]))
session.close()
"""

KILLED = """
@ray.remote
def processes():
    return os.getpid(), os.getppid()


print(os.path.dirname(os.environ["NOISESWEEP_FORK_SERVER"]), *ray.get(processes.remote()), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


REFUSED = """
import json
import os
import sys

from sweeps.engine.data import check_data_dir
from sweeps.engine.ray_session import connected
from sweeps.errors import SweepError
from sweeps.process_state import environment
from sweeps.spec.load import load_spec
from sweeps.spec.sections import Resources

def start():
    with connected(Resources(), tune=False):
        print("Ray has started")

def check():
    # The trainable that generates its data needs no folder.
    spec = {"search": {"lr": {"grid": [0.1]}}, "objective": {"metric": "val_loss", "mode": "min"}}
    for trainable in ("digits", "mnist"):
        check_data_dir(load_spec({"name": "a", "trainable": trainable, "data_dir": "/nowhere", **spec}))

for call, settings in ((start, setting) for setting in json.loads(sys.argv[1])):
    with environment(**settings):
        try:
            call()
        except SweepError as error:
            print(error)
try:
    check()
except SweepError as error:
    print(error)
"""


def environment_of_its_own():
    """The environment of a process that starts its own Ray, with the modules of this one."""
    names = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "RAY_"))}
    return {**names, "RAY_ADDRESS": "local", "PYTHONPATH": os.pathsep.join(sys.path)}


def run_script(script):
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment_of_its_own(),
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_trials_take_the_workers_that_import_ahead_and_no_service_is_started():
    lines = [line.split(maxsplit=1) for line in run_script(START + TRIALS)]
    processes = " ".join(text for name, text in lines if name == "process")
    found = {name: text for name, text in lines if name != "process"}
    cores = os.cpu_count()
    assert found == {
        "trials": f"{cores} True",
        "workers": str(cores),
        "arenas": "1",
        "parents": "sweeps.engine.fork_server",
        "left": "0",
    }
    assert "raylet" in processes
    assert not [name for name in ("dashboard.py", "log_monitor.py", "autoscaler") if name in processes]


def test_what_ray_needs_and_does_not_have_is_one_line(tmp_path):
    file, long = tmp_path / "file", tmp_path / ("long" * 20)
    file.touch()
    long.mkdir()
    settings = [{"HOME": str(file)}, {"RAY_TMPDIR": str(long)}, {"RAY_TMPDIR": str(file)}]
    done = subprocess.run(
        [sys.executable, "-c", REFUSED, json.dumps(settings)],
        env=environment_of_its_own(),
        capture_output=True,
        text=True,
        check=True,
    )
    no_home, too_long, no_folder, no_data = done.stdout.splitlines()
    assert too_long.startswith("Ray cannot start: ")
    assert too_long.endswith("; export RAY_TMPDIR=/tmp, or another short path")
    needed = "HOME and RAY_TMPDIR, or else TMPDIR, must be folders that can be written"
    assert no_folder == f"Ray cannot start: [Errno 20] Not a directory: '{file}/ray'; {needed}"
    assert no_home == f"Ray cannot start: [Errno 20] Not a directory: '{file}/.ray'; {needed}"
    assert no_data == "data_dir /nowhere: no such folder (from the YAML or NOISESWEEP_DATA_DIR)"


def test_a_machine_that_is_too_busy_for_ray_is_one_line():
    said = "The current node timed out during startup. This could happen because of a slow raylet."
    with pytest.raises(SweepError) as raised, _told("Ray cannot start", remedy):
        raise Exception(said)
    rule = "the machine may be too busy, or its disk too slow: try again"
    assert str(raised.value) == f"Ray cannot start: {said.removesuffix('.')}; {rule}"


def test_workers_start_without_the_fork_server_too():
    assert run_script(START + WITHOUT_SERVER) == ["True"]


def test_a_driver_that_is_killed_leaves_no_worker_no_server_and_no_folder():
    done = subprocess.run(
        [sys.executable, "-c", START + KILLED], env=environment_of_its_own(), capture_output=True, text=True
    )
    folder, *pids = done.stdout.split()
    processes = [psutil.Process(int(pid)) for pid in pids if psutil.pid_exists(int(pid))]
    _, left = psutil.wait_procs(processes, timeout=60)
    assert [process.name() for process in left] == []
    assert not Path(folder).exists()

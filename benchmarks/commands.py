"""Commands and the smallest sweep: seconds, memory, and the smallest sweep compared with its floor.

The floor is a plain ``ray.init`` and an actor that imports torch.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil

from benchmarks.cases import CASES
from benchmarks.measure import Results, interleaved, ratios, run_python
from benchmarks.throughput import COMMAND

COMMANDS = {
    "--help": ("--help",),
    "validate": ("validate", "sweep.yaml"),
    "list": ("list",),
    "schema": ("schema",),
    "status": ("status", "fmnist"),
    "report": ("report", "fmnist"),
}
NAMES = (*COMMANDS, "sweep")
_FLOOR = """
import logging, ray
ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)

@ray.remote
class Actor:
    def ready(self):
        import torch

ray.get(Actor.remote().ready.remote())
ray.shutdown()
"""
_ROUNDS = 5
_POLL_SECONDS = 0.05


def measured(folder: Path, arguments: tuple[str, ...]) -> tuple[float, float]:
    """Run a command; return its seconds, and the peak memory in MiB of its process and the publisher's."""
    command = [sys.executable, "-W", "ignore", "-c", COMMAND, *arguments]
    started, peak = time.perf_counter(), 0.0
    process = psutil.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        peak = max(peak, resident(process))
        time.sleep(_POLL_SECONDS)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} ended with status {process.returncode}")
    return time.perf_counter() - started, peak


def resident(driver: psutil.Process) -> float:
    try:
        publishers = [child for child in driver.children() if "publisher_main" in " ".join(child.cmdline())]
        return float(sum(process.memory_info().rss for process in [driver, *publishers])) / 2**20
    except psutil.Error:
        # One of them has just ended.
        return 0.0


def run(names: list[str] | None = None) -> Results:
    results = Results("commands")
    case = CASES["fmnist"]
    short = replace(
        case, fixed={**case.fixed, "epochs": 1, "train_subset": 1280}, modes=("none",), rates=(0.1,)
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        short.write_spec(folder / "sweep.yaml")
        sweep = ("run", "sweep.yaml", "--new")
        # The other commands need a sweep; this also fills the caches.
        measured(folder, sweep)
        for command in [each for each in names or NAMES if each in COMMANDS]:
            runs = [measured(folder, COMMANDS[command]) for _ in range(_ROUNDS)]
            results.add(command, "seconds", [seconds for seconds, _ in runs])
            results.add(command, "MiB", [memory for _, memory in runs])
        if "sweep" in (names or NAMES):
            peaks: list[float] = []

            def timed_sweep() -> float:
                seconds, peak = measured(folder, sweep)
                peaks.append(peak)
                return seconds

            def floor() -> float:
                return run_python("-W", "ignore", "-c", _FLOOR, cwd=folder)[0]

            taken = interleaved({"sweep": timed_sweep, "floor": floor}, _ROUNDS)
            for each, seconds in taken.items():
                results.add("one trial, one epoch", f"{each}, seconds", seconds)
            results.add("one trial, one epoch", "sweep / floor", ratios(taken["sweep"], taken["floor"]))
            results.add("one trial, one epoch", "driver and publisher, MiB", peaks)
    return results

"""Timing side by side, and the tables of results."""

import csv
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
RESULTS = Path(__file__).parent / "results"
COLUMNS = ("date", "commit", "machine", "case", "measure", "median", "lowest", "highest", "n")


def interleaved(contenders: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure each contender once per round, reversing the order after each round.

    The nth values of two contenders, from the same round, are a pair.
    """
    measured: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders)
        for name in names if number % 2 == 0 else reversed(names):
            measured[name].append(contenders[name]())
            note(f"round {number + 1} of {rounds}: {name}: {measured[name][-1]:.3g}")
    return measured


def ratios(above: Sequence[float], below: Sequence[float]) -> list[float]:
    """Divide pair by pair."""
    return [a / b for a, b in zip(above, below, strict=True)]


def seconds(function: Callable[[], Any]) -> float:
    """Time a call."""
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def run_python(*arguments: str, cwd: Path, **environment: str) -> tuple[float, str]:
    """Run this Python with arguments; return the seconds from start to end and the output.

    If it fails, its output is printed and the benchmark ends.
    """
    env = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    started = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, env=env, capture_output=True, text=True)
    taken = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stdout}\n{done.stderr}")
    return taken, done.stdout


class Results:
    """Rows of one benchmark, to print as a table and append to a CSV with commit and machine."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._rows: list[dict[str, Any]] = []
        self._made_by = {
            "date": f"{datetime.now(UTC):%Y-%m-%d %H:%M}",
            "commit": commit(),
            "machine": machine(),
        }

    def add(self, case: str, measure: str, values: Sequence[float]) -> None:
        """Add the values of one measure."""
        low, high = min(values), max(values)
        row = {"case": case, "measure": measure, "median": median(values), "lowest": low, "highest": high}
        self._rows.append({**self._made_by, **row, "n": len(values)})

    def keep(self) -> None:
        """Print the table and append it to the file."""
        if not self._rows:
            return
        shown = COLUMNS[3:]
        table = Table(*shown, title=f"{self.name}: {self._made_by['commit']}, {self._made_by['machine']}")
        for row in self._rows:
            table.add_row(*(_text(row[column]) for column in shown))
        Console(width=120).print(table)
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}.csv"
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            if new:
                writer.writeheader()
            writer.writerows({key: _text(value) for key, value in row.items()} for row in self._rows)


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def commit() -> str:
    """Short hash of the commit; a plus marks uncommitted changes."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip()

    changed = git("status", "--porcelain", "--", "trainables", "sweeps", "benchmarks/*.py")
    return git("rev-parse", "--short", "HEAD") + "+" * bool(changed)


def machine() -> str:
    """Describe the machine in a line."""
    import torch

    memory = psutil.virtual_memory().total / 2**30
    cores = len(psutil.Process().cpu_affinity())
    capability = torch.backends.cpu.get_cpu_capability()
    gpu = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    return f"{_cpu()} {capability}, {cores} cores, {memory:.0f} GiB{gpu}, torch {torch.__version__}"


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    known = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    # In a cloud, the name of a model is often not specific.
    return f"{known.get('model name', 'CPU')} (family {known.get('cpu family')} model {known.get('model')})"


def note(text: str) -> None:
    """Print progress to stderr."""
    sys.stderr.write(f"{text}\n")


@contextmanager
def one_thread() -> Iterator[None]:
    """Use one thread, as each trial on a CPU does."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)

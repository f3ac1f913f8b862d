"""Start-up: parts of the time from the command to the first finished epoch, with cold and warm data."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.cases import CASES, Case
from benchmarks.measure import Results, run_python

PARTS = ("imports", "Ray", "data", "store and journal", "actor", "first epoch")
NAMES = tuple(CASES)
_ROUNDS = 5


def parts(case: Case, **environment: str) -> dict[str, float]:
    """Run a sweep; return the seconds of each part, and until the first trial and its first epoch."""
    with tempfile.TemporaryDirectory() as folder:
        case.write_spec(Path(folder, "sweep.yaml"))
        started = time.time()
        _, printed = run_python("-m", "benchmarks.startup", "sweep.yaml", cwd=Path(folder), **environment)
    events = [json.loads(line) for line in printed.splitlines()]
    at = {event["part"]: event["at"] for event in events if event["event"] == "part"}

    def first(kind: str) -> float:
        return next(event["time"] / 1000 for event in events if event["event"] == kind)

    ends = [at["imports"], at["Ray"], at["data"], first("begin"), first("start"), first("epoch")]
    taken = {part: end - before for part, before, end in zip(PARTS, [started, *ends[:-1]], ends, strict=True)}
    return {**taken, "first trial starts": ends[4] - started, "in all": ends[-1] - started}


def main(spec: str) -> None:
    """Run a sweep as the command does, and print when each part ended."""
    from sweeps.tracking.publisher_process import started_ahead

    # The command does this before it imports the rest.
    with started_ahead():
        _run(spec)


def _run(spec: str) -> None:
    from sweeps import cli, runner
    from sweeps.tracking import publisher_process

    publisher_process.started_ahead = nullcontext

    def mark(part: str) -> None:
        print(json.dumps({"event": "part", "part": part, "at": time.time()}), flush=True)

    def timed(name: str, part: str) -> None:
        original = getattr(runner, name)

        def call(*arguments: Any) -> Any:
            result = original(*arguments)
            mark(part)
            return result

        setattr(runner, name, call)

    session = runner.ray_session

    @contextmanager
    def timed_session(*arguments: Any) -> Iterator[None]:
        with session(*arguments):
            mark("Ray")
            yield

    runner.ray_session = timed_session
    timed("prepare_data", "data")
    mark("imports")
    sys.argv = ["noisesweep", "run", spec, "--json"]
    cli.main()


def run(names: list[str] | None = None) -> Results:
    results = Results("startup")
    case = CASES[(names or ["fmnist"])[0]]
    short = replace(case, fixed={**case.fixed, "epochs": 1, "train_subset": 1280})
    with tempfile.TemporaryDirectory() as cache:
        cold = [parts(short, NOISESWEEP_CACHE_DIR=f"{cache}/{number}") for number in range(2)]
    warm = [parts(short) for _ in range(_ROUNDS)]
    for cache_is, measured in (("cold cache", cold), ("warm cache", warm)):
        for part in (*PARTS, "in all"):
            results.add(cache_is, f"{part}, seconds", [each[part] for each in measured])
    return results


if __name__ == "__main__":
    main(sys.argv[1])

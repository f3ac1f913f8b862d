"""Control plane: sweeps of a trainable that does nothing, compared with plain Tune without tracking.

A trial of either reports once. A grid is a list of trials; a search asks Optuna for each trial. Both times
include imports and the start of Ray; only NoiseSweep's includes tracking, the report and the saved model.
"""

import json
import logging
import os
import re
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Results, interleaved, ratios, run_python, seconds

# Rounds by number of trials.
SIZES = {64: 3, 512: 3, 2048: 1}
NAMES = ("grid", "search")


def ours(kind: str, trials: int) -> None:
    from benchmarks.empty_trainable import EmptyTrainable
    from sweeps.runner import run
    from sweeps.spec.load import load_spec
    from trainables import registry

    registry.register(EmptyTrainable)
    spec: dict[str, Any] = {
        "name": "empty",
        "trainable": "empty",
        "fixed": {"epochs": 1},
        "objective": {"metric": "val_loss", "mode": "min"},
        "resources": {"cpu": 1},
        "seed": 0,
    }
    if kind == "grid":
        spec |= {"mode": "grid", "search": {"lr": {"grid": [0.1]}}, "seeds": trials}
    else:
        spec |= {"search": {"lr": {"log_uniform": [1e-4, 1.0]}}, "budget": {"trials": trials}}
    run(load_spec(spec), storage=Path.cwd(), log="json")


def plain(kind: str, trials: int) -> None:
    import optuna
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    # Turn off Tune's own loggers.
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    ray.init(include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def nothing(config: dict[str, Any]) -> None:
        tune.report({"val_loss": config["lr"]})

    tuner = tune.Tuner(
        tune.with_resources(nothing, {"cpu": 1}),
        param_space={"lr": tune.loguniform(1e-4, 1.0)},
        tune_config=tune.TuneConfig(
            metric="val_loss",
            mode="min",
            num_samples=trials,
            reuse_actors=True,
            search_alg=OptunaSearch() if kind == "search" else None,
            max_concurrent_trials=2 if kind == "search" else None,
        ),
        run_config=tune.RunConfig(storage_path=str(Path.cwd()), verbose=0),
    )
    tuner.fit()


def main(who: str, kind: str, trials: int) -> None:
    """Time one sweep, the start of Ray included, and print seconds and the driver's peak memory in GiB."""
    taken = seconds(lambda: {"ours": ours, "plain": plain}[who](kind, trials))
    print(json.dumps([taken, peak_memory()]))


def peak_memory() -> float:
    """Peak memory of this process in GiB; ``ru_maxrss`` would include the parent process's peak."""
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmHWM:\s+(\d+) kB", status)[0]) / 2**20


def measure(who: str, kind: str, trials: int, peaks: list[float]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        arguments = ("-m", "benchmarks.control_plane", who, kind, str(trials))
        _, printed = run_python(*arguments, cwd=Path(folder))
    taken, peak = json.loads(printed.splitlines()[-1])
    peaks.append(peak)
    return taken


def run(names: list[str] | None = None) -> Results:
    results = Results("control_plane")
    for kind in names or NAMES:
        for trials, rounds in SIZES.items():
            peaks: dict[str, list[float]] = {"NoiseSweep": [], "plain Tune": []}
            taken = interleaved(
                {
                    "NoiseSweep": partial(measure, "ours", kind, trials, peaks["NoiseSweep"]),
                    "plain Tune": partial(measure, "plain", kind, trials, peaks["plain Tune"]),
                },
                rounds,
            )
            case = f"{kind}, {trials} trials"
            for name, times in taken.items():
                results.add(case, f"{name}, ms a trial", [1000 * value / trials for value in times])
                results.add(case, f"{name}, driver GiB", peaks[name])
            results.add(case, "NoiseSweep / plain Tune", ratios(*taken.values()))
    return results


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))

"""What ASHA saves: epochs and best score with and without it, for the same configurations and seeds."""

import json
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.measure import Results, interleaved, ratios, run_python

# The case to run is a seed.
NAMES = ("0", "1", "2")
_EPOCHS = 18


def spec_of(seed: int, asha: bool) -> dict[str, Any]:
    """A grid over sigma and learning rate."""
    return {
        "name": "digits-asha",
        "trainable": "digits",
        "mode": "grid",
        "fixed": {"model": "shallow", "epochs": _EPOCHS, "batch_size": 64, "noise": "after_all"},
        "search": {
            "sigma": {"grid": [0.0001, 0.001, 0.003, 0.01, 0.03, 0.1]},
            "lr": {"grid": [0.003, 0.01, 0.03, 0.1]},
        },
        "scheduler": {"asha": {"grace_epochs": 2, "reduction_factor": 3}} if asha else "none",
        "objective": {"metric": "val_accuracy", "mode": "max"},
        "seed": seed,
    }


def measure(seed: int, asha: bool, found: dict[str, list[float]]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "sweep.yaml").write_text(json.dumps(spec_of(seed, asha)))
        taken, printed = run_python("-m", "benchmarks.early_stopping", "sweep.yaml", cwd=Path(folder))
    epochs, best = json.loads(printed.splitlines()[-1])
    found["epochs"].append(epochs)
    found["best"].append(best)
    return taken


def main(spec: str) -> None:
    """Run a sweep and print its number of epochs and its best score."""
    from sweeps.runner import run

    state = run(spec, storage=Path.cwd(), log="json").state
    best = state.best()
    score = None if best is None else state.score(best)
    print(json.dumps([sum(len(trial.epochs) for trial in state.trials.values()), score]))


def run(names: list[str] | None = None) -> Results:
    results = Results("early_stopping")
    with_asha: dict[str, list[float]] = {"epochs": [], "best": []}
    without: dict[str, list[float]] = {"epochs": [], "best": []}
    times: dict[str, list[float]] = {"with": [], "without": []}
    for seed in map(int, names or NAMES):
        taken = interleaved(
            {
                "with": partial(measure, seed, True, with_asha),
                "without": partial(measure, seed, False, without),
            },
            1,
        )
        for name in times:
            times[name] += taken[name]
    case = "digits, 24 configurations"
    results.add(case, "epochs without ASHA", without["epochs"])
    results.add(case, "epochs with / without", ratios(with_asha["epochs"], without["epochs"]))
    results.add(case, "seconds with / without", ratios(times["with"], times["without"]))
    results.add(case, "best val_accuracy without", without["best"])
    differences = [a - b for a, b in zip(with_asha["best"], without["best"], strict=True)]
    results.add(case, "best val_accuracy, with minus without", differences)
    return results


if __name__ == "__main__":
    main(sys.argv[1])

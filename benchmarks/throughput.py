"""Sweep throughput: 16 configurations from command to end, compared with three other ways to run them."""

import json
import tempfile
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.cases import CASES, Case
from benchmarks.measure import Results, interleaved, note, ratios, run_python

OTHERS = {
    "published way": "benchmarks.published_way",
    "Ray Tune recipe": "benchmarks.tune_recipe",
    "Optuna alone": "benchmarks.optuna_alone",
}
# The script ``noisesweep`` does this.
COMMAND = "from sweeps.cli import script; script()"
NAMES = tuple(CASES)
_ROUNDS = 3


def other(module: str, case: Case) -> float:
    with tempfile.TemporaryDirectory() as folder:
        taken, printed = run_python("-m", module, case.name, cwd=Path(folder))
    losses = json.loads(printed.splitlines()[-1])
    note(f"{module} {case.name}: median val_loss {median(losses):.4f} of {len(losses)}")
    return taken


def ours(case: Case) -> float:
    with tempfile.TemporaryDirectory() as folder:
        spec = Path(folder, "sweep.yaml")
        case.write_spec(spec)
        taken, printed = run_python("-c", COMMAND, "run", str(spec), "--json", cwd=Path(folder))
    losses = final_losses(printed)
    note(f"NoiseSweep {case.name}: median val_loss {median(losses):.4f} of {len(losses)}")
    return taken


def final_losses(printed: str) -> list[float]:
    """The val_loss of each trial's last epoch, from JSON lines."""
    last: dict[str, float] = {}
    for line in printed.splitlines():
        event = json.loads(line)
        if event["event"] == "epoch":
            last[event["trial"]] = event["metrics"]["val_loss"]
    return list(last.values())


def run(names: list[str] | None = None, rounds: int = _ROUNDS) -> Results:
    results = Results("throughput")
    for case in [CASES[name] for name in names or NAMES]:
        contenders = {
            name: partial(other, module, case) for name, module in OTHERS.items() if name in case.against
        }
        taken = interleaved({"NoiseSweep": partial(ours, case), **contenders}, rounds)
        for name, times in taken.items():
            results.add(case.name, f"{name}, seconds", times)
        for name in case.against:
            results.add(case.name, f"{name} / NoiseSweep", ratios(taken[name], taken["NoiseSweep"]))
    return results

"""The same seed gives the same bits in fresh processes, and in one that has done other work before."""

import json
import os
import subprocess
import sys

import torch

from sweeps.search.searcher import build_searcher
from tests.cases import CASES
from tests.unit.test_search import MAIN, compared, drive, sampled
from trainables.noise.registry import STUDY_MODES
from trainables.testing import numbers


def trials(seed):
    """Run a trial of each mode; every bit of its metrics and of its weights, as text."""
    found = {}
    for mode in STUDY_MODES:
        training = CASES["digits"](None).noisy(mode, seed=seed)
        metrics = [{name: value.hex() for name, value in m.items()} for m in map(floats, numbers(training))]
        weights = [w.numpy().tobytes().hex() for w in training.task.model.state_dict().values()]
        found[mode] = {"metrics": metrics, "first_bias": weights[1], "last_bias": weights[-1]}
    return found


def floats(metrics):
    return {name: float(value) for name, value in metrics.items()}


def sequences():
    """Run searches: what two seeds suggest, and what a comparison does."""
    searched = [drive(build_searcher(sampled(MAIN, seed=seed)), range(25)) for seed in (0, 1)]
    return {"searched": searched, "compared": drive(build_searcher(compared(trials_per_arm=14)), range(67))}


def test_same_bits_in_fresh_processes_and_after_another_trial():
    fresh = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.integration.test_determinism"],
            env=os.environ | {"PYTHONHASHSEED": str(hash_seed), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
        )
        for hash_seed in (1, 2)
    ]
    other = trials(seed=8)
    again = trials(seed=7)  # this process has trained before
    one, two = (json.loads(process.communicate(timeout=120)[0]) for process in fresh)
    assert [process.returncode for process in fresh] == [0, 0]
    # Were the hashes equal, an order that depends on them could not show.
    assert one["hash"] != two["hash"]
    assert one["trials"] == two["trials"] == again
    assert one["sequences"] == two["sequences"] == json.loads(json.dumps(sequences()))
    first, second = ([{**c, "seed": None} for c in found] for found in one["sequences"]["searched"])
    assert first != second
    assert other != again
    assert all(again[mode] != again["none"] for mode in STUDY_MODES if mode != "none")


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(json.dumps({"hash": hash("noise"), "trials": trials(seed=7), "sequences": sequences()}))

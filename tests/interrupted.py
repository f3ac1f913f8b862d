"""A driver that gets a signal when its third trial has ended: run by test_run in a process of its own."""

import os
import sys
from pathlib import Path

from sweeps import resume, run, runner
from sweeps.callbacks import SweepCallback
from tests.curves import Curves
from trainables import register

SPEC = {
    "name": "interrupted",
    "trainable": "curves",
    "fixed": {"epochs": 3},
    "search": {"lr": {"uniform": [0.01, 0.1]}},
    "objective": {"metric": "val_accuracy", "mode": "max"},
    "budget": {"trials": 8, "concurrent": 2},
}


class Interrupter(SweepCallback):
    def on_trial_complete(self, iteration, trials, trial, **info):
        super().on_trial_complete(iteration, trials, trial, **info)
        signal = int(os.environ.get("INTERRUPT_WITH", "0"))
        if signal and self.state.counts()["finished"] == 3:
            os.kill(os.getpid(), signal)


def main(storage: Path, what: str) -> None:
    register(Curves)
    if what == "resume":
        result = resume("interrupted", storage=storage)
    else:
        runner.SweepCallback = Interrupter
        result = run(SPEC, storage=storage)
    sys.exit(0 if result.complete else 130)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])

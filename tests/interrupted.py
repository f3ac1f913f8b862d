"""A driver that gets a signal when a number of a stage's trials have ended."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from sweeps import run
from sweeps.engine import stages
from sweeps.engine.callbacks import SweepCallback
from sweeps.record.trials import ENDED
from tests.curves import Curves
from trainables import register

ARMS = {
    "name": "interrupted",
    "trainable": "curves",
    "compare": {"noise": ["none", "all"]},
    "fixed": {"epochs": 3},
    "search": {
        "sigma": {"uniform": [0.01, 0.2], "when": {"noise": ["all"]}},
        "lr": {"uniform": [0.01, 0.1]},
    },
    "stages": {"search": {"trials_per_arm": 4}, "confirm": {"seeds": 4}},
    "objective": {"metric": "val_accuracy", "mode": "max"},
    "budget": {"concurrent": 2},
}


class Interrupter(SweepCallback):
    """Sends this process the signal ``INTERRUPT_WITH`` at ``INTERRUPT_AT``, as in ``confirm:3``."""

    def on_trial_complete(self, iteration, trials, trial, **info):
        super().on_trial_complete(iteration, trials, trial, **info)
        stage, number = os.environ["INTERRUPT_AT"].split(":")
        ended = sum(each.status in ENDED for each in self.state.of_stage(stage))
        if self._stage == stage and ended == int(number):
            assert signal.getsignal(signal.SIGINT) is not signal.default_int_handler
            os.kill(os.getpid(), int(os.environ["INTERRUPT_WITH"]))


def killed(storage, at):
    """Run a driver in its own process; it kills itself at ``at``, such as ``confirm:3``."""
    command = [sys.executable, "-m", "tests.interrupted", str(storage)]
    env = {**os.environ, "INTERRUPT_WITH": str(int(signal.SIGKILL)), "INTERRUPT_AT": at}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=env)


if __name__ == "__main__":
    register(Curves)
    stages.SweepCallback = Interrupter
    run(ARMS, storage=Path(sys.argv[1]))

"""A trainable whose loss is a formula of its hyperparameters, so that sweeps are tested without training."""

import hashlib
import math
import os
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import nn

from trainables import Hyperparameters, Trainable


class CurveHyperparameters(Hyperparameters):
    model: Literal["line"] = "line"
    trouble: Literal["none", "raise", "raise_once", "exit_once", "diverge"] = "none"
    marker: str = Field("", description="folder of files that tell a trial's second attempt from its first")


class CurveTraining:
    """Accuracy rises to 1 - |lr - 0.1| minus a penalty for sigma; nothing is random."""

    data_fingerprint = "formula"
    correct = None

    def __init__(self, hp: CurveHyperparameters, seed: int, test: bool) -> None:
        self.hp, self.seed, self.epoch, self.diverged, self.test = hp, seed, 0, False, test
        # A resumed trial that does not load its state loses this sum.
        self.carried = 0.0

    def __iter__(self):
        while self.epoch < self.hp.epochs and not self.diverged:
            self.epoch += 1
            self.carried += 1 / self.epoch
            if self.epoch == 2:
                self._trouble()
            metrics = self.metrics()
            if self.test and self.epoch == self.hp.epochs and not self.diverged:
                metrics |= self.test_metrics(metrics["val_accuracy"])
            yield {"epoch": self.epoch, **metrics}

    def metrics(self) -> dict[str, float]:
        penalty = 0.0 if self.hp.noise == "none" else self.hp.sigma
        best = 1 - abs(self.hp.lr - 0.1) - penalty
        accuracy = best * (1 - 0.5**self.epoch)
        loss = float("nan") if self.diverged else 1 - accuracy
        return {
            "train_loss": loss,
            "val_loss": loss,
            "val_accuracy": accuracy,
            "grad_norm": self.carried,
            "param_l1": float(self.seed),
            "param_l2": 0.0,
            "sigma": self.hp.sigma,
            "epoch_seconds": 1.0,
            "examples_per_second": 1.0,
        }

    def test_metrics(self, accuracy: float) -> dict[str, float]:
        """Return scores that differ a little by seed and mode, as those of real tests do."""
        accuracy += 0.01 * math.cos(self.seed + 7 * len(self.hp.noise))
        return {"test_loss": 1 - accuracy, "test_accuracy": accuracy}

    def _trouble(self) -> None:
        trouble = self.hp.trouble
        if trouble == "diverge":
            self.diverged = True
        elif trouble == "raise":
            raise ValueError("no luck\nwith this one")
        elif trouble in ("raise_once", "exit_once"):
            name = hashlib.sha256(self.hp.model_dump_json().encode()).hexdigest()
            marker = Path(self.hp.marker, name)
            if not marker.exists():
                marker.touch()
                if trouble == "exit_once":
                    os._exit(1)
                raise ValueError("no luck the first time")

    def state_dict(self) -> dict[str, Any]:
        return {"epoch": self.epoch, "carried": self.carried, "model": Line().state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.epoch, self.carried = state["epoch"], state["carried"]


class Line(nn.Linear):
    def __init__(self) -> None:
        super().__init__(1, 1)


class Curves(Trainable):
    """Formulas in place of training."""

    name = "curves"
    Hyperparameters = CurveHyperparameters
    scores = {"accuracy": "max"}  # noqa: RUF012
    fractions = frozenset({"accuracy"})

    def prepare(self, hyperparameters, *, test=False) -> None:
        pass

    def model(self, hyperparameters):
        return Line()

    def task(self, hyperparameters, device, split_seed):
        raise AssertionError("curves train nothing")

    def example_input(self, hyperparameters):
        return torch.zeros(2, 1)

    def start(self, hyperparameters, *, seed, device="cpu", test=False, equal="gradients"):
        return CurveTraining(hyperparameters, seed, test)


MODES = ["none", "all", "layer", "after_all", "after_layer"]


def content(**changes):
    """Return the content of a sweep over curves: every noise mode, sigma and lr."""
    base = {
        "name": "test-curves",
        "trainable": "curves",
        "fixed": {"epochs": 9},
        "search": {
            "noise": MODES,
            "sigma": {"log_uniform": [1e-4, 0.3], "when": {"noise": MODES[1:]}},
            "lr": {"log_uniform": [1e-3, 0.1]},
        },
        "objective": {"metric": "val_accuracy", "mode": "max"},
        "budget": {"trials": 12, "concurrent": 2},
    }
    return base | changes

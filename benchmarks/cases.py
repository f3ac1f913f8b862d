"""The sweeps of the throughput benchmark: fixed configurations, without early stopping."""

import itertools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

MODES = ("none", "layer", "all", "after_all")
SIGMA = 0.01


@dataclass(frozen=True)
class Case:
    """A dataset, an architecture and the length of training."""

    name: str
    trainable: str
    fixed: dict[str, Any]
    rates: tuple[float, ...]
    metric: str
    mode: str = "max"
    against: tuple[str, ...] = ("published way", "Ray Tune recipe", "Optuna alone")
    modes: tuple[str, ...] = MODES

    @property
    def configurations(self) -> list[dict[str, Any]]:
        """Noise mode and learning rate of each configuration; all have the same sigma."""
        return [
            {"noise": noise, "lr": lr, "sigma": SIGMA}
            for noise, lr in itertools.product(self.modes, self.rates)
        ]

    def write_spec(self, path: Path) -> None:
        """Write the case as the YAML of a sweep."""
        spec = {
            "name": self.name,
            "trainable": self.trainable,
            "mode": "grid",
            "fixed": {**self.fixed, "sigma": SIGMA},
            "search": {"noise": {"grid": list(self.modes)}, "lr": {"grid": list(self.rates)}},
            "seeds": 1,
            "objective": {"metric": self.metric, "mode": self.mode},
            "seed": 0,
        }
        path.write_text(yaml.safe_dump(spec))


CASES = {
    case.name: case
    for case in (
        Case(
            "fmnist",
            "fmnist",
            {"model": "shallow", "epochs": 3, "train_subset": 18_000, "batch_size": 128, "optimizer": "sgd"},
            (0.003, 0.01, 0.03, 0.1),
            "val_accuracy",
        ),
        Case(
            "temperatures",
            "temperatures",
            {"cell": "lstm", "hidden": 32, "window": 20, "epochs": 40, "batch_size": 32, "optimizer": "adam"},
            (0.0003, 0.001, 0.003, 0.01),
            "val_rmse",
            "min",
        ),
        Case(
            "cifar10",
            "cifar10",
            {"model": "cnn2", "epochs": 1, "train_subset": 5_120, "batch_size": 128, "optimizer": "sgd"},
            (0.003, 0.01, 0.03, 0.1),
            "val_accuracy",
        ),
    )
}
# A longer sweep, in which the start-up matters less.
CASES["fmnist-long"] = replace(
    CASES["fmnist"],
    name="fmnist-long",
    fixed={**CASES["fmnist"].fixed, "epochs": 9},
    against=("published way", "Optuna alone"),
)
# A shorter one, in which it matters most.
CASES["fmnist-short"] = replace(
    CASES["fmnist"],
    name="fmnist-short",
    fixed={**CASES["fmnist"].fixed, "epochs": 2, "train_subset": 10_000},
    rates=(0.01, 0.03),
)

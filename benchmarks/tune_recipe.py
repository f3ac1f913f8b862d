"""Contender (b), the standard Ray Tune recipe for PyTorch.

It has a function trainable with a DataLoader that reports and saves a checkpoint each epoch, one core per
trial, and Ray's MLflow callback with an SQLite store.
"""

import json
import logging
import os
import sys
import tempfile
from typing import Any

import ray
import torch
from ray import tune
from ray.air.integrations.mlflow import MLflowLoggerCallback
from torch import nn

from benchmarks.cases import CASES
from benchmarks.published_way import train


def trainable(config: dict[str, Any]) -> None:
    case = CASES[config["case"]]

    def report(train_loss: float, val_loss: float, model: nn.Module) -> None:
        with tempfile.TemporaryDirectory() as folder:
            torch.save(model.state_dict(), os.path.join(folder, "model.pt"))
            tune.report(
                {"train_loss": train_loss, "val_loss": val_loss},
                checkpoint=tune.Checkpoint.from_directory(folder),
            )

    train(case, config["configuration"], report)


if __name__ == "__main__":
    case = CASES[sys.argv[1]]
    here = os.getcwd()
    ray.init(logging_level=logging.ERROR, log_to_driver=False)
    tuner = tune.Tuner(
        tune.with_resources(trainable, {"cpu": 1}),
        param_space={"case": case.name, "configuration": tune.grid_search(case.configurations)},
        tune_config=tune.TuneConfig(metric="val_loss", mode="min"),
        run_config=tune.RunConfig(
            storage_path=here,
            verbose=0,
            callbacks=[
                MLflowLoggerCallback(tracking_uri=f"sqlite:///{here}/mlflow.db", experiment_name=case.name)
            ],
        ),
    )
    print(json.dumps([result.metrics["val_loss"] for result in tuner.fit()]))

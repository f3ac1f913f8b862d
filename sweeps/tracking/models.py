"""Saves the best trial's network as an MLflow model."""

import shutil
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import mlflow
import torch
from mlflow import MlflowClient
from mlflow.models import infer_signature
from torch import Tensor

from sweeps.errors import SweepError
from sweeps.record.folder import SweepFolder
from sweeps.record.state import TrialRecord
from trainables import Trainable

NAME = "best_model"


def warm_up_export() -> None:
    """Export a tiny network: the first export of a process takes seconds longer than the next ones."""
    torch.export.export(torch.nn.Linear(1, 1), (torch.zeros(1, 1),))


def log_best_model(client: MlflowClient, run_id: str, folder: SweepFolder, best: TrialRecord) -> None:
    """Log the best trial's network as ``runs:/RUN/best_model``; raise SweepError without its checkpoint."""
    if client.get_run(run_id).data.tags.get("model_trial") == best.id:
        return
    checkpoints = folder.checkpoints(best.id)
    checkpoint = checkpoints.load()
    if checkpoint is None:
        raise SweepError(f"{checkpoints.folder}: the best trial has no readable checkpoint")
    # Not MLflow's log_model, which uses the global tracking URI and stores a further copy at each call.
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, NAME)
        state = checkpoint["training"]["model"]
        save_model(path, folder.spec().build_trainable(), best.hyperparameters, state)
        client.log_artifacts(run_id, str(path), NAME)
    client.set_tag(run_id, "model_trial", best.id)


def save_model(
    path: Path, trainable: Trainable, hyperparameters: Mapping[str, Any], state: Mapping[str, Tensor]
) -> None:
    """Save a trained network as an exported graph, which loads without pickle and without this package."""
    values = trainable.Hyperparameters(**hyperparameters)
    network = trainable.model(values)
    network.load_state_dict(state)
    model = trainable.serving(network, values).eval()
    example = trainable.example_input(values)
    with torch.inference_mode():
        signature = infer_signature(example.numpy(), model(example).numpy())
    with warnings.catch_warnings():
        # torch.export warns about the weights of torch's own recurrent layers, which users cannot change.
        warnings.filterwarnings("ignore", "The tensor attributes", UserWarning)
        mlflow.pytorch.save_model(
            model,
            path=str(path),
            signature=signature,
            input_example=example.numpy(),
            pip_requirements=[f"torch=={torch.__version__.split('+')[0]}"],
            serialization_format="pt2",
        )
    for companion in trainable.companions(values):
        shutil.copy(companion, path)

"""The best trial's network as an MLflow model."""

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


def log_best_model(client: MlflowClient, run_id: str, folder: SweepFolder, best: TrialRecord) -> None:
    """Log the best trial's last checkpoint as the model ``runs:/RUN/best_model``, with its signature.

    It is saved as an exported graph (pt2): it loads without pickle and without this package.

    Args:
        client: Client of the store.
        run_id: The sweep's parent run.
        folder: The sweep.
        best: Its best trial.

    Raises:
        SweepError: If its checkpoint is gone.
    """
    if client.get_run(run_id).data.tags.get("model_trial") == best.id:
        return
    kept = folder.checkpoints(best.id)
    checkpoint = kept.load()
    if checkpoint is None:
        raise SweepError(f"{kept.folder}: the best trial has no checkpoint that can be read")
    # Saved here and copied there, rather than by MLflow's log_model, which works on its global tracking URI
    # and leaves another copy each time.
    with tempfile.TemporaryDirectory() as scratch:
        state = checkpoint["training"]["model"]
        save_model(Path(scratch, NAME), folder.spec().build_trainable(), best.hyperparameters, state)
        client.log_artifacts(run_id, str(Path(scratch, NAME)), NAME)
    client.set_tag(run_id, "model_trial", best.id)


def save_model(
    path: Path, trainable: Trainable, hyperparameters: Mapping[str, Any], state: Mapping[str, Tensor]
) -> None:
    """Save a trained network as an MLflow model, with the files that its use needs.

    Args:
        path: A folder that is not there yet.
        trainable: Its trainable.
        hyperparameters: Those it was trained with.
        state: The network's ``state_dict``.
    """
    values = trainable.Hyperparameters(**hyperparameters)
    network = trainable.model(values)
    network.load_state_dict(state)
    model = trainable.serving(network, values).eval()
    example = trainable.example_input(values)
    with torch.inference_mode():
        signature = infer_signature(example.numpy(), model(example).numpy())
    with warnings.catch_warnings():
        # Export remarks on how torch's recurrent layers keep their weights.
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

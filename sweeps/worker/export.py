"""Exports the best trial's network as an MLflow model."""

import shutil
import tempfile
import warnings
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import mlflow
import torch
from mlflow.models import infer_signature
from pyarrow.fs import FileSystem, LocalFileSystem, copy_files
from torch import Tensor

from sweeps.errors import SweepError
from sweeps.record.checkpoints import Checkpoints
from sweeps.record.trials import TrialRecord
from sweeps.spec.model import Spec
from sweeps.worker.data import build_trainable
from sweeps.worker.serialization import from_bytes
from trainables import Trainable


def warm_up_export() -> None:
    """Export a tiny network: the first export of a process takes seconds longer than the next ones."""
    torch.export.export(torch.nn.Linear(1, 1), (torch.zeros(1, 1),))


def export_model(spec: Spec, best: TrialRecord, checkpoints: str, destination: str) -> None:
    """Export a trial's network from its checkpoint.

    Args:
        spec: The sweep.
        best: The trial.
        checkpoints: Root folder of all trials' checkpoints.
        destination: The folder to write, an absolute path or a URI; it is replaced.

    Raises:
        SweepError: If there is no readable checkpoint.
    """
    saved = Checkpoints(checkpoints, best.id)
    checkpoint = saved.load(from_bytes)
    if checkpoint is None:
        raise SweepError(f"{saved.folder}: the best trial has no readable checkpoint")
    filesystem, path = FileSystem.from_uri(destination)
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch, "model")
        save_model(model, build_trainable(spec), best.hyperparameters, checkpoint["training"]["model"])
        # At first, the folder does not exist.
        with suppress(OSError):
            filesystem.delete_dir(path)
        filesystem.create_dir(path, recursive=True)
        copy_files(str(model), path, LocalFileSystem(), filesystem)


def save_model(
    path: Path, trainable: Trainable[Any], hyperparameters: Mapping[str, Any], state: Mapping[str, Tensor]
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

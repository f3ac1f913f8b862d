"""The best trial's network as an MLflow model."""

from pathlib import Path

import mlflow
import torch
from mlflow import MlflowClient
from mlflow.models import infer_signature

from sweeps.spec import Spec
from sweeps.state import TrialRecord
from sweeps.trial import CHECKPOINT_FILE

NAME = "best_model"


def log_best_model(client: MlflowClient, uri: str, run_id: str, spec: Spec, best: TrialRecord) -> None:
    """Log the best trial's last checkpoint as a model with its signature, once.

    It is saved as an exported graph (pt2): it loads without pickle and without this package.

    Args:
        client: Client of the store.
        uri: The store, for the model's registration.
        run_id: The sweep's parent run.
        spec: The sweep.
        best: Its best trial.
    """
    if client.get_run(run_id).data.tags.get("model_trial") == best.id or not best.checkpoint:
        return
    trainable = spec.trainable_class()
    model = trainable.model(trainable.Hyperparameters(**best.hyperparameters)).eval()
    state = torch.load(Path(best.checkpoint, CHECKPOINT_FILE), map_location="cpu", weights_only=True)
    model.load_state_dict(state["model"])
    example = trainable.example_input()
    with torch.inference_mode():
        signature = infer_signature(example.numpy(), model(example).numpy())
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    try:
        with mlflow.start_run(run_id=run_id):
            mlflow.pytorch.log_model(
                model,
                name=NAME,
                signature=signature,
                input_example=example.numpy(),
                pip_requirements=[f"torch=={torch.__version__.split('+')[0]}"],
                serialization_format="pt2",
            )
    finally:
        mlflow.set_tracking_uri(before)
    client.set_tag(run_id, "model_trial", best.id)

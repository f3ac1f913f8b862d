"""Prepares the data of a sweep, and builds its trainable."""

from pathlib import Path
from typing import Any

from sweeps.spec.model import Spec
from trainables import Trainable, registry
from trainables.precision import onednn_note


def build_trainable(spec: Spec) -> Trainable[Any]:
    """Build a sweep's trainable, to read its ``data_dir``."""
    return registry.get(spec.trainable)(Path(spec.data_dir) if spec.data_dir else None)


def prepare_data(spec: Spec) -> str:
    """Download and decode the data, once per machine, and check that they suffice for every trial.

    Returns:
        A note for the user on the data and on how this machine computes; empty if there is nothing to note.

    Raises:
        DataError: If the data cannot be obtained or are too few.
    """
    trainable = build_trainable(spec)
    for hyperparameters in spec.variants(trainable.data_hyperparameters):
        trainable.prepare(hyperparameters, test=spec.reads_test)
    precisions = [hyperparameters.precision for hyperparameters in spec.variants(["precision"])]
    notes = [trainable.note, "" if spec.resources.gpu else onednn_note(precisions)]
    return "; ".join(note for note in notes if note)

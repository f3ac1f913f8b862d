"""The fixed split of a published training split into training and validation, and subsets of it."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor

from trainables.data import DataError
from trainables.hyperparameters import Hyperparameters

EvaluationSplit = Literal["validation", "test"]
VALIDATION_FRACTION = 0.1
_SPLIT_SEED = 0  # one split for all trials, whatever their seed


class Split(NamedTuple):
    """Indices of the training and validation examples in the training split as published."""

    train: Tensor
    validation: Tensor


def split_examples(
    n_examples: int, train_subset: int | None, validation_fraction: float = VALIDATION_FRACTION
) -> Split:
    """Split off a part for validation; the split is the same for every trial and every seed.

    Args:
        n_examples: N, of the training split as published.
        train_subset: Keep this many training examples; None keeps all. Validation is always whole.
        validation_fraction: The part of the examples that is for validation.

    Returns:
        Indices of training and validation examples.
    """
    order = torch.randperm(n_examples, generator=torch.Generator().manual_seed(_SPLIT_SEED))
    n_validation = round(n_examples * validation_fraction)
    return Split(order[n_validation:][:train_subset], order[:n_validation])


def check_subset(hp: Hyperparameters, n_training: int) -> None:
    """Refuse a ``train_subset`` that the data do not have.

    Args:
        hp: ``train_subset`` is used.
        n_training: Training examples there are.

    Raises:
        DataError: If there are fewer.
    """
    if hp.train_subset and hp.train_subset > n_training:
        message = f"must be at most the {n_training} training examples, got {hp.train_subset}"
        raise DataError(message, "train_subset")

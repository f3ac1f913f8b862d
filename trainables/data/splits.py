"""The division of a published training split into training and validation, and subsets of it."""

from typing import NamedTuple

import torch
from torch import Tensor

from trainables.data import ContentError, DataError
from trainables.declarations.hyperparameters import HeldOutHyperparameters, Hyperparameters

VALIDATION_FRACTION = 0.1
# With ``split: fixed``, all trials have the same split, whatever their seed.
FIXED_SPLIT = 0


class Split(NamedTuple):
    """Indices of the training and validation examples in the training split as published."""

    train: Tensor
    validation: Tensor


def split_examples(
    n_examples: int,
    train_subset: int | None,
    *,
    seed: int = FIXED_SPLIT,
    validation_fraction: float = VALIDATION_FRACTION,
) -> Split:
    """Hold out validation examples.

    Args:
        n_examples: N, of the training split as published.
        train_subset: Number of training examples to keep; None keeps all. It does not change validation.
        seed: Determines the order of the examples, and so the split.
        validation_fraction: Fraction of the examples to hold out.

    Raises:
        ContentError: If none is left for validation.
    """
    order = torch.randperm(n_examples, generator=torch.Generator().manual_seed(seed))
    n_validation = round(n_examples * validation_fraction)
    if validation_fraction and not n_validation:
        raise ContentError(f"{n_examples} examples are too few to hold out a tenth for validation")
    return Split(order[n_validation:][:train_subset], order[:n_validation])


def seed_of_split(hp: Hyperparameters, split_seed: int) -> int:
    """The seed to split with: the trial's ``split_seed`` with ``split: per_seed``, else ``FIXED_SPLIT``."""
    per_seed = isinstance(hp, HeldOutHyperparameters) and hp.split == "per_seed"
    return split_seed if per_seed else FIXED_SPLIT


def check_subset(hp: Hyperparameters, n_training: int) -> None:
    """Check ``train_subset`` against the number of training examples.

    Raises:
        DataError: If it is larger.
    """
    if hp.train_subset and hp.train_subset > n_training:
        message = f"must be at most the {n_training} training examples, got {hp.train_subset}"
        raise DataError(message, "train_subset")

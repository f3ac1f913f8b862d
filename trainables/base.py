"""The base class of trainables: a dataset with its architectures, ready to be trained with noise."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from trainables.declarations.base import Declaration, H
from trainables.declarations.hyperparameters import Equal
from trainables.loop import Seeds, Task, Training


class Trainable(Declaration[H], ABC):
    """One dataset and its architectures. A subclass sets the attributes and builds the task.

    The attributes that a YAML depends on are those of ``Declaration``: ``name``, ``Hyperparameters``,
    ``scores``, ``fractions``, ``data_hyperparameters`` and ``fixed_data``.

    Attributes:
        fixed_shapes: Whether a GPU may replay a training step as a CUDA graph. It may if all full batches
            have one shape, and the loss always runs the same tensor operations and reads no tensor back.
            Dropout must be a module of the model, because a step with two gradients is not replayed with it.
        note: What the user should know of the data, which a sweep says when it starts; empty for nothing.
            ``prepare`` may set it.
    """

    fixed_shapes: ClassVar[bool] = False
    note: str = ""

    def __init__(self, data_dir: Path | None = None) -> None:
        """Take local copies of datasets from ``data_dir``, or from ``NOISESWEEP_DATA_DIR`` if it is None."""
        self.data_dir = data_dir

    @abstractmethod
    def prepare(self, hyperparameters: H, *, test: bool = False) -> None:
        """Download and decode the data, once per machine, and check that they suffice.

        Args:
            hyperparameters: Those of a trial.
            test: Whether trials will also read the test split.

        Raises:
            DataError: If the data cannot be obtained or are too few.
        """

    @abstractmethod
    def task(self, hyperparameters: H, device: torch.device, split_seed: int) -> Task:
        """Load the data and build the freshly initialized model.

        Args:
            hyperparameters: Those of the trial.
            device: Device to train on.
            split_seed: Draws the training and validation examples if they depend on the trial's seed; the
                same in all trials with one seed.
        """

    @abstractmethod
    def model(self, hyperparameters: H) -> nn.Module:
        """Build the freshly initialized architecture."""

    def serving(self, model: nn.Module, hyperparameters: H) -> nn.Module:
        """Wrap a network that ``model`` built for use elsewhere: the result takes the data as stored."""
        return model

    @abstractmethod
    def example_input(self, hyperparameters: H) -> Tensor:
        """Inputs of ``serving``, a batch of two, for the signature of a saved model."""

    def companions(self, hyperparameters: H) -> Sequence[Path]:
        """Files without which a saved model cannot be used, such as its vocabulary."""
        return ()

    def start(
        self,
        hyperparameters: H,
        *,
        seed: int,
        device: str = "cpu",
        test: bool = False,
        equal: Equal = "gradients",
    ) -> Training:
        """Start a trial.

        Args:
            hyperparameters: An instance of ``self.Hyperparameters``.
            seed: Determines initialization, data order and noise, and the split with ``split: per_seed``.
            device: Device to train on.
            test: Whether to evaluate the test split, once, after the last epoch.
            equal: With ``gradients``, a mode that takes two gradients a step steps on every second batch, so
                that an epoch has as many gradients in every mode; with ``steps``, it steps on all batches.

        Returns:
            The trial; iterate over it to train.
        """
        seeds = Seeds.of(seed)
        torch.manual_seed(seeds.init)
        task = self.task(hyperparameters, torch.device(device), seeds.split)
        return Training(task, hyperparameters, seeds, test=test, equal=equal, fixed_shapes=self.fixed_shapes)

"""The base class of trainables: a dataset with its architectures, ready to be trained with noise."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar, Generic, Literal, TypeVar

import torch
from torch import Tensor, nn

from trainables.data.splits import EvaluationSplit
from trainables.hyperparameters import Hyperparameters
from trainables.loop import LOOP_METRICS, Seeds, Task, Training, with_prefix

Direction = Literal["min", "max"]
H = TypeVar("H", bound=Hyperparameters)


class Trainable(ABC, Generic[H]):
    """One dataset and its architectures. A subclass sets the attributes and builds the task.

    ``H`` is the class of its hyperparameters.

    Attributes:
        name: Name in a YAML.
        Hyperparameters: Its hyperparameters with their defaults. If there are several architectures,
            ``model`` is a Literal of their names.
        scores: Metrics that its task's ``evaluate`` returns besides ``loss``, such as ``accuracy``, with the
            better direction, or None for a reference value. A score to maximize is a fraction: 0 is worst.
        data_hyperparameters: The hyperparameters that ``prepare`` depends on.
        fixed_shapes: Whether a GPU may replay a training step as a CUDA graph. It may if all full batches
            have one shape, and the loss always runs the same tensor operations and reads no tensor back.
    """

    name: ClassVar[str]
    Hyperparameters: type[H]
    scores: ClassVar[Mapping[str, Direction | None]]
    data_hyperparameters: ClassVar[Sequence[str]] = ("train_subset",)
    fixed_shapes: ClassVar[bool] = False

    def __init__(self, data_dir: Path | None = None) -> None:
        """Take local copies of datasets from ``data_dir``, or from ``NOISESWEEP_DATA_DIR`` if it is None."""
        self.data_dir = data_dir

    @classmethod
    def metrics(cls) -> dict[str, Direction | None]:
        """Metrics reported every epoch, each with its better direction, or None if it has none."""
        train_loss: dict[str, Direction | None] = {"train_loss": "min"}
        return dict.fromkeys(LOOP_METRICS) | train_loss | cls._evaluated("validation")

    @classmethod
    def test_metrics(cls) -> dict[str, Direction | None]:
        """Metrics of the test split that the last epoch adds in a trial that reads it, as ``metrics``."""
        return cls._evaluated("test")

    @classmethod
    def _evaluated(cls, split: EvaluationSplit) -> dict[str, Direction | None]:
        return with_prefix(split, {"loss": "min", **cls.scores})

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
    def task(self, hyperparameters: H, device: torch.device) -> Task:
        """Load the data and build the freshly initialized model on the device to train on."""

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

    def start(self, hyperparameters: H, *, seed: int, device: str = "cpu", test: bool = False) -> Training:
        """Start a trial.

        Args:
            hyperparameters: An instance of ``self.Hyperparameters``.
            seed: Determines initialization, data order and noise.
            device: Device to train on.
            test: Whether to evaluate the test split, once, after the last epoch.

        Returns:
            The trial; iterate over it to train.
        """
        seeds = Seeds.of(seed)
        torch.manual_seed(seeds.init)
        task = self.task(hyperparameters, torch.device(device))
        return Training(task, hyperparameters, seeds, test=test, fixed_shapes=self.fixed_shapes)

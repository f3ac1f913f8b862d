"""What a trainable is: a dataset with its architectures, ready to be trained with noise."""

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
    """One dataset and its architectures. Subclass, fill in the attributes, and build the task.

    ``H`` is the class of its hyperparameters.

    Attributes:
        name: What a YAML calls it.
        Hyperparameters: Its hyperparameters with their defaults; where it has several architectures,
            ``model`` is a Literal of their names.
        scores: What its task's ``evaluate`` gives beside ``loss``, such as ``accuracy``, and which direction
            is better; None for one that is there to compare with. One where more is better is a fraction: 0
            is the worst.
        data_hyperparameters: The hyperparameters that ``prepare`` looks at.
        fixed_shapes: Whether all full batches have one shape and the loss of one does nothing but tensor
            operations, always the same, none of which reads a tensor back: then a GPU replays a step as a
            CUDA graph.
    """

    name: ClassVar[str]
    Hyperparameters: type[H]
    scores: ClassVar[Mapping[str, Direction | None]]
    data_hyperparameters: ClassVar[Sequence[str]] = ("train_subset",)
    fixed_shapes: ClassVar[bool] = False

    def __init__(self, data_dir: Path | None = None) -> None:
        """Make a trainable; nothing is loaded yet.

        Args:
            data_dir: Folder with local copies of datasets; ``NOISESWEEP_DATA_DIR`` when None.
        """
        self.data_dir = data_dir

    @classmethod
    def metrics(cls) -> dict[str, Direction | None]:
        """Every metric reported each epoch, and the better direction where there is one.

        Returns:
            Directions by name; None where neither is better.
        """
        train_loss: dict[str, Direction | None] = {"train_loss": "min"}
        return dict.fromkeys(LOOP_METRICS) | train_loss | cls._evaluated("validation")

    @classmethod
    def test_metrics(cls) -> dict[str, Direction | None]:
        """Every metric that the last epoch reports of the test split, where a trial is to read it.

        Returns:
            Directions by name; None where neither is better.
        """
        return cls._evaluated("test")

    @classmethod
    def _evaluated(cls, split: EvaluationSplit) -> dict[str, Direction | None]:
        return with_prefix(split, {"loss": "min", **cls.scores})

    @abstractmethod
    def prepare(self, hyperparameters: H, *, test: bool = False) -> None:
        """Download and decode what trials need, once per machine, and refuse what the data cannot give.

        Args:
            hyperparameters: An instance of ``self.Hyperparameters``.
            test: Whether trials will read the test split too.

        Raises:
            DataError: If the data cannot be had, or are too few.
        """

    @abstractmethod
    def task(self, hyperparameters: H, device: torch.device) -> Task:
        """Build the freshly initialised model and load its data.

        Args:
            hyperparameters: An instance of ``self.Hyperparameters``.
            device: Where to train.
        """

    @abstractmethod
    def model(self, hyperparameters: H) -> nn.Module:
        """Build the freshly initialised architecture.

        Args:
            hyperparameters: An instance of ``self.Hyperparameters``.
        """

    def serving(self, model: nn.Module, hyperparameters: H) -> nn.Module:
        """Put around a trained network what its inputs and outputs need, to save it for use elsewhere.

        Args:
            model: What ``model`` built.
            hyperparameters: An instance of ``self.Hyperparameters``.

        Returns:
            A module that takes the data as they are stored.
        """
        return model

    @abstractmethod
    def example_input(self, hyperparameters: H) -> Tensor:
        """Inputs of ``serving``, a batch of two, for the signature of a saved model.

        Args:
            hyperparameters: An instance of ``self.Hyperparameters``.
        """

    def companions(self, hyperparameters: H) -> Sequence[Path]:
        """List files without which a saved model cannot be used, such as its vocabulary.

        Args:
            hyperparameters: An instance of ``self.Hyperparameters``.

        Returns:
            Files.
        """
        return ()

    def start(self, hyperparameters: H, *, seed: int, device: str = "cpu", test: bool = False) -> Training:
        """Start a trial.

        Args:
            hyperparameters: An instance of ``self.Hyperparameters``.
            seed: Decides init, data order and noise.
            device: Where to train.
            test: Whether to read the test split, once, after the last epoch.

        Returns:
            The trial, to be iterated over.
        """
        seeds = Seeds.of(seed)
        torch.manual_seed(seeds.init)
        task = self.task(hyperparameters, torch.device(device))
        return Training(task, hyperparameters, seeds, test=test, fixed_shapes=self.fixed_shapes)

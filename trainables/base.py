"""What a trainable is: a dataset with its architectures, ready to be trained with noise."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from trainables.hyperparameters import Hyperparameters
from trainables.loop import LOOP_METRICS, Seeds, Task, Training

Direction = Literal["min", "max"]


class Trainable(ABC):
    """One dataset and its architectures. Subclass, fill in the attributes, and build the task.

    Attributes:
        name: What a YAML calls it.
        Hyperparameters: Its hyperparameters with their defaults; ``model`` names one of ``models``.
        models: Builders of its architectures.
        scores: Metrics that its task's ``evaluate`` adds to ``val_loss``, and which direction is better.
            One where more is better is a fraction: 0 is the worst.
    """

    name: ClassVar[str]
    Hyperparameters: ClassVar[type[Hyperparameters]]
    models: ClassVar[Mapping[str, Callable[[], nn.Module]]]
    scores: ClassVar[Mapping[str, Direction]]

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
        losses: dict[str, Direction | None] = {"train_loss": "min", "val_loss": "min"}
        return dict.fromkeys(LOOP_METRICS) | losses | dict(cls.scores)

    @abstractmethod
    def prepare(self) -> None:
        """Download and decode what training needs, once per machine.

        Raises:
            DataError: If the data cannot be had.
        """

    @abstractmethod
    def task(self, hyperparameters: Any, device: torch.device) -> Task:
        """Build the freshly initialised model and load its data.

        Args:
            hyperparameters: An instance of ``self.Hyperparameters``.
            device: Where to train.
        """

    @abstractmethod
    def example_input(self) -> Tensor:
        """Inputs of the right shape and type, a batch of two, for the signature of a saved model."""

    def model(self, hyperparameters: Any) -> nn.Module:
        """Build the architecture alone, without data.

        Args:
            hyperparameters: An instance of ``self.Hyperparameters``.

        Returns:
            A freshly initialised module.
        """
        return self.models[hyperparameters.model]()

    def start(self, hyperparameters: Any, *, seed: int, device: str = "cpu") -> Training:
        """Start a trial.

        Args:
            hyperparameters: An instance of ``self.Hyperparameters``.
            seed: Decides init, data order and noise.
            device: Where to train.

        Returns:
            The trial, to be iterated over.
        """
        seeds = Seeds.of(seed)
        torch.manual_seed(seeds.init)
        return Training(self.task(hyperparameters, torch.device(device)), hyperparameters, seeds)

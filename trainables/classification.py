"""Image classification: the part that digits, MNIST and Fashion-MNIST share.

Shapes: B batch, N examples, K channels, H height, W width, C classes.
"""

from abc import abstractmethod
from collections.abc import Iterator
from functools import partial
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from trainables import hyperparameters
from trainables.base import Trainable
from trainables.data.images import Images
from trainables.loop import Batch
from trainables.models.mlp import HIDDEN, mlp

VALIDATION_FRACTION = 0.1
_SPLIT_SEED = 0  # one split for all trials, whatever their seed
_EVALUATION_BATCH = 2000


class ImageTask:
    """A classifier and its images; batches are normalised as they are drawn."""

    def __init__(
        self, model: nn.Module, images: Images, split: "Split", mean: float, std: float, device: torch.device
    ) -> None:
        self.model = model.to(device)
        self.data_fingerprint = images.fingerprint
        self.n_examples = len(split.train)
        self._mean, self._std = mean, std
        # Splits are indices, so that on the CPU all trials read the same mapped pages.
        self._pixels, self._labels = images.pixels.to(device), images.labels.to(device)
        self._train, self._validation = split.train.to(device), split.validation.to(device)

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        """Yield one epoch in a fresh permutation.

        Args:
            batch_size: B; the last batch may be smaller.
            order: Source of the permutation.

        Yields:
            Normalised pixels (B, K, H, W) and labels (B,).
        """
        permutation = torch.randperm(self.n_examples, generator=order).to(self._train.device)
        for chosen in self._train[permutation].split(batch_size):
            yield self._batch(chosen)

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy of a batch.

        Args:
            batch: What ``batches`` yields.

        Returns:
            A scalar, in nats.
        """
        inputs, labels = batch
        return F.cross_entropy(self.model(inputs), labels)

    @torch.inference_mode()
    def evaluate(self) -> dict[str, float]:
        """Score the whole validation split.

        Returns:
            ``val_loss`` (mean cross-entropy, nats) and ``val_accuracy`` (fraction correct).
        """
        sums = torch.zeros(2, dtype=torch.float64, device=self._labels.device)
        for chosen in self._validation.split(_EVALUATION_BATCH):
            inputs, labels = self._batch(chosen)
            logits = self.model(inputs)
            correct = (logits.argmax(1) == labels).sum()
            sums += torch.stack([F.cross_entropy(logits, labels, reduction="sum"), correct])
        loss, accuracy = (sums / len(self._validation)).tolist()
        return {"val_loss": loss, "val_accuracy": accuracy}

    def _batch(self, chosen: Tensor) -> Batch:
        pixels = self._pixels[chosen].to(torch.get_default_dtype())
        return pixels.sub_(self._mean).div_(self._std), self._labels[chosen]


class MLPHyperparameters(hyperparameters.Hyperparameters):
    """Hyperparameters of the three MLPs."""

    model: Literal["shallow", "wide", "deep"] = Field("shallow", description="architecture")


class ImageTrainable(Trainable):
    """An image dataset with the three MLPs of the study.

    Attributes:
        shape: (K, H, W).
        classes: C.
        mean: Mean of the training pixels, in the units they are stored in (0 to 255).
        std: Standard deviation of the training pixels, likewise.
    """

    Hyperparameters = MLPHyperparameters
    scores: ClassVar = {"val_accuracy": "max"}
    shape: ClassVar[tuple[int, int, int]]
    classes: ClassVar[int]
    mean: ClassVar[float]
    std: ClassVar[float]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "models" not in vars(cls):
            channels, height, width = cls.shape
            cls.models = {
                name: partial(mlp, channels * height * width, hidden, cls.classes)
                for name, hidden in HIDDEN.items()
            }

    @abstractmethod
    def load(self, split: str) -> Images:
        """Load a split, ``train`` or ``test``, from the machine's cache.

        Args:
            split: Name of the split.
        """

    def prepare(self) -> None:
        """Decode the training split, once per machine."""
        self.load("train")

    def task(self, hyperparameters: MLPHyperparameters, device: torch.device) -> ImageTask:
        """Build the model, and the fixed split of the training images into training and validation.

        Args:
            hyperparameters: ``model`` and ``train_subset`` are used.
            device: Where to train.

        Returns:
            The task.
        """
        images = self.load("train")
        split = split_examples(len(images.labels), hyperparameters.train_subset)
        return ImageTask(self.model(hyperparameters), images, split, self.mean, self.std, device)

    def example_input(self) -> Tensor:
        """Two blank images.

        Returns:
            (2, K, H, W), zeros.
        """
        return torch.zeros(2, *self.shape)


class Split(NamedTuple):
    """Indices of the training and validation examples in the training split as published."""

    train: Tensor
    validation: Tensor


def split_examples(n_examples: int, train_subset: int | None) -> Split:
    """Split off a tenth for validation; the split is the same for every trial and every seed.

    Args:
        n_examples: N, of the training split as published.
        train_subset: Keep this many training examples; None keeps all. Validation is always whole.

    Returns:
        Indices of training and validation examples.
    """
    order = torch.randperm(n_examples, generator=torch.Generator().manual_seed(_SPLIT_SEED))
    n_validation = round(n_examples * VALIDATION_FRACTION)
    return Split(order[n_validation:][:train_subset], order[:n_validation])

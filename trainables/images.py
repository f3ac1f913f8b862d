"""Image classification: what all image trainables share.

Shapes: B batch, K channels, H height, W width, C classes.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from trainables.base import Trainable
from trainables.data import ContentError, DataError
from trainables.data.images import ImageDataset, Images
from trainables.data.splits import check_subset, seed_of_split, split_examples
from trainables.declarations.images import ImageDeclaration, ImageHyperparameters
from trainables.examples import ClassificationTask, Normalise
from trainables.models import BuildModel
from trainables.models.mlp import MLPS


class ImageTrainable(ImageDeclaration, Trainable[ImageHyperparameters]):
    """An image dataset with the three MLPs of the study; a subclass may set other ``architectures``.

    Attributes:
        dataset: Source of the images.
        shape: (K, H, W).
        classes: C.
        mean: Mean of the training pixels, in stored units (0 to 255): one for all channels or one for each.
        std: Standard deviation of the training pixels, in the same form.
        architectures: Builders by name, called with ``shape`` and ``classes``.
    """

    fixed_shapes: ClassVar[bool] = True
    dataset: ClassVar[ImageDataset]
    shape: ClassVar[tuple[int, int, int]]
    classes: ClassVar[int]
    mean: ClassVar[Sequence[float] | float]
    std: ClassVar[Sequence[float] | float]
    architectures: ClassVar[Mapping[str, BuildModel]] = MLPS

    @staticmethod
    def augment(pixels: Tensor, order: torch.Generator) -> Tensor:
        """Return training images as they are; override it to change them at random.

        Args:
            pixels: (B, K, H, W), as stored.
            order: Generator to draw all random numbers from, on the CPU.

        Returns:
            Pixels of the same shape.
        """
        return pixels

    def load(self, split: str) -> Images:
        """Load ``train`` or ``test`` from the machine's cache; override it for images from elsewhere."""
        return self.dataset.load(split, self.data_dir, self.shape, self.classes)

    @override
    def prepare(self, hyperparameters: ImageHyperparameters, *, test: bool = False) -> None:
        with self._named("train"):
            images = self._checked("train")
            check_subset(hyperparameters, len(split_examples(len(images.labels), None).train))
        if test:
            with self._named("test"):
                self._checked("test")

    def _checked(self, split: str) -> Images:
        images = self.load(split)
        if not isinstance(images, Images):
            raise ContentError(f"load must return Images.of(pixels, labels), got {type(images).__name__}")
        images.check(self.shape, self.classes)
        return images

    @contextmanager
    def _named(self, split: str) -> Iterator[None]:
        try:
            yield
        except ContentError as error:
            raise DataError(f"{self.name}: split {split!r}: {error}") from error

    @override
    def model(self, hyperparameters: ImageHyperparameters) -> nn.Module:
        """Build a module from normalized pixels (B, K, H, W) to logits (B, C)."""
        return self.architectures[hyperparameters.model](self.shape, self.classes)

    @override
    def task(
        self, hyperparameters: ImageHyperparameters, device: torch.device, split_seed: int
    ) -> ClassificationTask:
        hp, images, normalise = hyperparameters, self.load("train"), Normalise(self.mean, self.std)
        split = split_examples(len(images.labels), hp.train_subset, seed=seed_of_split(hp, split_seed))
        load_test = partial(self.load, "test")
        return ClassificationTask(self.model(hp), images, split, load_test, normalise, device, self.augment)

    @override
    def serving(self, model: nn.Module, hyperparameters: ImageHyperparameters) -> nn.Module:
        """Prepend the normalization: a module from pixels as stored (B, K, H, W) to logits (B, C)."""
        return nn.Sequential(Normalise(self.mean, self.std), model)

    @override
    def example_input(self, hyperparameters: ImageHyperparameters) -> Tensor:
        """Two black images as stored, (2, K, H, W) uint8."""
        return torch.zeros(2, *self.shape, dtype=torch.uint8)

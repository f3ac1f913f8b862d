"""Image classification: what all image trainables share.

Shapes: B batch, N examples, K channels, H height, W width, C classes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn
from typing_extensions import override

from trainables.base import Trainable
from trainables.batch import Batch
from trainables.classifier import ClassifierTask
from trainables.data.images import ImageDataset, Images
from trainables.data.splits import Split, check_subset, seed_of_split, split_examples
from trainables.declarations.base import EvaluationSplit
from trainables.declarations.images import ImageDeclaration, ImageHyperparameters
from trainables.models import BuildImageModel
from trainables.models.mlp import MLPS

_EVALUATION_BATCH = 2000
# Activations of a batch this small fit the cache of a CPU.
_EVALUATION_BATCH_CPU = 250
# Second derivatives of a larger batch could run out of memory.
_SAMPLE_BATCH = 128
Augment = Callable[[Tensor, torch.Generator], Tensor]


class Normalise(nn.Module):
    """Subtracts the mean of each channel and divides by its standard deviation."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float] | float, std: Sequence[float] | float) -> None:
        super().__init__()
        self.register_buffer("mean", _by_channel(mean))
        self.register_buffer("std", _by_channel(std))

    def forward(self, pixels: Tensor) -> Tensor:
        """Map pixels (B, K, H, W) as stored, of any type, to normalized floating-point numbers."""
        return pixels.to(self.mean.dtype, copy=True).sub_(self.mean).div_(self.std)


def _by_channel(values: Sequence[float] | float) -> Tensor:
    return torch.as_tensor(values, dtype=torch.get_default_dtype()).reshape(-1, 1, 1)


class ImageTask(ClassifierTask):
    """A classifier and its images; batches are augmented and normalized as they are drawn."""

    def __init__(
        self,
        model: nn.Module,
        images: Images,
        split: Split,
        load_test: Callable[[], Images],
        normalise: Normalise,
        augment: Augment,
        device: torch.device,
    ) -> None:
        self.model = model.to(device)
        self.data_fingerprint = images.fingerprint
        self.n_examples = len(split.train)
        self._load_test, self._normalise, self._augment = load_test, normalise.to(device), augment
        # Splits are indices into all images, so that all trials of a CPU share the mapped pages.
        self._pixels, self._labels = images.pixels.to(device), images.labels.to(device)
        self._train, self._validation = split.train.to(device), split.validation.to(device)

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        """Yield normalized pixels (B, K, H, W) and labels (B,) of one epoch in a fresh permutation.

        Args:
            batch_size: B; the last batch may be smaller.
            order: Source of the permutation and the augmentation.
        """
        permutation = torch.randperm(self.n_examples, generator=order).to(self._train.device)
        for chosen in self._train[permutation].split(batch_size):
            yield self._batch(
                self._augment(self._pixels.index_select(0, chosen), order), self._labels[chosen]
            )

    def sample(self, n_examples: int) -> list[Batch]:
        """At most ``n_examples`` training images, not augmented, the same in every trial."""
        chunks = self._train[:n_examples].split(_SAMPLE_BATCH)
        return [self._batch(self._pixels[chosen], self._labels[chosen]) for chosen in chunks]

    @override
    def evaluation_batches(self, split: EvaluationSplit) -> Iterator[Batch]:
        size = _EVALUATION_BATCH_CPU if self._labels.device.type == "cpu" else _EVALUATION_BATCH
        if split == "validation":
            for chosen in self._validation.split(size):
                yield self._batch(self._pixels.index_select(0, chosen), self._labels[chosen])
            return
        images, device = self._load_test(), self._labels.device
        for pixels, labels in zip(images.pixels.split(size), images.labels.split(size), strict=True):
            yield self._batch(pixels.to(device), labels.to(device))

    def _batch(self, pixels: Tensor, labels: Tensor) -> Batch:
        # Augmentation returns channels last; convolutions and pooling are faster in this layout.
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        return Batch(self._normalise(pixels), labels, len(labels))


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
    architectures: ClassVar[Mapping[str, BuildImageModel]] = MLPS

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
        return self.dataset.load(split, self.data_dir)

    @override
    def prepare(self, hyperparameters: ImageHyperparameters, *, test: bool = False) -> None:
        check_subset(hyperparameters, len(split_examples(len(self.load("train").labels), None).train))
        if test:
            self.load("test")

    @override
    def model(self, hyperparameters: ImageHyperparameters) -> nn.Module:
        """Build a module from normalized pixels (B, K, H, W) to logits (B, C)."""
        return self.architectures[hyperparameters.model](self.shape, self.classes)

    @override
    def task(self, hyperparameters: ImageHyperparameters, device: torch.device, split_seed: int) -> ImageTask:
        hp, images, normalise = hyperparameters, self.load("train"), Normalise(self.mean, self.std)
        split = split_examples(len(images.labels), hp.train_subset, seed=seed_of_split(hp, split_seed))
        load_test = partial(self.load, "test")
        return ImageTask(self.model(hp), images, split, load_test, normalise, self.augment, device)

    @override
    def serving(self, model: nn.Module, hyperparameters: ImageHyperparameters) -> nn.Module:
        """Prepend the normalization: a module from pixels as stored (B, K, H, W) to logits (B, C)."""
        return nn.Sequential(Normalise(self.mean, self.std), model)

    @override
    def example_input(self, hyperparameters: ImageHyperparameters) -> Tensor:
        """Two black images as stored, (2, K, H, W) uint8."""
        return torch.zeros(2, *self.shape, dtype=torch.uint8)

"""Tasks on examples that are stored as arrays: what images and arrays share.

Shapes: B batch, N examples, O outputs.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from trainables.batch import Batch
from trainables.classifier import ClassifierTask
from trainables.data.arrays import Examples
from trainables.data.splits import Split
from trainables.declarations.base import EvaluationSplit

_EVALUATION_BATCH = 2000
# Activations of a batch this small fit the cache of a CPU.
_EVALUATION_BATCH_CPU = 250
# Second derivatives of a larger batch could run out of memory.
_SAMPLE_BATCH = 128
Augment = Callable[[Tensor, torch.Generator], Tensor]


class Normalise(nn.Module):
    """Subtracts means and divides by standard deviations, given for each feature or each channel of images.

    It computes in the type of the mean, and its outputs have torch's default type.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor | Sequence[float] | float, std: Tensor | Sequence[float] | float) -> None:
        """Take tensors that broadcast with the inputs; or numbers, one for each channel or one for all."""
        super().__init__()
        self.register_buffer("mean", _by_channel(mean))
        self.register_buffer("std", _by_channel(std))
        self._dtype = torch.get_default_dtype()

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (B, ...) as stored, of any type, to normalized floating-point numbers."""
        return inputs.to(self.mean.dtype, copy=True).sub_(self.mean).div_(self.std).to(self._dtype)


def _by_channel(values: Tensor | Sequence[float] | float) -> Tensor:
    if isinstance(values, Tensor):
        return values
    return torch.as_tensor(values, dtype=torch.get_default_dtype()).reshape(-1, 1, 1)


class ExamplesTask:
    """A model and its examples; batches are augmented and normalized as they are drawn."""

    def __init__(
        self,
        model: nn.Module,
        examples: Examples,
        split: Split,
        load_test: Callable[[], Examples],
        normalise: Normalise,
        device: torch.device,
        augment: Augment | None = None,
    ) -> None:
        self.model = model.to(device)
        self.data_fingerprint = examples.fingerprint
        self.n_examples = len(split.train)
        self._load_test, self._normalise, self._augment = load_test, normalise.to(device), augment
        # Splits are indices into all examples, so that all trials of a CPU share the mapped pages.
        self._inputs, self._targets = examples.inputs.to(device), examples.targets.to(device)
        self._train, self._validation = split.train.to(device), split.validation.to(device)

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        """Yield normalized inputs (B, ...) and targets (B, ...) of one epoch in a fresh permutation.

        Args:
            batch_size: B; the last batch may be smaller.
            order: Source of the permutation and the augmentation.
        """
        permutation = torch.randperm(self.n_examples, generator=order).to(self._train.device)
        for chosen in self._train[permutation].split(batch_size):
            inputs = self._inputs.index_select(0, chosen)
            inputs = self._augment(inputs, order) if self._augment else inputs
            yield self._batch(inputs, self._targets[chosen])

    def sample(self, n_examples: int) -> list[Batch]:
        """At most ``n_examples`` training examples, not augmented, the same in every trial."""
        chunks = self._train[:n_examples].split(_SAMPLE_BATCH)
        return [self._batch(self._inputs[chosen], self._targets[chosen]) for chosen in chunks]

    def evaluation_batches(self, split: EvaluationSplit) -> Iterator[Batch]:
        """Yield every example of a split once; the test split is loaded here, not before."""
        size = _EVALUATION_BATCH_CPU if self._targets.device.type == "cpu" else _EVALUATION_BATCH
        if split == "validation":
            for chosen in self._validation.split(size):
                yield self._batch(self._inputs.index_select(0, chosen), self._targets[chosen])
            return
        test, device = self._load_test(), self._targets.device
        for inputs, targets in zip(test.inputs.split(size), test.targets.split(size), strict=True):
            yield self._batch(inputs.to(device), targets.to(device))

    def _batch(self, inputs: Tensor, targets: Tensor) -> Batch:
        if inputs.ndim == 4:
            # Augmentation returns channels last; convolutions and pooling are faster in this layout.
            inputs = inputs.contiguous(memory_format=torch.channels_last)
        return Batch(self._normalise(inputs), targets, len(targets))


class ClassificationTask(ExamplesTask, ClassifierTask):
    """A classifier and its examples."""


class Rescale(nn.Module):
    """Multiplies by standard deviations (O,) and adds means (O,): the opposite of ``Normalise``."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: np.ndarray, std: np.ndarray) -> None:
        super().__init__()
        # In 32 bits, targets far from zero would lose their digits.
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float64))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float64))

    def forward(self, outputs: Tensor) -> Tensor:
        """Map standardized outputs (B, O) to those in the unit of the targets, float64."""
        return outputs * self.std + self.mean


class RegressionTask(ExamplesTask):
    """A regression and its examples, whose targets (N, O) are standardized as they are drawn."""

    def __init__(
        self,
        model: nn.Module,
        examples: Examples,
        split: Split,
        load_test: Callable[[], Examples],
        normalise: Normalise,
        device: torch.device,
        scale: Normalise,
    ) -> None:
        super().__init__(model, examples, split, load_test, normalise, device)
        self._scale = scale.to(device)

    def loss(self, batch: Batch) -> Tensor:
        """Mean squared error of a batch over examples and outputs, standardized, a scalar."""
        return F.mse_loss(self.model(batch.inputs), batch.targets)

    @torch.inference_mode()
    def evaluate(self, split: EvaluationSplit = "validation") -> dict[str, float]:
        """``loss`` (mean squared error, standardized) and ``rmse`` (unit of the targets) of a split."""
        squares, n_examples = torch.zeros_like(self._scale.std), 0
        for batch in self.evaluation_batches(split):
            squares += (self.model(batch.inputs) - batch.targets).double().square().sum(0)
            n_examples += len(batch.targets)
        by_output = torch.stack([squares, squares * self._scale.std.square()]) / n_examples
        loss, in_unit = by_output.mean(1).tolist()
        return {"loss": loss, "rmse": in_unit**0.5}

    @override
    def _batch(self, inputs: Tensor, targets: Tensor) -> Batch:
        return super()._batch(inputs, self._scale(targets))

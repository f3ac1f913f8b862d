"""A fully connected linear network that learns a linear map y = A x + noise from drawn examples.

It is for the claim of Orvieto, Raj, Kersting, Bach (AISTATS 2023) that the variance of noise on all layers at
once explodes as the network gets wider, and that of noise on one layer at a time does not.

Shapes: B batch, d inputs, k outputs.
"""

import math
from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from trainables.base import Trainable
from trainables.batch import Batch
from trainables.data.arrays import fingerprint_of
from trainables.data.splits import check_subset, seed_of_split
from trainables.declarations import known_truths as declared
from trainables.declarations.base import EvaluationSplit
from trainables.declarations.known_truths import LinearNetworkHyperparameters
from trainables.models.linear_network import LinearNetwork as Network
from trainables.models.linear_network import build, mean_rises, product_of

# Examples of each split.
EXAMPLES = 1000


class LinearData(NamedTuple):
    """The true map A (k, d), and examples drawn from it: inputs (N, d) and targets (N, k) by split."""

    truth: Tensor
    inputs: dict[str, Tensor]
    targets: dict[str, Tensor]

    @classmethod
    def draw(cls, hp: LinearNetworkHyperparameters, seed: int) -> "LinearData":
        """Draw A with entries N(0, 1/d), and ``EXAMPLES`` for training, for validation and for test."""
        generator = torch.Generator().manual_seed(seed)
        truth = torch.randn(hp.outputs, hp.inputs, generator=generator) / math.sqrt(hp.inputs)
        inputs, targets = {}, {}
        for split in ("train", "validation", "test"):
            inputs[split] = torch.randn(EXAMPLES, hp.inputs, generator=generator)
            noise = torch.randn(EXAMPLES, hp.outputs, generator=generator)
            targets[split] = inputs[split] @ truth.T + hp.label_noise * noise
        return cls(truth, inputs, targets)


class LinearTask:
    """A linear network and its examples."""

    def __init__(self, model: Network, data: LinearData, hp: LinearNetworkHyperparameters) -> None:
        """Take data on the model's device."""
        self.model: nn.Module = model
        self._network, self._data, self._sigma = model, data, hp.sigma
        self.n_examples = hp.train_subset or EXAMPLES
        self.data_fingerprint = fingerprint_of(data.inputs["train"], data.targets["train"])

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        """Yield inputs (B, d) and targets (B, k) of one epoch in a fresh permutation."""
        permutation = torch.randperm(self.n_examples, generator=order)
        for chosen in permutation.to(self._data.truth.device).split(batch_size):
            yield self._batch(chosen)

    def loss(self, batch: Batch) -> Tensor:
        """Half the squared error, summed over the outputs, mean over the batch."""
        return (self.model(batch.inputs) - batch.targets).square().sum(1).mean() / 2

    def sample(self, n_examples: int) -> list[Batch]:
        """The first training examples."""
        return [self._batch(torch.arange(min(n_examples, self.n_examples), device=self._data.truth.device))]

    @torch.inference_mode()
    def evaluate(self, split: EvaluationSplit = "validation") -> dict[str, float]:
        """Scores of a split; all but ``loss`` are exact, over all inputs N(0, I), and equal in both splits.

        Returns:
            ``loss``; ``distance``, half the squared distance to the true map, by which the expected loss
            exceeds that of the truth; ``rise_all`` and ``rise_layer``, by which it rises further under the
            noise of these modes with the trial's sigma.
        """
        inputs, targets = self._data.inputs[split], self._data.targets[split]
        loss = F.mse_loss(self.model(inputs), targets, reduction="sum") / len(inputs) / 2
        distance = (product_of(self._network.factors()) - self._data.truth).square().sum() / 2
        moment = torch.eye(inputs.shape[1], device=inputs.device)
        rises = mean_rises(self._network, self._sigma, moment)
        return {"loss": float(loss), "distance": float(distance)} | {
            f"rise_{mode}": rise for mode, rise in rises.items()
        }

    def _batch(self, chosen: Tensor) -> Batch:
        return Batch(self._data.inputs["train"][chosen], self._data.targets["train"][chosen], len(chosen))


class LinearNetwork(declared.LinearNetwork, Trainable[LinearNetworkHyperparameters]):
    fixed_shapes: ClassVar = True

    @override
    def prepare(self, hyperparameters: LinearNetworkHyperparameters, *, test: bool = False) -> None:
        check_subset(hyperparameters, EXAMPLES)

    @override
    def model(self, hyperparameters: LinearNetworkHyperparameters) -> Network:
        """Build a module from inputs (B, d) to outputs (B, k)."""
        hp = hyperparameters
        hidden = [hp.width] * (hp.depth - 1)
        return build([hp.inputs, *hidden, hp.outputs], hp.width, hp.parametrization)

    @override
    def task(
        self, hyperparameters: LinearNetworkHyperparameters, device: torch.device, split_seed: int
    ) -> LinearTask:
        """Draw the data, A included: with ``split: per_seed`` from the trial's seed, else always the same."""
        data = LinearData.draw(hyperparameters, seed_of_split(hyperparameters, split_seed))
        return LinearTask(self.model(hyperparameters).to(device), _on(device, data), hyperparameters)

    @override
    def example_input(self, hyperparameters: LinearNetworkHyperparameters) -> Tensor:
        """Two inputs of zeros, (2, d)."""
        return torch.zeros(2, hyperparameters.inputs)


def _on(device: torch.device, data: LinearData) -> LinearData:
    inputs, targets = (
        {split: tensor.to(device) for split, tensor in part.items()} for part in (data.inputs, data.targets)
    )
    return LinearData(data.truth.to(device), inputs, targets)

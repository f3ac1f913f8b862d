r"""The quadratic loss h/2 |w|^2: without data, with known variances of the weights under noise.

Its gradient has no noise of its own. One step of plain gradient descent with learning rate eta maps a
coordinate w to

    a w - eta h n   (``all``, ``layer``)      or      a (w + n)   (the ``after`` modes),    a = 1 - eta h,

with noise n of standard deviation s. In ``all`` and ``after_all``, s = sigma / sqrt(G) in every step, and the
variance v of the coordinate settles where v = a^2 v + (eta h s)^2, or + (a s)^2:

    v = (eta h s)^2 / (1 - a^2)     or     v = (a s)^2 / (1 - a^2),    s = sigma / sqrt(G)

In the layer modes a coordinate gets noise of sigma every G-th step only. Right after it, its variance settles
at (eta h sigma)^2 / (1 - a^(2G)), and j steps later at a^(2j) times that. At any time each of the G groups is
at another j, so the mean over the groups is the same as in ``all``, with sum over j < G of a^(2j)
= (1 - a^(2G)) / (1 - a^2):

    (1 / G) (eta h sigma)^2 / (1 - a^2)     or     (1 / G) (a sigma)^2 / (1 - a^2).

All are variances after the optimizer's step, which is when the loop evaluates. They need |a| < 1.
"""

import math
from collections.abc import Iterator
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from trainables.base import Trainable
from trainables.batch import Batch
from trainables.data.splits import check_subset
from trainables.declarations import known_truths as declared
from trainables.declarations.base import EvaluationSplit
from trainables.declarations.known_truths import QuadraticHyperparameters

# An epoch has as many steps as a training split of this size.
EXAMPLES = 1000


class Constants(nn.Module):
    """G groups of weights, each multiplied by one input: outputs w x."""

    def __init__(self, groups: int, dimension: int) -> None:
        """Draw the weights from N(0, 1)."""
        super().__init__()
        self.groups = nn.ParameterList(torch.randn(dimension, 1) for _ in range(groups))

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (B, 1) to outputs (B, weights of all groups)."""
        return torch.cat([F.linear(inputs, group) for group in self.groups], dim=1)


class QuadraticTask:
    """The quadratic as a task: all examples are alike, with input 1 and targets 0."""

    data_fingerprint = "none"

    def __init__(self, model: nn.Module, hp: QuadraticHyperparameters, device: torch.device) -> None:
        self.model, self._hp, self._device = model.to(device), hp, device
        self.n_examples = hp.train_subset or EXAMPLES

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        """Yield the batches of one epoch, the last of which may be smaller; nothing is random."""
        for begin in range(0, self.n_examples, batch_size):
            yield self._batch(min(batch_size, self.n_examples - begin))

    def loss(self, batch: Batch) -> Tensor:
        """h/2 |w|^2, a scalar."""
        errors = self.model(batch.inputs) - batch.targets
        return errors.square().sum(1).mean() * (self._hp.hessian / 2)

    def sample(self, n_examples: int) -> list[Batch]:
        """One batch."""
        return [self._batch(min(n_examples, self.n_examples))]

    @torch.inference_mode()
    def evaluate(self, split: EvaluationSplit = "validation") -> dict[str, float]:
        """The same for every split.

        Returns:
            ``loss``; ``variance``, the mean of w^2 over all weights; and ``variance_predicted``, where it
            settles by the formula.
        """
        batch = self._batch(1)
        loss, variance = float(self.loss(batch)), float(self.model(batch.inputs).square().mean())
        return {"loss": loss, "variance": variance, "variance_predicted": stationary_variance(self._hp)}

    def _batch(self, size: int) -> Batch:
        return Batch(
            torch.ones(size, 1, device=self._device), torch.zeros(size, 1, device=self._device), size
        )


class Quadratic(declared.Quadratic, Trainable[QuadraticHyperparameters]):
    fixed_shapes: ClassVar = True

    @override
    def prepare(self, hyperparameters: QuadraticHyperparameters, *, test: bool = False) -> None:
        check_subset(hyperparameters, EXAMPLES)

    @override
    def model(self, hyperparameters: QuadraticHyperparameters) -> Constants:
        """Build a module from inputs (B, 1) to outputs (B, weights of all groups)."""
        return Constants(hyperparameters.groups, hyperparameters.dimension)

    @override
    def task(
        self, hyperparameters: QuadraticHyperparameters, device: torch.device, split_seed: int
    ) -> QuadraticTask:
        return QuadraticTask(self.model(hyperparameters), hyperparameters, device)

    @override
    def example_input(self, hyperparameters: QuadraticHyperparameters) -> Tensor:
        """Two inputs of one, (2, 1)."""
        return torch.ones(2, 1)


def stationary_variance(hp: QuadraticHyperparameters) -> float:
    """Mean variance of the weights, by the formulas above.

    Returns:
        The variance; infinite if descent diverges, and NaN where the formulas do not hold: with another noise
        mode or optimizer, with momentum or weight decay, or if sigma or the learning rate changes.
    """
    if hp.noise == "none" or hp.sigma == 0:
        return 0.0
    pull = hp.lr * hp.hessian
    kicks = {"all": pull, "layer": pull, "after_all": 1 - pull, "after_layer": 1 - pull}
    if hp.noise not in kicks or not _is_plain(hp):
        return math.nan
    if pull >= 2:
        return math.inf
    return (kicks[hp.noise] * hp.sigma) ** 2 / hp.groups / (1 - (1 - pull) ** 2)


def _is_plain(hp: QuadraticHyperparameters) -> bool:
    """Whether all steps are alike, and each is one of plain gradient descent."""
    plain = (hp.optimizer, hp.momentum, hp.weight_decay, hp.lr_schedule) == ("sgd", 0, 0, "constant")
    return plain and hp.sigma_schedule in ("constant", "follow_lr") and hp.sigma_epochs is None

"""Linear regression whose sparse true coefficients are known, by a diagonal linear network.

The trial's seed draws the whole problem: k of the d true coefficients, at random places, are 1 or -1 and the
others 0; inputs are standard normal; labels are x . w plus noise. So seeds are replicates of the problem, and
trials that share a seed share its data in every arm.

Shapes: N examples, B batch, D features.
"""

from collections.abc import Iterator
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from typing_extensions import override

from trainables.base import Trainable
from trainables.batch import Batch
from trainables.data import DataError
from trainables.data.arrays import fingerprint_of
from trainables.data.splits import check_subset
from trainables.declarations import sparse_regression as declared
from trainables.declarations.base import EvaluationSplit
from trainables.declarations.sparse_regression import SparseRegressionHyperparameters
from trainables.models.linear import DiagonalLinear

# An epoch of one pass would have two steps, and most of its time would go to evaluation and reports.
PASSES = 100
# So many that validation and test errors tell coefficients apart, not examples.
EVALUATION_EXAMPLES = 1_000
# A tenth of a true coefficient: anything smaller counts as zero.
ZERO = 0.1


class Problem(NamedTuple):
    """The true coefficients (D,), and the examples of each split."""

    truth: Tensor
    training: Batch
    evaluated: dict[EvaluationSplit, Batch]


class SparseRegression(declared.SparseRegression, Trainable[SparseRegressionHyperparameters]):
    fixed_shapes: ClassVar = True

    @override
    def prepare(self, hyperparameters: SparseRegressionHyperparameters, *, test: bool = False) -> None:
        hp = hyperparameters
        if hp.nonzero > hp.features:
            raise DataError(f"must be at most the {hp.features} features, got {hp.nonzero}", "nonzero")
        check_subset(hp, hp.examples)

    @override
    def model(self, hyperparameters: SparseRegressionHyperparameters) -> nn.Module:
        """Build a module from inputs (B, D) to outputs (B,)."""
        hp = hyperparameters
        return DiagonalLinear(hp.features, hp.depth, hp.init)

    @override
    def task(
        self, hyperparameters: SparseRegressionHyperparameters, device: torch.device, split_seed: int
    ) -> "SparseRegressionTask":
        hp = hyperparameters
        model = DiagonalLinear(hp.features, hp.depth, hp.init)
        return SparseRegressionTask(model, draw_problem(hp, split_seed, device))

    @override
    def example_input(self, hyperparameters: SparseRegressionHyperparameters) -> Tensor:
        """Two inputs of zeros, (2, D)."""
        return torch.zeros(2, hyperparameters.features)


def draw_problem(hp: SparseRegressionHyperparameters, seed: int, device: torch.device) -> Problem:
    """Draw the true coefficients and all examples; ``train_subset`` keeps the first training examples."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.zeros(hp.features)
    places = torch.randperm(hp.features, generator=generator)[: hp.nonzero]
    truth[places] = torch.randint(2, (hp.nonzero,), generator=generator) * 2.0 - 1.0

    def examples(n: int, kept: int | None = None) -> Batch:
        x = torch.randn(n, hp.features, generator=generator)
        y = x @ truth + hp.label_noise * torch.randn(n, generator=generator)
        x, y = x[:kept], y[:kept]
        return Batch(x.to(device), y.to(device), len(y))

    training = examples(hp.examples, hp.train_subset)
    validation, test = (examples(EVALUATION_EXAMPLES) for _ in range(2))
    return Problem(truth.to(device), training, {"validation": validation, "test": test})


class SparseRegressionTask:
    """A diagonal linear network and its problem.

    ``n_examples`` counts the examples of an epoch: those of all its passes.
    """

    def __init__(self, model: DiagonalLinear, problem: Problem) -> None:
        self._problem = problem
        self.model = model.to(problem.truth.device)
        inputs, targets, n = problem.training
        self._n = int(n)
        self.n_examples = PASSES * self._n
        self.data_fingerprint = fingerprint_of(torch.cat([inputs, targets[:, None]], 1))

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        """Yield inputs (B, D) and labels (B,) of 100 passes, each in a fresh permutation.

        A batch may have the last examples of a pass and the first of the next. The epoch's last batch may be
        smaller.
        """
        passes = torch.cat([torch.randperm(self._n, generator=order) for _ in range(PASSES)])
        examples = self._chosen(passes)
        for inputs, targets in zip(
            examples.inputs.split(batch_size), examples.targets.split(batch_size), strict=True
        ):
            yield Batch(inputs, targets, len(targets))

    def sample(self, n_examples: int) -> list[Batch]:
        """The first training examples, at most ``n_examples``, in one batch."""
        return [self._chosen(torch.arange(min(n_examples, self._n)))]

    def loss(self, batch: Batch) -> Tensor:
        """Half the mean squared error of a batch, a scalar."""
        return F.mse_loss(self.model(batch.inputs), batch.targets) / 2

    @torch.inference_mode()
    def evaluate(self, split: EvaluationSplit = "validation") -> dict[str, float]:
        """Scores of a split; those of the coefficients are the same on every split.

        Returns:
            ``loss`` (half the error), ``error`` (mean squared, of labels with their noise: distance^2 +
            label_noise^2 in expectation), and of the coefficients ``l1`` (their l1 norm), ``l0`` (the number
            above 0.1 in absolute value) and ``distance`` (l2, to the true ones).
        """
        inputs, targets, _ = self._problem.evaluated[split]
        found = self.model.coefficients().double()
        error = (self.model(inputs) - targets).double().square().mean()
        scores = {
            "loss": error / 2,
            "error": error,
            "l1": found.abs().sum(),
            "l0": (found.abs() > ZERO).sum(),
            "distance": torch.linalg.vector_norm(found - self._problem.truth),
        }
        return dict(zip(scores, torch.stack([*scores.values()]).tolist(), strict=True))

    def _chosen(self, chosen: Tensor) -> Batch:
        inputs, targets, _ = self._problem.training
        chosen = chosen.to(inputs.device)
        return Batch(inputs[chosen], targets[chosen], len(chosen))

"""Measures what a trial costs, by a few steps of three epochs."""

import math
import resource
import sys
import time
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from sweeps.analysis.costs import Cost
from sweeps.spec.model import Spec
from sweeps.worker.data import build_trainable
from trainables.batch import Batch
from trainables.declarations.base import EvaluationSplit
from trainables.declarations.hyperparameters import Hyperparameters
from trainables.loop import Task, Training

# The first epoch warms up, the second is a usual one, and the third does what a trial does at its end.
_EPOCHS = 3
_SECONDS, _FEWEST = 1.0, 4


class FewBatches:
    """A task whose epochs end after a second, or after four batches if these take longer.

    Attributes:
        counts: The number of batches of each pass over the training data.
    """

    def __init__(self, task: Task) -> None:
        self._task, self.counts = task, list[int]()
        self.model, self.data_fingerprint = task.model, task.data_fingerprint
        self.n_examples = task.n_examples

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        """Yield the first batches of an epoch."""
        began, index = time.perf_counter(), len(self.counts)
        self.counts.append(0)
        for batch in self._task.batches(batch_size, order):
            if self.counts[index] >= _FEWEST and time.perf_counter() - began > _SECONDS:
                return
            self.counts[index] += 1
            yield batch

    def loss(self, batch: Batch) -> Tensor:
        """Return the loss of the task."""
        return self._task.loss(batch)

    def sample(self, n_examples: int) -> Sequence[Batch]:
        """Return the sample of the task."""
        return self._task.sample(n_examples)

    def evaluate(self, split: EvaluationSplit = "validation") -> dict[str, float]:
        """Evaluate a whole split."""
        return self._task.evaluate(split)


def measure(spec: Spec, hyperparameters: Hyperparameters, test: bool) -> Cost:
    """Train a few steps as a trial does, and measure them.

    Args:
        spec: The sweep.
        hyperparameters: Those of the trial.
        test: Whether the trial reads the test split.

    Raises:
        DataError: If the data cannot be obtained or are too few.
    """
    torch.set_num_threads(max(1, int(spec.resources.cpu)))
    device = "cuda" if spec.resources.gpu else "cpu"
    idle = _peak()
    short = _short(hyperparameters)
    start = partial(
        build_trainable(spec).start, seed=spec.seed, device=device, test=test, equal=spec.budget.equal
    )
    # The first start imports libraries, which the other trials of a worker do not.
    start(short)
    began = time.perf_counter()
    training = start(short)
    seconds = time.perf_counter() - began
    # A trainable may have a loop of its own, of which whole epochs are measured.
    few = FewBatches(training.task) if isinstance(training, Training) else None
    if few:
        training.task = few
    epochs = list(_epochs(training, few))
    memory = torch.cuda.max_memory_reserved() if spec.resources.gpu else _peak() - idle
    batches = math.ceil(few.n_examples / short.batch_size) if few else 1
    return _cost(epochs, start=seconds, batches=batches, memory=max(0, memory))


def _short(hyperparameters: Hyperparameters) -> Hyperparameters:
    # The first measurement of curvature imports libraries. The scores under weight noise are evaluations,
    # which are counted instead.
    curvature = "never" if hyperparameters.curvature == "never" else "epoch"
    return hyperparameters.model_copy(update={"epochs": _EPOCHS, "curvature": curvature, "weight_noise": ()})


def _epochs(training: Training, few: FewBatches | None) -> Iterator[tuple[float, int, dict[str, Any]]]:
    """Yield the seconds of each epoch, the number of its batches, and its metrics."""
    began, passes = time.perf_counter(), 0
    for metrics in training:
        now = time.perf_counter()
        yield now - began, few.counts[passes] if few else 1, metrics
        began, passes = time.perf_counter(), len(few.counts) if few else 0


def _cost(
    epochs: Sequence[tuple[float, int, dict[str, Any]]], *, start: float, batches: int, memory: int
) -> Cost:
    """Split the seconds of the epochs; of one that diverged, only the first ones are there."""
    usual, (last, _, at_end) = epochs[:2][-1], epochs[-1]
    seconds, _, metrics = usual
    usual_curvature, curvature = (each.get("curvature_seconds", 0.0) for each in (metrics, at_end))
    evaluate = seconds - metrics["epoch_seconds"] - usual_curvature
    test = last - at_end["epoch_seconds"] - curvature - evaluate
    trained = epochs[1:] or epochs
    steps = sum(n for _, n, _ in trained)
    return Cost(
        start=start,
        train=sum(each["epoch_seconds"] for *_, each in trained) * batches / steps,
        evaluate=max(0.0, evaluate),
        curvature=curvature,
        test=max(0.0, test),
        batches=batches,
        steps=steps,
        memory=memory,
    )


def _peak() -> int:
    """Return the largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

"""Measures what a trial costs, by the median over several short epochs."""

import math
import resource
import statistics
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sweeps.analysis.costs import Cost
from sweeps.spec.model import Spec
from sweeps.worker.data import build_trainable
from trainables.batch import Batch
from trainables.declarations.base import EvaluationSplit
from trainables.declarations.hyperparameters import Hyperparameters
from trainables.loop import Task, Training

# Another process can hold up a single epoch for many times as long as it takes, so that the median of at
# least five counts. Ones shorter than their limit are repeated until they take two seconds.
_EPOCH_SECONDS, _SECONDS = 0.4, 2.0
_FEWEST_EPOCHS, _MOST_EPOCHS = 5, 40
_FEWEST_BATCHES = 4
# An epoch of a loop of the trainable's own cannot be shortened.
_FEWEST_WHOLE_EPOCHS = 2


class _Epoch(NamedTuple):
    """An epoch that was measured: its seconds with all that it does, its batches, and its metrics."""

    seconds: float
    batches: int
    metrics: dict[str, Any]

    @property
    def rest(self) -> float:
        """Seconds of what is neither training nor curvature."""
        measuring = self.metrics.get("curvature_seconds", 0.0)
        return max(0.0, self.seconds - self.metrics["epoch_seconds"] - measuring)


class FewBatches:
    """A task whose epochs end after 0.4 seconds, or after four batches if these take longer.

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
            if self.counts[index] >= _FEWEST_BATCHES and time.perf_counter() - began > _EPOCH_SECONDS:
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


class Measurement:
    """Trains a few steps as a trial does, and measures them, in a worker that has done nothing before."""

    def __init__(self, spec: Spec, hyperparameters: Hyperparameters, test: bool) -> None:
        """Prepare to measure.

        Args:
            spec: The sweep.
            hyperparameters: Those of the trial.
            test: Whether the trial reads the test split.
        """
        # The scores under weight noise are evaluations, which are counted instead.
        self._hp = hyperparameters.model_copy(update={"weight_noise": ()})
        self._spec, self._test = spec, test
        self._idle, self._epochs = 0, _FEWEST_EPOCHS

    def warm_up(self) -> None:
        """Train an epoch: the first one imports libraries and allocates, which later trials do not.

        Raises:
            DataError: If the data cannot be obtained or are too few.
        """
        torch.set_num_threads(max(1, int(self._spec.resources.cpu)))
        self._idle = _peak()
        training, few = self._start(1)
        (epoch,) = _epochs(training, few)
        fewest = _FEWEST_EPOCHS if few else _FEWEST_WHOLE_EPOCHS
        wanted = math.ceil(_SECONDS / max(epoch.metrics["epoch_seconds"] + epoch.rest, 1e-9))
        self._epochs = min(max(fewest, wanted), _MOST_EPOCHS)

    def measure(self) -> Cost:
        """Measure what the next trial of this worker costs."""
        began = time.perf_counter()
        training, few = self._start(self._epochs)
        start = time.perf_counter() - began
        epochs = list(_epochs(training, few))
        gpu = self._spec.resources.gpu
        memory = torch.cuda.max_memory_reserved() if gpu else _peak() - self._idle
        batches = math.ceil(few.n_examples / self._hp.batch_size) if few else 1
        return _cost(epochs, start=start, batches=batches, memory=max(0, memory))

    def _start(self, epochs: int) -> tuple[Training, FewBatches | None]:
        curvature = "never" if self._hp.curvature == "never" else "end"
        spec, device = self._spec, "cuda" if self._spec.resources.gpu else "cpu"
        training = build_trainable(spec).start(
            self._hp.model_copy(update={"epochs": epochs, "curvature": curvature}),
            seed=spec.seed,
            device=device,
            test=self._test,
            equal=spec.budget.equal,
        )
        # A trainable may have a loop of its own, of which whole epochs are measured.
        few = FewBatches(training.task) if isinstance(training, Training) else None
        if few:
            training.task = few
        return training, few


def _epochs(training: Training, few: FewBatches | None) -> Iterator[_Epoch]:
    """Train, and yield each epoch."""
    began, passes = time.perf_counter(), 0
    for metrics in training:
        seconds = time.perf_counter() - began
        yield _Epoch(seconds, few.counts[passes] if few else 1, metrics)
        began, passes = time.perf_counter(), len(few.counts) if few else 0


def _cost(epochs: Sequence[_Epoch], *, start: float, batches: int, memory: int) -> Cost:
    """Split the seconds of the epochs, of which the last one also does what a trial does at its end."""
    usual, last = epochs[:-1] or epochs, epochs[-1]
    evaluate = statistics.median(each.rest for each in usual)
    return Cost(
        start=start,
        train=statistics.median(each.metrics["epoch_seconds"] / each.batches for each in epochs) * batches,
        evaluate=evaluate,
        curvature=last.metrics.get("curvature_seconds", 0.0),
        test=max(0.0, last.rest - evaluate),
        batches=batches,
        steps=sum(each.batches for each in epochs),
        memory=memory,
    )


def _peak() -> int:
    """Return the largest resident memory of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

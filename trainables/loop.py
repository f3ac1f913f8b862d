"""The one training loop that every trainable shares."""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from trainables.batch import Batch
from trainables.cuda_graphs import StepGraphs
from trainables.curvature import measure_curvature
from trainables.data.splits import EvaluationSplit
from trainables.determinism import deterministic_cudnn
from trainables.hyperparameters import Hyperparameters
from trainables.noise import NoiseInjector, scheduled_sigma
from trainables.onednn import onednn_linear
from trainables.optimizers import build_lr_schedule, build_optimizer
from trainables.precision import autocast, tensor_cores

LOOP_METRICS = (
    "train_loss",
    "val_loss",
    "grad_norm",
    "param_l1",
    "param_l2",
    "sigma",
    "epoch_seconds",
    "examples_per_second",
)
PREFIXES: Mapping[EvaluationSplit, str] = {"validation": "val_", "test": "test_"}
Value = TypeVar("Value")


class Task(Protocol):
    """A model and its data, ready to train: what the loop needs to know of a trainable."""

    model: nn.Module
    data_fingerprint: str
    n_examples: int

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        """One epoch of training batches; everything random in them is drawn from ``order``."""

    def loss(self, batch: Batch) -> Tensor:
        """Mean training loss over the batch, a scalar."""

    def sample(self, n_examples: int) -> Sequence[Batch]:
        """At most so many training examples, not augmented: the same in every trial of a dataset."""

    def evaluate(self, split: EvaluationSplit = "validation") -> dict[str, float]:
        """``loss`` and the task's scores on a split; the model is in evaluation mode, and nothing is drawn.

        The test split is loaded here, not before.
        """


def with_prefix(split: EvaluationSplit, evaluated: Mapping[str, Value]) -> dict[str, Value]:
    """Name what ``Task.evaluate`` gives as the loop reports it.

    Args:
        split: The split evaluated.
        evaluated: By the task's names, such as ``loss``.

    Returns:
        The same by the names of metrics, such as ``val_loss`` or ``test_loss``.
    """
    return {PREFIXES[split] + name: value for name, value in evaluated.items()}


class Seeds(NamedTuple):
    """Independent streams of one trial: trials sharing a seed share init and batches in every mode."""

    init: int
    order: int
    noise: int

    @classmethod
    def of(cls, seed: int) -> "Seeds":
        """Derive the streams of a trial's seed (numpy's ``SeedSequence``).

        Args:
            seed: The trial's seed, at or above zero.

        Returns:
            The streams' seeds.
        """
        return cls(*(int(word) for word in np.random.SeedSequence(seed).generate_state(3)))


class _Sums(NamedTuple):
    # Over an epoch. They stay on the device, where a read in the step would stall a GPU.
    loss: Tensor
    weight: Tensor
    grad_norm: Tensor


class Training:
    """One trial: iterate for one metrics dict an epoch; save and resume between epochs.

    Build the task after ``torch.manual_seed(seeds.init)``: init uses the global generator, and so does
    dropout, from where init left it. The trial keeps that state for itself between epochs, so that nothing
    else that draws in the process matters.

    Attributes:
        task: The model and its data.
        epoch: Epochs finished.
        diverged: Whether a loss was not finite, which ends the iteration.
    """

    def __init__(
        self,
        task: Task,
        hyperparameters: Hyperparameters,
        seeds: Seeds,
        *,
        test: bool = False,
        fixed_shapes: bool = False,
    ) -> None:
        """Start from a freshly built task.

        Args:
            task: The model and its data.
            hyperparameters: What the loop goes by.
            seeds: The trial's streams.
            test: Whether to evaluate the test split, once, after the last epoch.
            fixed_shapes: Whether a GPU may replay a step (``Trainable.fixed_shapes``).
        """
        self.task = task
        self.epoch = 0
        self.diverged = False
        self._hp = hyperparameters
        self._test = test
        self._parameters = [p for p in task.model.parameters() if p.requires_grad]
        self._optimizer = build_optimizer(self._parameters, hyperparameters)
        steps_per_epoch = math.ceil(task.n_examples / hyperparameters.batch_size)
        self._lr_schedule = build_lr_schedule(self._optimizer, hyperparameters, steps_per_epoch)
        self._noise = NoiseInjector(self._parameters, hyperparameters.noise, sigma=0.0, seed=seeds.noise)
        self._order = torch.Generator().manual_seed(seeds.order)
        self._device = self._parameters[0].device
        self._sums = _Sums(*torch.zeros(3, dtype=torch.float64, device=self._device))
        self._replayed = fixed_shapes and self._device.type == "cuda"
        self._graphs = self._no_graphs()
        self._rng_states = self._current_rng_states()

    @property
    def data_fingerprint(self) -> str:
        """Hash of the data trained on."""
        return self.task.data_fingerprint

    def __iter__(self) -> Iterator[dict[str, float]]:
        while self.epoch < self._hp.epochs and not self.diverged:
            with onednn_linear(), tensor_cores(self._hp.precision), deterministic_cudnn():
                metrics = self._epoch()
            yield {"epoch": self.epoch, **metrics}

    def _epoch(self) -> dict[str, float]:
        with self._own_rng():
            metrics = self._train_epoch()
        self.task.model.eval()
        metrics |= self._evaluate("validation")
        self.epoch += 1
        self.diverged = not (math.isfinite(metrics["train_loss"]) and math.isfinite(metrics["val_loss"]))
        if not self.diverged and self._curvature_is_due():
            metrics |= self._curvature()
        if not self.diverged and self._test and self.epoch == self._hp.epochs:
            metrics |= self._evaluate("test")
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """Everything that decides the epochs to come; loads with ``torch.load(weights_only=True)``.

        Returns:
            States of model, optimizer, schedule, noise and generators, and how far the trial came.
        """
        return {
            "epoch": self.epoch,
            "diverged": self.diverged,
            "model": self.task.model.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "lr_schedule": self._lr_schedule.state_dict(),
            "noise": self._noise.state_dict(),
            "order": self._order.get_state(),
            "rng": self._rng_states,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a ``state_dict``: the epochs to come are those of an uninterrupted run, bit for bit.

        Args:
            state: What ``state_dict`` returned.
        """
        self.epoch = state["epoch"]
        self.diverged = state["diverged"]
        self.task.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._lr_schedule.load_state_dict(state["lr_schedule"])
        self._noise.load_state_dict(state["noise"])
        self._order.set_state(state["order"])
        self._rng_states = state["rng"]
        self._graphs = self._no_graphs()  # those that there are update the tensors of before

    @contextmanager
    def _own_rng(self) -> Iterator[None]:
        with torch.random.fork_rng(self._cuda_devices()):
            torch.set_rng_state(self._rng_states["cpu"])
            if "cuda" in self._rng_states and self._cuda_devices():
                torch.cuda.set_rng_state(self._rng_states["cuda"], self._device)
            yield
            self._rng_states = self._current_rng_states()

    def _current_rng_states(self) -> dict[str, Tensor]:
        states = {"cpu": torch.get_rng_state()}
        for device in self._cuda_devices():
            states["cuda"] = torch.cuda.get_rng_state(device)
        return states

    def _cuda_devices(self) -> list[torch.device]:
        return [self._device] if self._device.type == "cuda" else []

    def _train_epoch(self) -> dict[str, float]:
        started = time.perf_counter()
        hp = self._hp
        self._noise.sigma = (
            0.0
            if hp.noise == "none"
            else scheduled_sigma(hp.sigma, hp.sigma_schedule, self.epoch, hp.sigma_epochs or hp.epochs)
        )
        self.task.model.train()
        for total in self._sums:
            total.zero_()
        steps = 0
        for batch in self.task.batches(hp.batch_size, self._order):
            if self._graphs:
                self._graphs.run(self._step, batch)
            else:
                self._step(batch)
            self._lr_schedule.step()
            steps += 1
        train_loss, grad_norm, l1, l2 = torch.stack(
            [
                self._sums.loss / self._sums.weight,
                self._sums.grad_norm / steps,
                self._norm(self._parameters, 1),
                self._norm(self._parameters, 2),
            ]
        ).tolist()
        seconds = time.perf_counter() - started
        return {
            "train_loss": train_loss,
            "grad_norm": grad_norm,
            "param_l1": l1,
            "param_l2": l2,
            "sigma": self._noise.sigma,
            "epoch_seconds": seconds,
            "examples_per_second": self.task.n_examples / seconds,
        }

    def _no_graphs(self) -> StepGraphs | None:
        return StepGraphs(self._noise, self._optimizer) if self._replayed else None

    def _step(self, batch: Batch) -> None:
        for parameter in self._parameters:  # the optimizer's own way takes 3% of a small step
            parameter.grad = None
        with self._noise:
            with autocast(self._hp.precision, self.task.model, self._device):
                loss = self.task.loss(batch)
            loss.backward()
        self._optimizer.step()
        self._sums.loss.add_(loss.detach() * batch.weight)
        self._sums.weight.add_(batch.weight)
        self._sums.grad_norm.add_(self._norm([p.grad for p in self._parameters if p.grad is not None]))

    def _evaluate(self, split: EvaluationSplit) -> dict[str, float]:
        return with_prefix(split, self.task.evaluate(split))

    def _curvature_is_due(self) -> bool:
        when = self._hp.curvature
        return when == "epoch" or (when == "end" and self.epoch == self._hp.epochs)

    def _curvature(self) -> dict[str, float]:
        sample = self.task.sample(self._hp.curvature_examples)
        return measure_curvature(self.task.model, self.task.loss, sample, self._hp.curvature_draws)

    @staticmethod
    @torch.no_grad()
    def _norm(tensors: Sequence[Tensor], order: float = 2) -> Tensor:
        # torch.nn.utils.get_total_norm, without what it does for several devices: a tenth of a small step.
        norms = torch.stack(torch._foreach_norm([*tensors], order))
        return torch.linalg.vector_norm(norms, order).double()

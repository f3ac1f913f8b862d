"""The training loop that all trainables share."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from trainables.batch import Batch
from trainables.batchnorm import retake_statistics
from trainables.cuda_graphs import StepGraphs, draws_masks
from trainables.curvature import measure_curvature
from trainables.declarations.base import EvaluationSplit, with_prefix
from trainables.declarations.hyperparameters import Equal, Hyperparameters
from trainables.determinism import deterministic_cudnn
from trainables.noise import registry
from trainables.noise.injector import NoiseInjector
from trainables.noise.modes.base import NoiseMode
from trainables.noise.schedule import scheduled_sigma
from trainables.onednn import onednn_linear
from trainables.optimizers import build_lr_schedule, build_optimizer
from trainables.precision import autocast, tensor_cores
from trainables.torch_private import foreach_norm
from trainables.weight_noise import scores_under_noise


class Task(Protocol):
    """The interface between the loop and a trainable: a model and its data, ready to train.

    A task may have an attribute ``correct``: which examples of the test split were right in its last
    evaluation, (N,) of type bool in the order of the split, as in ``ClassifierTask``.
    """

    model: nn.Module
    data_fingerprint: str
    n_examples: int

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        """Yield one epoch of training batches; draw everything random from ``order``."""

    def loss(self, batch: Batch) -> Tensor:
        """Mean training loss over the batch, a scalar."""

    def sample(self, n_examples: int) -> Sequence[Batch]:
        """At most ``n_examples`` training examples, not augmented, the same in trials with the same data."""

    def evaluate(self, split: EvaluationSplit = "validation") -> dict[str, float]:
        """``loss`` and the task's scores on a split; the test split is loaded here, not before.

        The model is in evaluation mode. No random number may be drawn.
        """


class Seeds(NamedTuple):
    """Seeds of a trial's independent streams: trials with one seed share init and batches in every mode.

    ``split`` draws the training and validation examples of trials with ``split: per_seed``.
    """

    init: int
    order: int
    noise: int
    split: int

    @classmethod
    def of(cls, seed: int) -> "Seeds":
        """Derive them from the trial's seed, zero or above, by numpy's ``SeedSequence``."""
        return cls(*(int(word) for word in np.random.SeedSequence(seed).generate_state(4)))


class _Sums(NamedTuple):
    """Sums over an epoch. They stay on the device: reading one in a step would stall a GPU."""

    loss: Tensor
    weight: Tensor
    grad_norm: Tensor


class Training:
    """One trial: iterating yields the metrics of each epoch; save and resume it between epochs.

    Build the task after ``torch.manual_seed(seeds.init)``: initialization draws from the global generator,
    and dropout continues from there. The trial saves and restores that generator's state, so that other
    draws in the process do not matter.

    Attributes:
        task: The model and its data.
        epoch: Number of finished epochs.
        diverged: Whether a loss was not finite, which ends the iteration.
        correct: Which of the N test examples the unperturbed network has right, (N,) of type bool in the
            order of the split; None before they are read, and if the task does not have it.
    """

    def __init__(
        self,
        task: Task,
        hyperparameters: Hyperparameters,
        seeds: Seeds,
        *,
        test: bool = False,
        equal: Equal = "gradients",
        fixed_shapes: bool = False,
    ) -> None:
        """Start from a freshly built task.

        Args:
            test: Whether to evaluate the test split, once, after the last epoch.
            equal: What an epoch has equally many of in every noise mode (``Equal``).
            fixed_shapes: Whether a GPU may replay a step (``Trainable.fixed_shapes``).
        """
        self.task = task
        self.epoch = 0
        self.diverged = False
        self.correct: np.ndarray | None = None
        self._hp = hyperparameters
        self._test = test
        self._parameters = [p for p in task.model.parameters() if p.requires_grad]
        self._optimizer = build_optimizer(self._parameters, hyperparameters)
        mode = registry.get(hyperparameters.noise).of(hyperparameters)
        self._batches = math.ceil(task.n_examples / hyperparameters.batch_size)
        # Every epoch needs a step.
        self._every = min(self._batches, mode.gradients) if equal == "gradients" else 1
        steps = math.ceil(hyperparameters.epochs * self._batches / self._every)
        self._lr_schedule = build_lr_schedule(self._optimizer, hyperparameters, steps)
        self._noise = NoiseInjector(
            self._parameters, mode, sigma=0.0, seed=seeds.noise, lr=hyperparameters.lr
        )
        self._order = torch.Generator().manual_seed(seeds.order)
        self._device = self._parameters[0].device
        self._sums = _Sums(*torch.zeros(3, dtype=torch.float64, device=self._device))
        self._replayed = fixed_shapes and self._device.type == "cuda" and self._may_replay(mode)
        self._graphs = self._new_graphs()
        self._rng_states = self._current_rng_states()

    @property
    def lr(self) -> float:
        """Learning rate of the next step."""
        return float(self._optimizer.param_groups[0]["lr"])

    @property
    def data_fingerprint(self) -> str:
        """Hash of the training data."""
        return self.task.data_fingerprint

    def __iter__(self) -> Iterator[dict[str, float]]:
        while self.epoch < self._hp.epochs and not self.diverged:
            with onednn_linear(), tensor_cores(self._hp.precision), deterministic_cudnn():
                metrics = self._epoch()
            yield {"epoch": self.epoch, **metrics}

    def _epoch(self) -> dict[str, float]:
        with self._own_rng():
            metrics = self._train_epoch()
        self._end_training()
        metrics |= self._evaluate("validation")
        self.epoch += 1
        self.diverged = not (math.isfinite(metrics["train_loss"]) and math.isfinite(metrics["val_loss"]))
        if not self.diverged and self._curvature_is_due():
            metrics |= self._curvature()
        if not self.diverged and self.epoch == self._hp.epochs:
            metrics |= self._evaluate_trained()
        return metrics

    def state_dict(self) -> dict[str, Any]:
        """Everything that determines the remaining epochs; ``torch.load(weights_only=True)`` can read it."""
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
        """Resume: the remaining epochs equal those of an uninterrupted run bit for bit."""
        self.epoch = state["epoch"]
        self.diverged = state["diverged"]
        self.task.model.load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._lr_schedule.load_state_dict(state["lr_schedule"])
        self._noise.load_state_dict(state["noise"])
        self._order.set_state(state["order"])
        self._rng_states = state["rng"]
        # Graphs captured before would update tensors that have been replaced.
        self._graphs = self._new_graphs()

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
        first_sigma = self._noise.sigma = self._sigma()
        self.task.model.train()
        for total in self._sums:
            total.zero_()
        metrics = self._training_metrics(self._take_steps())
        seconds = time.perf_counter() - started
        return metrics | {
            "sigma": first_sigma,
            "epoch_seconds": seconds,
            "examples_per_second": self.task.n_examples / seconds,
        }

    def _take_steps(self) -> int:
        """Take the steps of one epoch, and return their number."""
        steps = 0
        # All batches are drawn, so that trials with one seed share them in every mode.
        first = -self.epoch * self._batches % self._every
        for batch in islice(self.task.batches(self._hp.batch_size, self._order), first, None, self._every):
            if self._hp.sigma_schedule == "follow_lr":
                self._noise.sigma = self._sigma()
            self._noise.lr = self.lr
            if self._graphs:
                self._graphs.run(self._step, batch)
            else:
                self._step(batch)
            self._lr_schedule.step()
            steps += 1
        return steps

    def _end_training(self) -> None:
        """Put the model in evaluation mode, with BatchNorm's statistics of the unperturbed weights."""
        retake_statistics(self.task.model, self.task.loss, partial(self.task.batches, self._hp.batch_size))

    def _sigma(self) -> float:
        hp = self._hp
        if hp.noise == "none":
            return 0.0
        lr_ratio = self.lr / hp.lr
        return scheduled_sigma(
            hp.sigma, hp.sigma_schedule, self.epoch, hp.sigma_epochs or hp.epochs, lr_ratio
        )

    def _training_metrics(self, steps: int) -> dict[str, float]:
        """Read the sums of an epoch and the norms of the weights, in one transfer from the device."""
        values = {
            "train_loss": self._sums.loss / self._sums.weight,
            "grad_norm": self._sums.grad_norm / steps,
            "param_l1": self._norm(self._parameters, 1),
            "param_l2": self._norm(self._parameters, 2),
        }
        return dict(zip(values, torch.stack([*values.values()]).tolist(), strict=True))

    def _may_replay(self, mode: NoiseMode) -> bool:
        """Whether a step can be captured; a captured step cannot draw the masks of dropout twice alike."""
        return mode.gradients == 1 or not draws_masks(self.task.model)

    def _new_graphs(self) -> StepGraphs | None:
        return StepGraphs(self._noise, self._optimizer) if self._replayed else None

    def _step(self, batch: Batch) -> None:
        # `optimizer.zero_grad` does the same, but its profiling takes 3% of a small step.
        for parameter in self._parameters:
            parameter.grad = None
        loss = self._noise.backward(partial(self._loss, batch))
        self._optimizer.step()
        self._sums.loss.add_(loss * batch.weight)
        self._sums.weight.add_(batch.weight)
        self._sums.grad_norm.add_(self._norm([p.grad for p in self._parameters if p.grad is not None]))

    def _loss(self, batch: Batch) -> Tensor:
        with autocast(self._hp.precision, self.task.model, self._device):
            return self.task.loss(batch)

    def _evaluate(self, split: EvaluationSplit) -> dict[str, float]:
        return with_prefix(split, self.task.evaluate(split))

    def _evaluate_trained(self) -> dict[str, float]:
        split: EvaluationSplit = "test" if self._test else "validation"
        metrics = self._evaluate("test") if self._test else {}
        # This must be read now, as evaluations under noise replace it in the task.
        self.correct = self._correct_of_task()
        evaluate, sigmas = partial(self.task.evaluate, split), self._hp.weight_noise
        return metrics | with_prefix(split, scores_under_noise(self.task.model, evaluate, sigmas))

    def _correct_of_task(self) -> np.ndarray | None:
        correct: Tensor | None = getattr(self.task, "correct", None)
        return None if correct is None else correct.cpu().numpy()

    def _curvature_is_due(self) -> bool:
        when = self._hp.curvature
        return when == "epoch" or (when == "end" and self.epoch == self._hp.epochs)

    def _curvature(self) -> dict[str, float]:
        hp, sample = self._hp, self.task.sample(self._hp.curvature_examples)
        return measure_curvature(
            self.task.model,
            self.task.loss,
            sample,
            draws=hp.curvature_draws,
            sharpness_sigma=hp.sharpness_sigma,
        )

    @staticmethod
    @torch.no_grad()
    def _norm(tensors: Sequence[Tensor], order: float = 2) -> Tensor:
        """Norm over all tensors.

        This is ``torch.nn.utils.get_total_norm`` without its support for several devices, which takes a
        tenth of a small step.
        """
        norms = torch.stack(foreach_norm([*tensors], order))
        return torch.linalg.vector_norm(norms, order).double()

"""A training step as CUDA graphs: a GPU runs its kernels in one launch, not Python one by one.

The kernels, their order and their random numbers are those of the step as it is written, and so are the
results, bit for bit.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor
from torch.optim import Optimizer

from trainables.batch import Batch
from trainables.noise import NoiseInjector

_WARM_UP = 3  # steps until libraries and the optimizer's state are set up, which must not be captured


class StepGraphs:
    """Runs a training step on a CUDA device: the first times as written, then by replaying captured graphs.

    One graph is captured for each set of groups that noise is put on: G of them in the ``layer`` modes. A
    batch of another shape or weight than the first, such as the last of an epoch, runs as written.

    Attributes:
        captured: Number of graphs so far.
    """

    def __init__(self, noise: NoiseInjector, optimizer: Optimizer) -> None:
        """Capture nothing yet.

        Args:
            noise: The noise that the step enters.
            optimizer: The fused optimizer of the step, of one parameter group. Its learning rate may change
                between steps.
        """
        self._noise, self._optimizer = noise, optimizer
        self._device = noise.parameters[0].device
        self._lr = torch.empty((), device=self._device)
        self._batch: Batch | None = None  # what the graphs read
        self._graphs: dict[tuple[int, ...], torch.cuda.CUDAGraph] = {}
        self._steps = 0
        # Nothing outlives a step in it, so that all graphs can share it.
        self._memory = torch.cuda.graph_pool_handle()

    @property
    def captured(self) -> int:
        """Number of graphs so far."""
        return len(self._graphs)

    def run(self, step: Callable[[Batch], None], batch: Batch) -> None:
        """Run one step.

        Args:
            step: The same each time. It enters the noise once, launches kernels and reads nothing back; what
                it updates lives from step to step in the same tensors.
            batch: Its batch.

        Raises:
            RuntimeError: If the step cannot be captured.
        """
        self._lr.fill_(self._optimizer.param_groups[0]["lr"])
        if self._batch is None:
            self._batch = _clone(batch)
        self._steps += 1
        if self._steps <= _WARM_UP or not _alike(batch, self._batch):
            with self._lr_on_device():
                step(batch)
            return
        _copy(batch, self._batch)
        groups = self._noise.next_groups()
        if groups in self._graphs:
            self._noise.steps += 1
        else:
            self._graphs[groups] = self._capture(step, self._batch)
        self._graphs[groups].replay()

    def _capture(self, step: Callable[[Batch], None], batch: Batch) -> torch.cuda.CUDAGraph:
        # What Python does in the step, it does now; the kernels wait for the replay.
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._noise.generator)
        try:
            with (
                self._lr_on_device(),
                _no_garbage_collection(),
                torch.cuda.graph(graph, pool=self._memory, capture_error_mode="thread_local"),
            ):
                step(batch)
        except RuntimeError as error:
            cause = error.__context__ or error  # that the capture has failed follows from it
            advice = "if its loss reads a tensor back, set fixed_shapes = False in the trainable"
            raise RuntimeError(f"a training step cannot become a CUDA graph ({cause}); {advice}") from error
        # A capture begins by clearing the generator's offset on a stream of its own: without waiting, that
        # may happen after the replay has set it, which then draws the numbers of the first step again.
        torch.cuda.synchronize()
        return graph

    @contextmanager
    def _lr_on_device(self) -> Iterator[None]:
        # A number would be the same in every replay. Steps as written have it too: none rounds it otherwise.
        (group,) = self._optimizer.param_groups
        before = dict(group)
        group.update(lr=self._lr, capturable=True)
        try:
            yield
        finally:
            group.clear()
            group.update(before)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    # It may come upon graphs of an earlier trial, whose end would end the capture.
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _clone(batch: Batch) -> Batch:
    weight = batch.weight
    return Batch(
        batch.inputs.clone(),
        batch.targets.clone(),
        weight.clone() if isinstance(weight, Tensor) else weight,
    )


def _copy(batch: Batch, into: Batch) -> None:
    into.inputs.copy_(batch.inputs)
    into.targets.copy_(batch.targets)
    if isinstance(into.weight, Tensor) and isinstance(batch.weight, Tensor):
        into.weight.copy_(batch.weight)


def _alike(batch: Batch, other: Batch) -> bool:
    return _constants(batch) == _constants(other)


def _constants(batch: Batch) -> tuple[torch.Size, torch.Size, int | None]:
    weight = None if isinstance(batch.weight, Tensor) else batch.weight
    return batch.inputs.shape, batch.targets.shape, weight

"""A training step as CUDA graphs: one launch runs all its kernels.

The results equal those of the eager step bit for bit: kernels, order and random numbers are the same.
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from trainables.batch import Batch
from trainables.noise.injector import NoiseInjector

# The first steps set up libraries and the optimizer's state, which must not be captured.
_WARM_UP_STEPS = 3
_DROPOUT = (
    nn.Dropout,
    nn.Dropout1d,
    nn.Dropout2d,
    nn.Dropout3d,
    nn.AlphaDropout,
    nn.FeatureAlphaDropout,
)


class StepGraphs:
    """Runs a training step on a CUDA device: a few times eagerly, then by replaying captured graphs.

    One graph is captured for each set of groups that gets noise: G of them in the ``layer`` modes. A batch
    whose shape or weight differs from the first one's, such as the last of an epoch, runs eagerly. The
    optimizer must be fused and have one parameter group; its learning rate may change between steps.
    """

    def __init__(self, noise: NoiseInjector, optimizer: Optimizer) -> None:
        self._noise, self._optimizer = noise, optimizer
        self._device = noise.parameters[0].device
        self._lr = torch.empty((), device=self._device)
        # All graphs read their batch from these tensors.
        self._batch: Batch | None = None
        self._graphs: dict[tuple[int, ...], torch.cuda.CUDAGraph] = {}
        self._steps = 0
        # The graphs can share one pool of memory, because nothing in it outlives a step.
        self._memory = torch.cuda.graph_pool_handle()

    @property
    def captured(self) -> int:
        """Number of graphs captured so far."""
        return len(self._graphs)

    def run(self, step: Callable[[Batch], None], batch: Batch) -> None:
        """Run one step.

        Args:
            step: The same each time. It takes one step of the noise, reads nothing back, and keeps its state
                in the same tensors from step to step.
            batch: The batch to pass to it.

        Raises:
            RuntimeError: If the step cannot be captured.
        """
        self._lr.fill_(self._optimizer.param_groups[0]["lr"])
        if self._batch is None:
            self._batch = _clone(batch)
        self._steps += 1
        if self._steps <= _WARM_UP_STEPS or not _alike(batch, self._batch):
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
        """Capture a step: its Python code runs now, its kernels run in the replay."""
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
            # torch reports the failed capture; the operation that failed is the context of that error.
            cause = error.__context__ or error
            advice = "if its loss reads a tensor back, set fixed_shapes = False in the trainable"
            raise RuntimeError(f"a training step cannot become a CUDA graph ({cause}); {advice}") from error
        # A capture clears the generator's offset on a stream of its own. Wait for it: if the offset were
        # cleared after the replay had set it, the replay would draw the first step's numbers again.
        torch.cuda.synchronize()
        return graph

    @contextmanager
    def _lr_on_device(self) -> Iterator[None]:
        """Pass the learning rate as a tensor.

        Every replay would repeat a Python number. Eager steps use the tensor too, so that both round alike.
        """
        (group,) = self._optimizer.param_groups
        before = dict(group)
        group.update(lr=self._lr, capturable=True)
        try:
            yield
        finally:
            group.clear()
            group.update(before)


def draws_masks(model: nn.Module) -> bool:
    """Whether a model has dropout, as a layer or inside recurrent layers or attention."""
    return any(isinstance(module, _DROPOUT) or _rate_inside(module) > 0 for module in model.modules())


def _rate_inside(module: nn.Module) -> float:
    rate: Any = getattr(module, "dropout", None)
    return rate if isinstance(rate, float) else 0.0


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Collect no garbage during a capture: freeing the graphs of an earlier trial would end it."""
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
    """Whether a graph captured with one batch can run the other."""
    return _constants(batch) == _constants(other)


def _constants(batch: Batch) -> tuple[torch.Size, torch.Size, int | None]:
    weight = None if isinstance(batch.weight, Tensor) else batch.weight
    return batch.inputs.shape, batch.targets.shape, weight

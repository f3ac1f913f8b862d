"""BatchNorm's running statistics, taken again at the weights that are evaluated.

Training steps update them at the weights w + n of each step, while a network is evaluated, saved and
measured at w. Statistics of w + n do not fit w: evaluation would count the mismatch as an effect of the
noise. They are therefore replaced after every epoch, in every noise mode, by averages at w (Wu and Johnson,
*Rethinking "Batch" in BatchNorm*, 2021, section 3, arXiv 2105.07576).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice

import torch
from torch import Tensor, nn

from trainables.batch import Batch

_BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d | nn.SyncBatchNorm
BATCHES = 16
# Every epoch and every trial uses the same draws, so that the statistics differ only by the weights.
_SEED = 0


@torch.no_grad()
def retake_statistics(
    model: nn.Module,
    loss: Callable[[Batch], Tensor],
    batches: Callable[[torch.Generator], Iterator[Batch]],
) -> None:
    """Replace the running statistics of BatchNorm layers by averages over training batches at the weights.

    Layers that are in evaluation mode, because the model keeps them there, or that have no running statistics
    stay as they are; without any other layer, no batch is drawn. The buffers keep their storage, which
    captured CUDA graphs update. Nothing is drawn from the global generator.

    Args:
        model: In training mode; it ends in evaluation mode.
        loss: Runs the model on a batch.
        batches: Yields training batches, drawing everything random from its argument; the first 16 are used,
            each counts by its number of examples.
    """
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm) and _updates(module)]
    # Dropout is off.
    model.eval()
    if not layers:
        return
    momenta = [layer.momentum for layer in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.train()
    try:
        _average(layers, loss, islice(batches(torch.Generator().manual_seed(_SEED)), BATCHES))
    finally:
        for layer, momentum in zip(layers, momenta, strict=True):
            layer.momentum = momentum
            layer.eval()


@contextmanager
def batch_statistics(model: nn.Module) -> Iterator[None]:
    """Let BatchNorm layers use the statistics of each batch, as in training steps, and keep their buffers."""
    layers = [module for module in model.modules() if isinstance(module, _BatchNorm)]
    buffers = [(layer.running_mean, layer.running_var) for layer in layers]
    for layer in layers:
        layer.running_mean = layer.running_var = None
    try:
        yield
    finally:
        for layer, (mean, variance) in zip(layers, buffers, strict=True):
            layer.running_mean, layer.running_var = mean, variance


def _average(layers: Sequence[_BatchNorm], loss: Callable[[Batch], Tensor], batches: Iterator[Batch]) -> None:
    examples = 0
    for batch in batches:
        examples += len(batch.inputs)
        for layer in layers:
            # Momentum None averages too, but reads its counter back, which stalls a GPU.
            layer.momentum = len(batch.inputs) / examples
        loss(batch)


def _updates(layer: _BatchNorm) -> bool:
    return layer.training and layer.running_mean is not None

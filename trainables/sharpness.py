"""Sharpness of the training loss: its mean rise under Gaussian noise on the weights.

With weights w, loss L and standard deviation s,

    sharpness = E[L(w + s xi) - L(w)],    xi ~ N(0, I) over all trained parameters,

estimated over m draws of xi, with its standard error: the standard deviation of the m rises / sqrt(m). To
second order in s it is s^2 / 2 times the trace of the Hessian. It needs no derivative, and takes a fourth of
the time of the trace's estimate.
The model must be in evaluation mode, so that dropout is off. BatchNorm uses the statistics of each batch, as
it does in the training steps that noise disturbs: those taken at w do not fit w + s xi, and most of the rise
would be this mismatch.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from trainables.batch import Batch
from trainables.batchnorm import batch_statistics
from trainables.weight_noise import perturb, restored


@torch.no_grad()
def mean_rise(
    model: nn.Module,
    loss: Callable[[Batch], Tensor],
    batches: Sequence[Batch],
    *,
    sigma: float,
    draws: int,
    generator: torch.Generator,
) -> tuple[float, float]:
    """Estimate the sharpness and its standard error; the weights end as they were, bit for bit.

    Args:
        model: In evaluation mode; parameters that need no gradient are left out.
        loss: Mean loss of a batch, a scalar.
        batches: The examples; each batch counts by its weight.
        sigma: Standard deviation s of the noise on every parameter.
        draws: Draws m of the noise, at least 2.
        generator: Source of the noise, on the model's device.
    """
    parameters: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
    with batch_statistics(model), restored(parameters) as weights:
        losses = [_mean_loss(loss, batches)]
        for _ in range(draws):
            perturb(parameters, weights, sigma, generator)
            losses.append(_mean_loss(loss, batches))
    rises = torch.stack(losses[1:]) - losses[0]
    mean, deviation = torch.stack([rises.mean(), rises.std()]).tolist()
    return mean, deviation / math.sqrt(draws)


def _mean_loss(loss: Callable[[Batch], Tensor], batches: Sequence[Batch]) -> Tensor:
    total = sum(loss(batch).double() * batch.weight for batch in batches)
    return torch.as_tensor(total / sum(batch.weight for batch in batches))

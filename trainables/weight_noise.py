"""Scores of a trained network under Gaussian noise on its weights: how robust it is.

With weights w, a score S (accuracy, F1, RMSE, loss) on a split, and standard deviation s,

    S under s = E[S(w + s xi)],    xi ~ N(0, I) over all trained parameters,

estimated by the mean over 10 draws of xi. Every trial and every s uses the same draws, so that arms are
compared under the same noise. s is the standard deviation on each weight, like ``sharpness_sigma``.
The model is evaluated as it is saved: dropout is off, and BatchNorm uses its running statistics, which were
taken at w. Noise on the weights of a network in use does not change its statistics, and the score under s
tends to the score itself as s tends to 0, which statistics of each batch would not give. Part of a fall in
the score is then due to statistics that do not fit w + s xi (docs/reference/trainables.md has numbers).
Sharpness uses the statistics of each batch instead, as it measures what training steps see.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from trainables.declarations.base import under_noise
from trainables.declarations.hyperparameters import WEIGHT_NOISE_DRAWS
from trainables.torch_private import foreach_add_, foreach_copy_

# Every measurement uses the same draws, so that sigmas and trials differ only in their weights.
_SEED = 0


@torch.no_grad()
def scores_under_noise(
    model: nn.Module, evaluate: Callable[[], dict[str, float]], sigmas: Sequence[float]
) -> dict[str, float]:
    """Average scores over 10 draws of noise at each sigma; the weights end as they were, bit for bit.

    Args:
        model: In evaluation mode; parameters that need no gradient are left out.
        evaluate: Returns the model's scores.
        sigmas: Standard deviations of the noise on every parameter.

    Returns:
        The means, by names such as ``accuracy_under_0.1``.
    """
    parameters: list[Tensor] = [p for p in model.parameters() if p.requires_grad]
    found: dict[str, float] = {}
    with restored(parameters) as weights:
        for sigma in sigmas:
            generator = torch.Generator(weights[0].device).manual_seed(_SEED)
            drawn = []
            for _ in range(WEIGHT_NOISE_DRAWS):
                perturb(parameters, weights, sigma, generator)
                drawn.append(evaluate())
            found |= {
                under_noise(name, sigma): sum(scores[name] for scores in drawn) / WEIGHT_NOISE_DRAWS
                for name in drawn[0]
            }
    return found


@contextmanager
def restored(parameters: Sequence[Tensor]) -> Iterator[list[Tensor]]:
    """Yield copies of the parameters, and restore them in place at the end."""
    weights = [parameter.clone() for parameter in parameters]
    try:
        yield weights
    finally:
        foreach_copy_([*parameters], weights)


def perturb(
    parameters: Sequence[Tensor], weights: Sequence[Tensor], sigma: float, generator: torch.Generator
) -> None:
    """Set the parameters to the weights plus Gaussian noise of standard deviation ``sigma``, in place."""
    sizes = [parameter.numel() for parameter in parameters]
    flat = weights[0].new_empty(sum(sizes)).normal_(0, sigma, generator=generator)
    noise = [part.view_as(p) for part, p in zip(flat.split(sizes), parameters, strict=True)]
    foreach_copy_([*parameters], [*weights])
    foreach_add_([*parameters], noise)

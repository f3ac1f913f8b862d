"""Schedules of sigma.

In epoch e, counted from 0, with E the first epoch without noise, and lr_t the learning rate of step t, it is

=============  ==================================  ===========
schedule       sigma                               changes
=============  ==================================  ===========
constant       sigma                               never
linear         sigma * (1 - e / E)                 every epoch
cosine         sigma * (1 + cos(pi e / E)) / 2     every epoch
follow_lr      sigma * sqrt(lr_t / lr_0)           every step
=============  ==================================  ===========

In the ``after`` modes, noise of variance sigma_t^2 moves the weights at each step, and the gradient pulls
them back in proportion to lr_t: near a minimum they settle at a variance in proportion to sigma_t^2 / lr_t.
``follow_lr`` keeps this ratio; with a constant sigma it grows without bound as the learning rate falls to 0.
"""

import math
from typing import Literal

SigmaSchedule = Literal["constant", "linear", "cosine", "follow_lr"]


def scheduled_sigma(
    sigma: float, schedule: SigmaSchedule, epoch: int, epochs: int, lr_ratio: float = 1.0
) -> float:
    """Sigma of one step, by the table above; only ``follow_lr`` changes within an epoch.

    Args:
        sigma: Sigma of the first step.
        schedule: ``constant``, ``linear``, ``cosine`` or ``follow_lr``.
        epoch: The epoch e, counted from 0.
        epochs: The first epoch E without noise.
        lr_ratio: lr_t / lr_0; only ``follow_lr`` uses it.

    Returns:
        The sigma; 0 from epoch E on.
    """
    if epoch >= epochs:
        return 0.0
    if schedule == "linear":
        return sigma * (1 - epoch / epochs)
    if schedule == "cosine":
        return sigma * (1 + math.cos(math.pi * epoch / epochs)) / 2
    if schedule == "follow_lr":
        return sigma * math.sqrt(lr_ratio)
    return sigma

"""Multilayer perceptrons of the published study.

Shapes: B batch, O outputs, of which a classifier has one for each class.
"""

import math
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import pairwise

from torch import nn

from trainables.models import BuildModel

HIDDEN: Mapping[str, Sequence[int]] = {
    "shallow": (500, 500, 500),
    "wide": (5000, 5000, 5000),
    "deep": (1000, 1000, 1000, 1000, 1000),
}


def mlp(hidden: Sequence[int], shape: Sequence[int], outputs: int) -> nn.Sequential:
    """Build a module from (B, *shape) to outputs (B, O), with ReLU after every layer but the last."""
    layers: list[nn.Module] = [nn.Flatten()]
    for width, next_width in pairwise((math.prod(shape), *hidden)):
        layers += [nn.Linear(width, next_width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], outputs))


MLPS: Mapping[str, BuildModel] = {name: partial(mlp, hidden) for name, hidden in HIDDEN.items()}

"""Multilayer perceptrons of the published study.

Shapes: B batch, C classes.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import nn

HIDDEN: Mapping[str, Sequence[int]] = {
    "shallow": (500, 500, 500),
    "wide": (5000, 5000, 5000),
    "deep": (1000, 1000, 1000, 1000, 1000),
}


def mlp(inputs: int, hidden: Sequence[int], classes: int) -> nn.Sequential:
    """Fully connected layers with ReLU between them, and none on the logits.

    Args:
        inputs: Numbers in one example, whatever its shape: (B, ...) is flattened.
        hidden: Width of each hidden layer.
        classes: C.

    Returns:
        A module from (B, ...) to logits (B, C).
    """
    layers: list[nn.Module] = [nn.Flatten()]
    for width, next_width in pairwise((inputs, *hidden)):
        layers += [nn.Linear(width, next_width), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], classes))

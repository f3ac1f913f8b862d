"""A batch of examples."""

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Inputs and targets of one step; ``weight`` is the number of terms in its mean loss."""

    inputs: Tensor
    targets: Tensor
    weight: Tensor | int

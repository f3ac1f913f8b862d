"""What a step trains on."""

from typing import NamedTuple

from torch import Tensor


class Batch(NamedTuple):
    """Inputs and targets of one step; ``weight`` is the number of terms that its mean loss is over."""

    inputs: Tensor
    targets: Tensor
    weight: Tensor | int

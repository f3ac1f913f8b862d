"""The architectures, each plain PyTorch."""

from collections.abc import Callable, Sequence

from torch import nn

# Builds a module from inputs (B, *shape) to outputs (B, O), given the shape, such as (K, H, W), and O. The
# outputs of a classifier are logits, one for each class.
BuildModel = Callable[[Sequence[int], int], nn.Module]

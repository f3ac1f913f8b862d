"""The architectures, each plain PyTorch."""

from collections.abc import Callable, Sequence

from torch import nn

# Takes the shape of an image (K, H, W) and the number of classes C; makes (B, K, H, W) into logits (B, C).
BuildImageModel = Callable[[Sequence[int], int], nn.Module]

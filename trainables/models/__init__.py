"""The architectures, each plain PyTorch."""

from collections.abc import Callable, Sequence

from torch import nn

# Builds a module from images (B, K, H, W) to logits (B, C), given (K, H, W) and the number of classes C.
BuildImageModel = Callable[[Sequence[int], int], nn.Module]

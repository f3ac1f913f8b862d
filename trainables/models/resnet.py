"""ResNet-18 for images of 32x32.

Shapes: B batch, C classes.
"""

from collections.abc import Sequence

from torch import nn


def resnet18(shape: Sequence[int], classes: int) -> nn.Module:
    """Torchvision's ResNet-18 with the stem for small images: a 3x3 convolution of stride 1, no pooling.

    Args:
        shape: (3, 32, 32).
        classes: C.

    Returns:
        A module from (B, 3, 32, 32) to logits (B, C).
    """
    from torchvision import models  # takes a second

    network = models.resnet18(num_classes=classes)
    network.conv1 = nn.Conv2d(shape[0], 64, 3, padding=1, bias=False)
    # As torchvision initialises the stem it had.
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()
    return network

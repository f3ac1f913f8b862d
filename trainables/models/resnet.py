"""ResNet-18 for images of 32x32.

Shapes: B batch, C classes.
"""

from collections.abc import Sequence

from torch import nn


def resnet18(shape: Sequence[int], classes: int) -> nn.Module:
    """Torchvision's ResNet-18 with a stem for small images: a 3x3 convolution of stride 1, no pooling.

    It maps (B, 3, 32, 32) to logits (B, C).
    """
    # Importing torchvision takes a second.
    from torchvision import models

    network = models.resnet18(num_classes=classes)
    network.conv1 = nn.Conv2d(shape[0], 64, 3, padding=1, bias=False)
    # torchvision initializes its own stem like this.
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()
    return network

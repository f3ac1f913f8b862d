"""Convolutional networks of the published study, for images of 32x32.

Shapes: B batch, K channels, C classes. ``shape`` is (K, 32, 32); all map (B, K, 32, 32) to logits (B, C).
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from torch import nn

from trainables.models import BuildModel
from trainables.models.resnet import resnet18


def cnn1(shape: Sequence[int], classes: int) -> nn.Sequential:
    """Two 5x5 convolutions with max-pooling and three fully connected layers, 400-120-84-C."""
    return nn.Sequential(
        *(nn.Conv2d(shape[0], 6, 5), *_pooled_relu()),
        *(nn.Conv2d(6, 16, 5), *_pooled_relu()),
        nn.Flatten(),
        *(nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, classes)),
    )


def cnn2(shape: Sequence[int], classes: int) -> nn.Sequential:
    """3x3 convolutions of width 32-128-128-128, each with 2x2 max-pooling; global average; 128-C."""
    return nn.Sequential(*_pooled_convolutions(shape[0]), nn.Linear(128, classes))


def cnn3(shape: Sequence[int], classes: int) -> nn.Sequential:
    """``cnn2`` with a wide head: 128-5000-C."""
    head = (nn.Linear(128, 5000), nn.ReLU(), nn.Linear(5000, classes))
    return nn.Sequential(*_pooled_convolutions(shape[0]), *head)


def vgg11(shape: Sequence[int], classes: int) -> nn.Sequential:
    """VGG11 with BatchNorm, K = 3: torchvision's convolutions, which map 32x32 to 512 numbers, and 512-C."""
    # Importing torchvision takes a second.
    from torchvision.models.vgg import cfgs, make_layers

    network = nn.Sequential(make_layers(cfgs["A"], batch_norm=True), nn.Flatten(), nn.Linear(512, classes))
    # torchvision initializes its VGG11 like this.
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, 0, 0.01)
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
    return network


def _pooled_convolutions(channels: int) -> list[nn.Module]:
    layers: list[nn.Module] = []
    for width, next_width in pairwise((channels, 32, 128, 128, 128)):
        layers += [nn.Conv2d(width, next_width, 3, padding=1), *_pooled_relu()]
    return [*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()]


def _pooled_relu() -> tuple[nn.Module, nn.Module]:
    """ReLU and maximum commute, in value and gradient: ReLU after pooling has a quarter of the work."""
    return nn.MaxPool2d(2), nn.ReLU()


CNNS: Mapping[str, BuildModel] = {
    "cnn1": cnn1,
    "cnn2": cnn2,
    "cnn3": cnn3,
    "resnet18": resnet18,
    "vgg11": vgg11,
}

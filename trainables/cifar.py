"""CIFAR-10 and CIFAR-100: 50,000 training and 10,000 test images of 32x32 in colour."""

from typing import Literal

from pydantic import Field

from trainables.augmentation import crop_and_flip
from trainables.data.images import ImageDataset
from trainables.images import ImageHyperparameters, ImageTrainable
from trainables.models.cnn import CNNS


class CNNHyperparameters(ImageHyperparameters):
    """Hyperparameters of the convolutional networks."""

    model: Literal[tuple(CNNS)] = Field("cnn2", description="architecture")  # type: ignore[valid-type]


class CIFAR10(ImageTrainable):
    """CIFAR-10 with convolutional networks; training images are cropped and flipped at random."""

    name = "cifar10"
    dataset = ImageDataset("uoft-cs/cifar10", image="img", channels=3)
    Hyperparameters = CNNHyperparameters
    shape = (3, 32, 32)
    classes = 10
    mean = (125.3, 123.0, 113.9)
    std = (63.0, 62.1, 66.7)
    architectures = CNNS
    augment = staticmethod(crop_and_flip)


class CIFAR100(CIFAR10):
    """CIFAR-100 with convolutional networks; training images are cropped and flipped at random."""

    name = "cifar100"
    dataset = ImageDataset("uoft-cs/cifar100", image="img", label="fine_label", channels=3)
    classes = 100
    mean = (129.3, 124.1, 112.4)
    std = (68.2, 65.4, 70.4)

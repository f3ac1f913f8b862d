"""CIFAR-10: 50,000 training and 10,000 test images of 32x32, in colour, ten classes."""

from typing import Literal

from pydantic import Field

from trainables.augmentation import crop_and_flip
from trainables.classification import ImageTrainable
from trainables.data.images import ImageDataset
from trainables.hyperparameters import Hyperparameters
from trainables.models.cnn import CNNS


class CNNHyperparameters(Hyperparameters):
    """Hyperparameters of the convolutional networks."""

    model: Literal["cnn1", "cnn2", "cnn3", "resnet18", "vgg11"] = Field("cnn2", description="architecture")


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

"""Declarations of the image trainables."""

from typing import ClassVar, Literal

from pydantic import Field

from trainables.declarations.base import Declaration
from trainables.declarations.hyperparameters import HeldOutHyperparameters
from trainables.declarations.sources import Source


class ImageHyperparameters(HeldOutHyperparameters):
    """Hyperparameters of an image trainable; a subclass lists the names of architectures for ``model``."""

    model: str


class MLPHyperparameters(ImageHyperparameters):
    """Hyperparameters of the three MLPs."""

    model: Literal["shallow", "wide", "deep"] = Field("shallow", description="architecture")


class CNNHyperparameters(ImageHyperparameters):
    """Hyperparameters of the convolutional networks."""

    model: Literal["cnn1", "cnn2", "cnn3", "resnet18", "vgg11"] = Field("cnn2", description="architecture")


class ImageDeclaration(Declaration[ImageHyperparameters]):
    """A classifier of images, by default with the three MLPs."""

    Hyperparameters: type[ImageHyperparameters] = MLPHyperparameters
    scores: ClassVar = {"accuracy": "max"}
    fractions: ClassVar = frozenset({"accuracy"})
    fixed_data = True


class MNIST(ImageDeclaration):
    """MNIST with the three MLPs."""

    name = "mnist"
    source = Source("mnist", "ylecun/mnist", 18, also=("MNIST/raw",))


class FashionMNIST(ImageDeclaration):
    """Fashion-MNIST with the three MLPs."""

    name = "fmnist"
    source = Source("fashion_mnist", "zalando-datasets/fashion_mnist", 36, also=("FashionMNIST/raw",))


class Digits(ImageDeclaration):
    """Scikit-learn's digits, split into 1,347 training images (validation included) and 450 test images."""

    name = "digits"


class CIFAR10(ImageDeclaration):
    """CIFAR-10 with convolutional networks; training images are cropped and flipped at random."""

    name = "cifar10"
    source = Source("cifar10", "uoft-cs/cifar10", 144, also=("cifar-10-batches-py",))
    Hyperparameters = CNNHyperparameters


class CIFAR100(ImageDeclaration):
    """CIFAR-100 with convolutional networks; training images are cropped and flipped at random."""

    name = "cifar100"
    source = Source("cifar100", "uoft-cs/cifar100", 142, also=("cifar-100-python",))
    Hyperparameters = CNNHyperparameters

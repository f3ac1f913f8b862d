"""CIFAR-100: 50,000 training and 10,000 test images of 32x32, in colour, a hundred classes."""

from trainables.cifar10 import CIFAR10
from trainables.data.images import ImageDataset


class CIFAR100(CIFAR10):
    """CIFAR-100 with convolutional networks; training images are cropped and flipped at random."""

    name = "cifar100"
    dataset = ImageDataset("uoft-cs/cifar100", image="img", label="fine_label", channels=3)
    classes = 100
    mean = (129.3, 124.1, 112.4)
    std = (68.2, 65.4, 70.4)

"""MNIST: 60,000 training and 10,000 test images of 28x28, grey, ten classes."""

from trainables.classification import ImageTrainable
from trainables.data.images import ImageDataset


class MNIST(ImageTrainable):
    """MNIST with the three MLPs."""

    name = "mnist"
    dataset = ImageDataset("ylecun/mnist")
    shape = (1, 28, 28)
    classes = 10
    mean = 33.32
    std = 78.57

"""Fashion-MNIST: 60,000 training and 10,000 test images of 28x28, grey, ten classes."""

from trainables.classification import ImageTrainable
from trainables.data.images import ImageDataset


class FashionMNIST(ImageTrainable):
    """Fashion-MNIST with the three MLPs."""

    name = "fmnist"
    dataset = ImageDataset("zalando-datasets/fashion_mnist")
    shape = (1, 28, 28)
    classes = 10
    mean = 72.94
    std = 90.02

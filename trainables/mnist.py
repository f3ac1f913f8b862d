"""MNIST and Fashion-MNIST: 60,000 training and 10,000 test images of 28x28 in grey, ten classes each."""

from trainables.data.images import ImageDataset
from trainables.data.torchvision_files import IdxFiles
from trainables.declarations import images as declared
from trainables.images import ImageTrainable


class MNIST(declared.MNIST, ImageTrainable):
    dataset = ImageDataset(declared.MNIST.source.origin, forms=[IdxFiles("MNIST", "mnist")])
    shape = (1, 28, 28)
    classes = 10
    mean = 33.32
    std = 78.57


class FashionMNIST(declared.FashionMNIST, MNIST):
    dataset = ImageDataset(
        declared.FashionMNIST.source.origin, forms=[IdxFiles("FashionMNIST", "fashion_mnist")]
    )
    mean = 72.94
    std = 90.02

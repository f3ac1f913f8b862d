"""CIFAR-10 and CIFAR-100: 50,000 training and 10,000 test images of 32x32 in colour."""

from trainables.augmentation import crop_and_flip
from trainables.data.images import ImageDataset
from trainables.declarations import images as declared
from trainables.images import ImageTrainable
from trainables.models.cnn import CNNS


class CIFAR10(declared.CIFAR10, ImageTrainable):
    dataset = ImageDataset(declared.CIFAR10.source.origin, image="img", channels=3)
    shape = (3, 32, 32)
    classes = 10
    mean = (125.3, 123.0, 113.9)
    std = (63.0, 62.1, 66.7)
    architectures = CNNS
    augment = staticmethod(crop_and_flip)


class CIFAR100(declared.CIFAR100, CIFAR10):
    dataset = ImageDataset(declared.CIFAR100.source.origin, image="img", label="fine_label", channels=3)
    classes = 100
    mean = (129.3, 124.1, 112.4)
    std = (68.2, 65.4, 70.4)

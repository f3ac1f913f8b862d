"""CIFAR-10 and CIFAR-100: 50,000 training and 10,000 test images of 32x32 in colour."""

from trainables.augmentation import crop_and_flip
from trainables.data.images import ImageDataset
from trainables.data.torchvision_files import CifarBatches
from trainables.declarations import images as declared
from trainables.images import ImageTrainable
from trainables.models.cnn import CNNS

_CIFAR10 = CifarBatches(
    "CIFAR10",
    "cifar-10-batches-py",
    "cifar10",
    {"train": [f"data_batch_{i}" for i in range(1, 6)], "test": ["test_batch"]},
)
_CIFAR100 = CifarBatches("CIFAR100", "cifar-100-python", "cifar100", {"train": ["train"], "test": ["test"]})


class CIFAR10(declared.CIFAR10, ImageTrainable):
    dataset = ImageDataset(declared.CIFAR10.source.origin, image="img", channels=3, forms=[_CIFAR10])
    shape = (3, 32, 32)
    classes = 10
    mean = (125.3, 123.0, 113.9)
    std = (63.0, 62.1, 66.7)
    architectures = CNNS
    augment = staticmethod(crop_and_flip)


class CIFAR100(declared.CIFAR100, CIFAR10):
    dataset = ImageDataset(
        declared.CIFAR100.source.origin, image="img", label="fine_label", channels=3, forms=[_CIFAR100]
    )
    classes = 100
    mean = (129.3, 124.1, 112.4)
    std = (68.2, 65.4, 70.4)

"""CIFAR-100: 50,000 training and 10,000 test images of 32x32, in colour, a hundred classes."""

from trainables.cifar10 import CIFAR10
from trainables.data.images import ImageDataset, Images

DATASET = ImageDataset("uoft-cs/cifar100", image="img", label="fine_label", channels=3)


class CIFAR100(CIFAR10):
    """CIFAR-100 with convolutional networks; training images are cropped and flipped at random."""

    name = "cifar100"
    classes = 100
    mean = (129.3, 124.1, 112.4)
    std = (68.2, 65.4, 70.4)

    def load(self, split: str) -> Images:
        """Load a split.

        Args:
            split: ``train`` or ``test``.

        Returns:
            Its images.
        """
        return DATASET.load(split, self.data_dir)

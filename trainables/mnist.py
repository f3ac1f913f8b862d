"""MNIST: 60,000 training and 10,000 test images of 28x28, grey, ten classes."""

from trainables.classification import ImageTrainable
from trainables.data.images import ImageDataset, Images

DATASET = ImageDataset("ylecun/mnist")


class MNIST(ImageTrainable):
    """MNIST with the three MLPs."""

    name = "mnist"
    shape = (1, 28, 28)
    classes = 10
    mean = 33.32
    std = 78.57

    def load(self, split: str) -> Images:
        """Load a split.

        Args:
            split: ``train`` or ``test``.

        Returns:
            Its images.
        """
        return DATASET.load(split, self.data_dir)

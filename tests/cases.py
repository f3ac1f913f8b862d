"""Each trainable in its smallest form."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from trainables.digits import Digits
from trainables.fmnist import FashionMNIST
from trainables.mnist import MNIST
from trainables.testing import TrainableCase

# 7 steps an epoch: no multiple of the groups of a model, so that a lost step counter shows.
SMALL = {"epochs": 2, "batch_size": 32, "train_subset": 200, "lr": 0.05}


def small(trainable, model="shallow", **changes) -> TrainableCase:
    return TrainableCase(trainable, trainable.Hyperparameters(model=model, **(SMALL | changes)))


# To add a trainable, add its line: from the folder with the datasets to the case.
CASES: dict[str, Callable[..., TrainableCase]] = {
    "digits": lambda data_dir, **changes: small(Digits(), **changes),
    "mnist": lambda data_dir, **changes: small(MNIST(data_dir), **changes),
    "fmnist": lambda data_dir, **changes: small(FashionMNIST(data_dir), **changes),
}


def write_made_data(folder: Path) -> None:
    """Write small datasets that can be learned, in the form of the real ones."""
    for seed, name in enumerate(("mnist", "fashion_mnist")):
        random = np.random.RandomState(seed)  # its stream never changes, as the golden losses need
        templates = random.randint(0, 256, (10, 28, 28))
        for split, n in (("train", 300), ("test", 60)):
            labels = random.randint(0, 10, n)
            pixels = (templates[labels] + random.randint(0, 256, (n, 28, 28))) // 2
            write_parquet(folder / name, split, pixels.astype(np.uint8), labels.tolist())


def write_parquet(folder: Path, split: str, images, labels) -> Path:
    """Write a split as the hub's image datasets are: encoded images and class labels in parquet."""
    from datasets import ClassLabel, Dataset, Features, Image
    from PIL import Image as PILImage

    features = Features({"image": Image(), "label": ClassLabel(num_classes=10)})
    rows = {"image": [PILImage.fromarray(image) for image in images], "label": labels}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{split}-00000-of-00001.parquet"
    Dataset.from_dict(rows, features=features).to_parquet(path)
    return path

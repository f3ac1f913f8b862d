"""Each trainable in its smallest form."""

from collections.abc import Callable

from trainables.cifar import CIFAR10, CIFAR100
from trainables.conll2003 import CoNLL2003
from trainables.digits import Digits
from trainables.imdb import IMDB
from trainables.linear_network import LinearNetwork
from trainables.mnist import MNIST, FashionMNIST
from trainables.quadratic import Quadratic
from trainables.sparse_regression import SparseRegression
from trainables.temperatures import Temperatures
from trainables.testing import TrainableCase

# An epoch has 7 steps, not a multiple of any model's number of groups, so that a lost step counter shows.
SMALL = {"epochs": 2, "batch_size": 32, "train_subset": 200, "lr": 0.05}
FEW = SMALL | {"batch_size": 8, "train_subset": 50}
WORDS = FEW | {"vectors": "vectors/made.txt", "optimizer": "adam", "lr": 0.01}
# The formulas of the quadratic are for plain descent.
PLAIN = FEW | {"momentum": 0.0, "weight_decay": 0.0, "lr_schedule": "constant"}
# The outputs of a recurrent layer are bounded, so only an infinite weight makes its loss infinite.
BOUNDED = 3e38


def small(trainable, defaults, changes, **case) -> TrainableCase:
    return TrainableCase(trainable, trainable.Hyperparameters(**(defaults | changes)), **case)


# Each trainable has a line here: a function from the folder with the datasets to the case.
CASES: dict[str, Callable[..., TrainableCase]] = {
    "cifar10": lambda data_dir, **changes: small(CIFAR10(data_dir), FEW | {"model": "cnn1"}, changes),
    "cifar100": lambda data_dir, **changes: small(CIFAR100(data_dir), FEW | {"model": "cnn1"}, changes),
    "conll2003": lambda data_dir, **changes: small(
        CoNLL2003(data_dir), WORDS | {"hidden": 8}, changes, diverging_lr=BOUNDED
    ),
    "digits": lambda data_dir, **changes: small(Digits(), SMALL, changes),
    "fmnist": lambda data_dir, **changes: small(FashionMNIST(data_dir), SMALL, changes),
    "imdb": lambda data_dir, **changes: small(
        IMDB(data_dir),
        WORDS | {"model": "trans2", "max_words": 20, "hidden": 8},
        changes,
        diverging_lr=BOUNDED,
    ),
    "linear_network": lambda data_dir, **changes: small(
        LinearNetwork(), FEW | {"width": 8, "lr": 0.01}, changes
    ),
    "mnist": lambda data_dir, **changes: small(MNIST(data_dir), SMALL, changes),
    "quadratic": lambda data_dir, **changes: small(Quadratic(), PLAIN | {"dimension": 20}, changes),
    "sparse_regression": lambda data_dir, **changes: small(
        SparseRegression(data_dir), {"epochs": 2, "batch_size": 16, "examples": 21}, changes
    ),
    "temperatures": lambda data_dir, **changes: small(
        Temperatures(data_dir), FEW | {"hidden": 8, "window": 5}, changes
    ),
}

"""Names of trainables: what a YAML may ask for, and nothing else."""

from importlib import import_module
from importlib.metadata import entry_points

from trainables.base import Trainable

BUILT_IN = {
    "cifar10": "trainables.cifar:CIFAR10",
    "cifar100": "trainables.cifar:CIFAR100",
    "conll2003": "trainables.conll2003:CoNLL2003",
    "digits": "trainables.digits:Digits",
    "fmnist": "trainables.mnist:FashionMNIST",
    "imdb": "trainables.imdb:IMDB",
    "mnist": "trainables.mnist:MNIST",
    "temperatures": "trainables.temperatures:Temperatures",
}
ENTRY_POINT_GROUP = "noisesweep.trainables"
_registered: dict[str, type[Trainable]] = {}


def register(trainable: type[Trainable]) -> type[Trainable]:
    """Make a trainable known in this process, from a script or notebook; usable as a decorator.

    An installed package does the same for everybody with an entry point in ``noisesweep.trainables``.

    Args:
        trainable: The class; its ``name`` is what a YAML says.

    Returns:
        The class.
    """
    _registered[trainable.name] = trainable
    return trainable


def names() -> list[str]:
    """List what a YAML may name.

    Returns:
        Names, sorted.
    """
    return sorted({*BUILT_IN, *_registered, *entry_points(group=ENTRY_POINT_GROUP).names})


def get(name: str) -> type[Trainable]:
    """Look a trainable up.

    Args:
        name: One of ``names()``.

    Returns:
        The class.

    Raises:
        KeyError: If there is none of that name.
    """
    if name in _registered:
        return _registered[name]
    if name in BUILT_IN:
        module, attribute = BUILT_IN[name].split(":")
        found: type[Trainable] = getattr(import_module(module), attribute)
        return found
    return entry_points(group=ENTRY_POINT_GROUP)[name].load()

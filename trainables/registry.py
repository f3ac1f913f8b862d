"""The registry of trainables: a YAML can use only these names."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from trainables.declarations.base import Declaration
from trainables.plugins import Plugins

if TYPE_CHECKING:
    from trainables.base import Trainable

# The class of each trainable, the module in ``declarations`` that declares it, and the one that trains it.
BUILT_IN = {
    "cifar10": ("CIFAR10", "images", "cifar"),
    "cifar100": ("CIFAR100", "images", "cifar"),
    "conll2003": ("CoNLL2003", "texts", "conll2003"),
    "digits": ("Digits", "images", "digits"),
    "fmnist": ("FashionMNIST", "images", "mnist"),
    "imdb": ("IMDB", "texts", "imdb"),
    "linear_network": ("LinearNetwork", "known_truths", "linear_network"),
    "mnist": ("MNIST", "images", "mnist"),
    "quadratic": ("Quadratic", "known_truths", "quadratic"),
    "sparse_regression": ("SparseRegression", "sparse_regression", "sparse_regression"),
    "temperatures": ("Temperatures", "series", "temperatures"),
}
_installed = Plugins("noisesweep.trainables", "trainable", BUILT_IN)
_registered: dict[str, "type[Trainable[Any]]"] = {}


def register(trainable: "type[Trainable[Any]]") -> "type[Trainable[Any]]":
    """Add a trainable in this process, from a script or notebook; usable as a decorator.

    An installed package adds one for everybody with an entry point in the group ``noisesweep.trainables``.

    Args:
        trainable: The class; its ``name`` is its name in a YAML.

    Returns:
        The class.
    """
    _registered[trainable.name] = trainable
    return trainable


def names() -> list[str]:
    """Names of all trainables, sorted: built in, registered and from installed packages."""
    return sorted({*BUILT_IN, *_registered, *_installed.names()})


def registered(name: str) -> "type[Trainable[Any]] | None":
    """Look up a trainable that was registered in this process; other processes do not know it."""
    return _registered.get(name)


def declaration(name: str) -> type[Declaration[Any]]:
    """Look up what a YAML needs to know of a trainable; for a built-in one, torch is not imported.

    Args:
        name: One of ``names()``.

    Returns:
        Its declaration, which is the class itself unless it is built in.

    Raises:
        KeyError: If the name is unknown.
        PluginError: If the package that defines it cannot be imported, or several packages define it.
    """
    return _provided(name) or _built_in(name, declared=True)


def get(name: str) -> "type[Trainable[Any]]":
    """Look up a trainable; one registered in this process comes first.

    Args:
        name: One of ``names()``.

    Returns:
        The class.

    Raises:
        KeyError: If the name is unknown.
        PluginError: If the package that defines it cannot be imported, or several packages define it.
    """
    return _provided(name) or _built_in(name, declared=False)


def _built_in(name: str, *, declared: bool) -> Any:
    """Import the declaration of a built-in trainable, or the trainable itself."""
    class_name, declared_in, trained_in = BUILT_IN[name]
    module = f"declarations.{declared_in}" if declared else trained_in
    return getattr(import_module(f"trainables.{module}"), class_name)


def _provided(name: str) -> "type[Trainable[Any]] | None":
    """Return a trainable that is registered or from an installed package; None if it is built in."""
    if name in _registered:
        return _registered[name]
    if name in BUILT_IN and name not in _installed.names():
        return None
    # To check the class, torch is imported.
    from trainables.base import Trainable

    found: type[Trainable[Any]] | None = _installed.get(name, Trainable)
    if found is None:
        raise KeyError(name)
    return found

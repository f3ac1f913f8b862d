"""The registry of trainables: a YAML can use only these names."""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points

from trainables.base import Trainable
from trainables.data import reason_of

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


class RegistryError(Exception):
    """An installed package whose trainable cannot be used; the text names the package."""


def register(trainable: type[Trainable]) -> type[Trainable]:
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
    return sorted({*BUILT_IN, *_registered, *entry_points(group=ENTRY_POINT_GROUP).names})


def get(name: str) -> type[Trainable]:
    """Look up a trainable; one registered in this process comes first.

    Args:
        name: One of ``names()``.

    Returns:
        The class.

    Raises:
        KeyError: If the name is unknown.
        RegistryError: If the package that defines it cannot be imported, or several packages define it.
    """
    if name in _registered:
        return _registered[name]
    installed = entry_points(group=ENTRY_POINT_GROUP, name=name)
    packages = sorted(_package(point) for point in installed)
    if name in BUILT_IN:
        packages.append("noisesweep")
    if len(packages) > 1:
        raise RegistryError(
            f"trainable {name!r} is defined by several packages ({', '.join(packages)}); "
            f"rename it in {packages[0]}, or uninstall that package"
        )
    if not packages:
        raise KeyError(name)
    if name in BUILT_IN:
        module, attribute = BUILT_IN[name].split(":")
        trainable: type[Trainable] = getattr(import_module(module), attribute)
        return trainable
    (point,) = installed
    return _load(point)


def _load(point: EntryPoint) -> type[Trainable]:
    place = f"package {_package(point)}: trainable {point.name!r} ({point.value})"
    try:
        loaded = point.load()
    except Exception as error:
        # Importing a package can raise anything.
        raise RegistryError(
            f"{place} cannot be imported ({reason_of(error)}); fix or uninstall the package"
        ) from error
    is_trainable = isinstance(loaded, type) and issubclass(loaded, Trainable)
    if not is_trainable or getattr(loaded, "name", None) != point.name:
        raise RegistryError(f"{place} must be a subclass of Trainable with name = {point.name!r}")
    return loaded


def _package(point: EntryPoint) -> str:
    return point.dist.name if point.dist else point.module

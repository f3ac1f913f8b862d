"""The registry of trainables: a YAML can use only these names."""

from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any

from trainables.data import reason_of
from trainables.declarations.base import Declaration

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
    "mnist": ("MNIST", "images", "mnist"),
    "sparse_regression": ("SparseRegression", "sparse_regression", "sparse_regression"),
    "temperatures": ("Temperatures", "series", "temperatures"),
}
ENTRY_POINT_GROUP = "noisesweep.trainables"
_registered: dict[str, "type[Trainable[Any]]"] = {}


class RegistryError(Exception):
    """An installed package whose trainable cannot be used; the text names the package."""


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
    return sorted({*BUILT_IN, *_registered, *entry_points(group=ENTRY_POINT_GROUP).names})


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
        RegistryError: If the package that defines it cannot be imported, or several packages define it.
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
        RegistryError: If the package that defines it cannot be imported, or several packages define it.
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
    point = next(iter(installed), None)
    return _load(point) if point else None


def _load(point: EntryPoint) -> "type[Trainable[Any]]":
    from trainables.base import Trainable

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

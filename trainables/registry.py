"""The registry of trainables: a YAML can use only these names."""

from collections.abc import Iterable
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from trainables.declarations.base import Declaration
from trainables.noise import registry as modes
from trainables.noise.modes.base import NoiseMode
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
_registered: dict[str, Any] = {}
Added = TypeVar("Added", bound=type)


def register(added: Added) -> Added:
    """Add a trainable or a noise mode in this process, from a script or notebook; usable as a decorator.

    Sweeps that this process runs send it to their workers. An installed package adds one for everybody with
    an entry point in the group ``noisesweep.trainables`` or ``noisesweep.noise_modes``.

    Args:
        added: A subclass of ``Trainable`` or ``NoiseMode``; its ``name`` is its name in a YAML. It replaces
            one of the same name that was registered before.

    Returns:
        The class.

    Raises:
        TypeError: If it is no such class.
        ValueError: If it has no name, or that of one that is built in; or if it is a noise mode with a wrong
            attribute.
    """
    if isinstance(added, type) and issubclass(added, NoiseMode):
        modes.register(added)
    elif isinstance(added, type) and issubclass(added, Declaration):
        _registered[_name_of(added)] = added
    else:
        raise TypeError(f"register takes a subclass of Trainable or NoiseMode, got {added!r:.60}")
    return added


def _name_of(trainable: type) -> str:
    name = getattr(trainable, "name", None)
    if not isinstance(name, str) or not name:
        raise ValueError(f'{trainable.__name__}: a trainable must have a name, such as name = "mine"')
    if name in BUILT_IN:
        raise ValueError(f"{trainable.__name__}: the trainable {name!r} is built in; give yours another name")
    return name


def names() -> list[str]:
    """Names of all trainables, sorted: built in, registered and from installed packages."""
    return sorted({*BUILT_IN, *_registered, *_installed.names()})


def registered(trainable: str, noise_modes: Iterable[str], *, only_declared: bool = False) -> list[type]:
    """List those of a trainable and some noise modes that other processes must ``register`` to know them.

    Args:
        trainable: Name of the trainable.
        noise_modes: Names of the modes.
        only_declared: Of the trainable, return its declaration, which needs neither torch nor its data.
    """
    found: list[type | None] = [_registered.get(trainable), *map(modes.registered, noise_modes)]
    if only_declared and found[0]:
        found[0] = _declared(found[0])
    return [each for each in found if each]


def _declared(trainable: type) -> type:
    """Copy what a trainable declares, of whatever class it has it."""
    names = [name for name in Declaration.__annotations__ if hasattr(trainable, name)]
    return type(trainable.__name__, (Declaration,), {name: getattr(trainable, name) for name in names})


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

"""The registry of noise modes.

``trainables.register`` adds one in this process; an installed package adds one for everybody with an entry
point in the group ``noisesweep.noise_modes``.
"""

from functools import cache

from trainables.noise.modes.after_all import AfterAll
from trainables.noise.modes.after_layer import AfterLayer
from trainables.noise.modes.all import All
from trainables.noise.modes.anti import Anti
from trainables.noise.modes.asam import ASAM
from trainables.noise.modes.base import NoiseMode
from trainables.noise.modes.first_group import FirstGroup
from trainables.noise.modes.langevin import Langevin
from trainables.noise.modes.layer import Layer
from trainables.noise.modes.mixed import Mixed
from trainables.noise.modes.none import NoNoise
from trainables.noise.modes.sam import SAM
from trainables.noise.modes.scaled import Scaled
from trainables.noise.modes.two_point import TwoPoint
from trainables.plugins import PluginError, Plugins

# The modes of the study come first: ``compare: noise`` means them.
STUDIED: tuple[type[NoiseMode], ...] = (NoNoise, All, Layer, AfterAll, AfterLayer)
OTHERS: tuple[type[NoiseMode], ...] = (TwoPoint, Mixed, Scaled, Anti, Langevin, SAM, ASAM, FirstGroup)
BUILT_IN = {mode.name: mode for mode in (*STUDIED, *OTHERS)}
STUDY_MODES = tuple(mode.name for mode in STUDIED)
_installed = Plugins("noisesweep.noise_modes", "noise mode", BUILT_IN)
_registered: dict[str, type[NoiseMode]] = {}


def register(mode: type[NoiseMode]) -> None:
    """Add a mode in this process; one of the same name that was registered before is replaced.

    Raises:
        ValueError: If it has no name, that of a mode that is built in, or a wrong attribute.
    """
    name = getattr(mode, "name", None)
    if not isinstance(name, str) or not name:
        raise ValueError(f'{mode.__name__}: a noise mode must have a name, such as name = "uphill"')
    if name in BUILT_IN:
        raise ValueError(f"{mode.__name__}: the noise mode {name!r} is built in; give yours another name")
    if mistake := mode.mistake():
        raise ValueError(f"noise mode {name!r}: {mistake}")
    _registered[name] = mode


def registered(name: str) -> type[NoiseMode] | None:
    """Look up a mode that was registered in this process; other processes do not know it."""
    return _registered.get(name)


@cache
def installed_names() -> tuple[str, ...]:
    """Names of the modes of installed packages, read once a process, as that takes 20 ms."""
    return tuple(name for name in _installed.names() if name not in BUILT_IN)


def names() -> list[str]:
    """Names of all modes: the study's, the other ones built in, those of packages, and registered ones."""
    return list(dict.fromkeys([*BUILT_IN, *installed_names(), *_registered]))


def get(name: str) -> type[NoiseMode]:
    """Look up a mode; one registered in this process comes before one of an installed package.

    Args:
        name: One of ``names()``.

    Returns:
        The class.

    Raises:
        ValueError: If the name is unknown.
        PluginError: If the package that defines it cannot be imported, its class has a wrong attribute, or
            several packages define it.
    """
    return _registered.get(name) or _provided(name)


@cache
def _provided(name: str) -> type[NoiseMode]:
    mode: type[NoiseMode] | None = _installed.get(name, NoiseMode) or BUILT_IN.get(name)
    if mode and (mistake := mode.mistake()):
        raise PluginError(f"noise mode {name!r} ({mode.__module__}): {mistake}")
    if mode is None:
        raise ValueError(f"noise mode must be one of {', '.join(names())}, got {name!r}")
    return mode

"""The registry of noise modes.

An installed package adds one with an entry point in the group ``noisesweep.noise_modes``.
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


def names() -> list[str]:
    """Names of all modes: the study's, the other ones that are built in, and those of installed packages."""
    return [*BUILT_IN, *(name for name in _installed.names() if name not in BUILT_IN)]


@cache
def get(name: str) -> type[NoiseMode]:
    """Look up a mode; what packages define is read once a process, as that takes 20 ms.

    Args:
        name: One of ``names()``.

    Returns:
        The class.

    Raises:
        ValueError: If the name is unknown.
        PluginError: If the package that defines it cannot be imported, its class has a wrong attribute, or
            several packages define it.
    """
    mode: type[NoiseMode] | None = _installed.get(name, NoiseMode) or BUILT_IN.get(name)
    if mode and (mistake := mode.mistake()):
        raise PluginError(f"noise mode {name!r} ({mode.__module__}): {mistake}")
    if mode is None:
        raise ValueError(f"noise mode must be one of {', '.join(names())}, got {name!r}")
    return mode

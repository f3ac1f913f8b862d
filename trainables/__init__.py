"""Trains one trial: noise injection, the training loop, and one trainable per dataset.

Use ``NoiseInjector`` in a training loop of your own; ``from_arrays`` to add a dataset and networks of your
own, or ``Trainable`` and ``Hyperparameters`` if the data are not arrays; ``NoiseMode`` to add a noise mode;
``register`` to make any of them known; ``get`` and ``names`` to look trainables up.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from trainables.arrays import from_arrays
    from trainables.base import Trainable
    from trainables.declarations.hyperparameters import NOISE_MODES, Hyperparameters
    from trainables.noise.injector import NoiseInjector
    from trainables.noise.modes.base import NoiseMode
    from trainables.noise.schedule import scheduled_sigma
    from trainables.registry import get, names, register

__all__ = [
    "NOISE_MODES",
    "Hyperparameters",
    "NoiseInjector",
    "NoiseMode",
    "Trainable",
    "from_arrays",
    "get",
    "names",
    "register",
    "scheduled_sigma",
]
_MODULES = {
    "NOISE_MODES": "declarations.hyperparameters",
    "Hyperparameters": "declarations.hyperparameters",
    "NoiseInjector": "noise.injector",
    "NoiseMode": "noise.modes.base",
    "Trainable": "base",
    "from_arrays": "arrays",
    "get": "registry",
    "names": "registry",
    "register": "registry",
    "scheduled_sigma": "noise.schedule",
}


def __getattr__(name: str) -> Any:
    # Lazily, because programs that only read declarations must not import torch.
    from importlib import import_module

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)

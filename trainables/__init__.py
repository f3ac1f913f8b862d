"""Trains one trial: noise injection, the training loop, and one trainable per dataset.

Use ``NoiseInjector`` in a training loop of your own; ``Trainable``, ``Hyperparameters`` and ``register`` to
add a dataset of your own; ``get`` and ``names`` to look trainables up.
"""

from trainables.base import Trainable
from trainables.hyperparameters import Hyperparameters
from trainables.noise import NOISE_MODES, NoiseInjector, scheduled_sigma
from trainables.registry import get, names, register

__all__ = [
    "NOISE_MODES",
    "Hyperparameters",
    "NoiseInjector",
    "Trainable",
    "get",
    "names",
    "register",
    "scheduled_sigma",
]

"""Which test examples a network has right, one bit an example, as JSON can hold it."""

import base64
from collections.abc import Mapping
from typing import Any

import numpy as np


def packed(correct: np.ndarray) -> dict[str, Any]:
    """Pack an array (examples,) of type bool: ``numpy.packbits`` in base64, and the number of examples."""
    bits = base64.b64encode(np.packbits(correct).tobytes()).decode()
    return {"examples": len(correct), "bits": bits}


def unpacked(correct: Mapping[str, Any]) -> np.ndarray:
    """Return the array that ``packed`` was given."""
    stored = np.frombuffer(base64.b64decode(correct["bits"]), np.uint8)
    return np.unpackbits(stored, count=correct["examples"]).astype(bool)

"""Arrays on disk, mapped into memory: pages are read when used, and shared by all processes of a machine."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_FINGERPRINT = "fingerprint"


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray], beside: bytes = b"") -> None:
    """Write arrays and a hash of them.

    Args:
        folder: Where to.
        arrays: By name.
        beside: What else the hash is of.
    """
    digest = hashlib.sha256(beside)
    for name, array in arrays.items():
        digest.update(array.tobytes())
        np.save(folder / f"{name}.npy", array)
    (folder / _FINGERPRINT).write_text(digest.hexdigest()[:16])


def read_array(folder: Path, name: str) -> Tensor:
    """Map an array that ``write_arrays`` wrote.

    Args:
        folder: Where it is.
        name: Its name.

    Returns:
        A tensor over the file; writes to it stay private.
    """
    return torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode="c"))


def read_fingerprint(folder: Path) -> str:
    """Read the hash that ``write_arrays`` wrote.

    Args:
        folder: Where it is.

    Returns:
        16 hexadecimal digits.
    """
    return (folder / _FINGERPRINT).read_text()

"""Memory-mapped arrays: pages are read when used and shared by all processes of a machine."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_FINGERPRINT = "fingerprint"


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray], also_hashed: bytes = b"") -> None:
    """Write arrays by name, and a hash of them and of ``also_hashed``."""
    digest = hashlib.sha256(also_hashed)
    for name, array in arrays.items():
        digest.update(array.tobytes())
        np.save(folder / f"{name}.npy", array)
    (folder / _FINGERPRINT).write_text(digest.hexdigest()[:16])


def fingerprint_of(*tensors: Tensor) -> str:
    """Hash tensors in memory, to 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(tensor.cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def read_array(folder: Path, name: str) -> Tensor:
    """Map an array that ``write_arrays`` wrote; writes to the tensor do not reach the file."""
    return torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode="c"))


def read_fingerprint(folder: Path) -> str:
    """Read the hash that ``write_arrays`` wrote, 16 hexadecimal digits."""
    return (folder / _FINGERPRINT).read_text()

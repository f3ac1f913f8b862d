"""Memory-mapped arrays: pages are read when used and shared by all processes of a machine."""

import hashlib
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_FINGERPRINT = "fingerprint"


@dataclass(frozen=True)
class Examples:
    """One split: inputs (N, ...), targets (N, ...), and a hash of both."""

    inputs: Tensor
    targets: Tensor
    fingerprint: str


def as_array(values: Tensor | np.ndarray) -> np.ndarray:
    """Return a tensor as a NumPy array of the same memory, and an array as it is."""
    return values.detach().cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def as_tensor(array: np.ndarray) -> Tensor:
    """Return a tensor over the memory of an array; do not write to it."""
    with warnings.catch_warnings():
        # The arrays in Ray's object store cannot be written.
        warnings.filterwarnings("ignore", "The given NumPy array is not writable", UserWarning)
        return torch.from_numpy(array)


def write_arrays(folder: Path, arrays: Mapping[str, np.ndarray], also_hashed: bytes = b"") -> None:
    """Write arrays by name, and a hash of them and of ``also_hashed``."""
    digest = hashlib.sha256(also_hashed)
    for name, array in arrays.items():
        digest.update(array.tobytes())
        np.save(folder / f"{name}.npy", array)
    (folder / _FINGERPRINT).write_text(digest.hexdigest()[:16])


def fingerprint_of(*arrays: Tensor | np.ndarray) -> str:
    """Hash arrays in memory, to 16 hexadecimal digits."""
    digest = hashlib.sha256()
    for array in arrays:
        # This copies an array only if it is not contiguous.
        digest.update(np.ascontiguousarray(as_array(array)).data)
    return digest.hexdigest()[:16]


def read_array(folder: Path, name: str) -> Tensor:
    """Map an array that ``write_arrays`` wrote; writes to the tensor do not reach the file."""
    return torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode="c"))


def read_fingerprint(folder: Path) -> str:
    """Read the hash that ``write_arrays`` wrote, 16 hexadecimal digits."""
    return (folder / _FINGERPRINT).read_text()

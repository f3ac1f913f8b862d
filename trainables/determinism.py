"""Deterministic cuDNN, so that a seed determines the numbers on a GPU as well."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def deterministic_cudnn() -> Iterator[None]:
    """Restrict cuDNN to convolutions that sum in a fixed order; nothing changes without a GPU."""
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before

"""cuDNN's part in that a seed decides the numbers on a GPU too."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def deterministic_cudnn() -> Iterator[None]:
    """Keep cuDNN to convolutions whose sums are taken in one order; elsewhere nothing changes.

    Yields:
        Nothing.
    """
    before = torch.backends.cudnn.deterministic
    torch.backends.cudnn.deterministic = True
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic = before

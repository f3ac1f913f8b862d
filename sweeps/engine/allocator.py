"""The C library's allocator, set for training: activations of the same sizes come and go in every step."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # malloc.h
_MOST = 2**31 - 1  # of what an int of C holds, bytes


def keep_freed_memory() -> None:
    """Let this process keep what it frees, for its next step, instead of giving it back to the system.

    By default glibc maps each large tensor anew, and the kernel fills its pages with zeros each time. Nothing
    is done where there is no glibc.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _MOST)

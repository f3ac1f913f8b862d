"""Means and standard deviations of arrays that may be as large as the memory."""

from collections.abc import Callable

import numpy as np

_CHUNK = 2**26  # bytes


def mean_and_std(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Compute both in float64, over the examples, and for images also over the pixels of a channel.

    Args:
        values: (N, ...); an array of four dimensions has images (N, K, H, W).

    Returns:
        Mean and standard deviation, 1 for a feature or channel that is constant; of shape (...), for images
        (K, 1, 1).
    """
    axes: tuple[int, ...] = (0, 2, 3) if values.ndim == 4 else (0,)

    def over(reduce: Callable[[np.ndarray], np.ndarray]) -> list[np.ndarray]:
        n_chunks = min(len(values), values.nbytes // _CHUNK + 1)
        return [reduce(chunk) for chunk in np.array_split(values, n_chunks)]

    n = values.size // (values.shape[1] if values.ndim == 4 else max(1, values[0].size))
    mean = sum(over(lambda chunk: chunk.sum(axes, np.float64, keepdims=True))) / n
    variance = sum(over(lambda chunk: np.square(chunk - mean).sum(axes, keepdims=True))) / n
    highest = np.max(over(lambda chunk: chunk.max(axes, keepdims=True)), axis=0)
    lowest = np.min(over(lambda chunk: chunk.min(axes, keepdims=True)), axis=0)
    # By rounding, the variance of a constant need not be zero.
    std = np.where(highest == lowest, 1.0, np.sqrt(variance))
    return mean[0], std[0]

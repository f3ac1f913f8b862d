"""Class labels as people store them.

Shapes: N examples, C classes.
"""

import math
from numbers import Real
from typing import Any

import numpy as np

from trainables.data import ContentError
from trainables.data.arrays import as_array

# Not all larger whole numbers are a float64.
_HIGHEST = 2**53


def as_labels(values: Any, classes: int | None = None) -> np.ndarray:
    """Return labels as int64, (N,).

    Args:
        values: An array, a tensor or a list of whole numbers of any type, (N,) or (N, 1).
        classes: C; None if every whole number from 0 to 2**53 is a label.

    Raises:
        ContentError: If one is not a whole number from 0 to C - 1.
    """
    labels = as_array(values)
    labels = labels[:, 0] if labels.shape[1:] == (1,) else labels
    if labels.ndim != 1:
        raise ContentError(
            f"labels must be (N,), got the shape {labels.shape}; of one-hot labels take labels.argmax(1)"
        )
    numbers = labels.astype(float) if labels.dtype.kind in "biuf" else _numbers(labels)
    highest = _HIGHEST if classes is None else classes - 1
    right = (numbers >= 0) & (numbers <= highest) & (numbers == np.floor(numbers))
    if not right.all():
        row = int(right.argmin())
        raise ContentError(_mistake(labels.tolist()[row], classes), row + 1)
    return numbers.astype(np.int64)


def _numbers(labels: np.ndarray) -> np.ndarray:
    """Convert values of any type to float64, with NaN for those that are not numbers."""
    return np.array(
        [value if isinstance(value, Real) else math.nan for value in labels.tolist()], dtype=float
    )


def _mistake(got: Any, classes: int | None) -> str:
    whole = "a whole number from 0" + ("" if classes is None else f" to {classes - 1}")
    advice = ""
    if isinstance(got, str) or (classes is None and isinstance(got, Real) and float(got) > _HIGHEST):
        advice = "; number the classes, alike in all splits"
    elif got in (None, -1) or got != got:
        advice = "; remove the rows without a label"
    return f"the label must be {whole}, got {got!r:.60}{advice}"

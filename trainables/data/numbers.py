"""What people have as arrays: NumPy arrays, tensors, lists, data frames, columns of datasets."""

from numbers import Real
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.data.arrays import as_array
from trainables.errors import reason_of

# The types that torch computes with.
_KEPT = ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")

# The square of a larger number may be infinite.
_TOO_LARGE = 1e150


def inputs_of(name: str, values: Any) -> np.ndarray:
    """Return inputs (N, ...), grey images as (N, 1, H, W); numbers of a type that torch lacks become float64.

    Raises:
        ValueError: If they are no finite numbers, or images whose last axis has the channels.
    """
    array = _in_one_block(_finite(name, values), np.float64)
    if array.ndim == 1:
        return array[:, None]
    if array.ndim == 3 and array.dtype == np.uint8:
        return array[:, None]
    if array.ndim == 4 and array.shape[3] in (1, 3, 4) and array.shape[1] not in (1, 3, 4):
        axes = (0, 3, 1, 2)
        turned = f"{name}.permute{axes}" if isinstance(values, Tensor) else f"np.transpose({name}, {axes})"
        advice = f"if the last axis has the channels, give {turned}"
        raise ValueError(f"{name} has the shape {array.shape}; images must be (N, K, H, W); {advice}")
    return array


def targets_of(name: str, values: Any) -> np.ndarray:
    """Return labels (N,), of a type of whole numbers, or the targets of a regression, (N, O).

    Raises:
        ValueError: If they are no finite numbers, or have another shape.
    """
    array = _finite(name, values)
    # Labels stay whole numbers.
    array = _in_one_block(array, np.float64 if array.dtype.kind == "f" else np.int64)
    if array.dtype.kind == "f":
        array = array[:, None] if array.ndim == 1 else array
        wrong, rule = array.ndim != 2, "targets must be (N,) or (N, outputs)"
    else:
        array = array[:, 0] if array.shape[1:] == (1,) else array
        wrong, rule = array.ndim != 1, "labels must be (N,); of one-hot labels take y.argmax(1)"
    if wrong:
        raise ValueError(f"{name} has the shape {array.shape}; {rule}")
    return array


def _in_one_block(array: np.ndarray, otherwise: type) -> np.ndarray:
    kind = "uint8" if array.dtype.kind == "b" else array.dtype
    return np.ascontiguousarray(array, kind if kind in _KEPT else otherwise)


def _finite(name: str, values: Any) -> np.ndarray:
    """Return an array of finite numbers or truth values, with at least one example."""
    array = _array(name, values)
    if array.dtype == object and array.ndim and _are_numbers(array).all():
        # Such as whole numbers beyond 64 bits.
        array = array.astype(float)
    if array.dtype.kind not in "biuf":
        raise ValueError(_not_a_number(name, values, array))
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"{name} is empty: it has the shape {array.shape}")
    # Unlike a check of every number, this needs no memory.
    if not (np.abs(np.array([array.min(), array.max()], float)) < _TOO_LARGE).all():
        raise ValueError(_not_finite(name, array))
    return array


def _not_finite(name: str, array: np.ndarray) -> str:
    row = next(index for index, example in enumerate(array) if not (np.abs(example) < _TOO_LARGE).all())
    if np.isfinite(array[row]).all():
        return f"{name} has a number of {_TOO_LARGE:g} or more, first in row {row}; use a larger unit"
    return f"{name} has NaN or infinity, first in row {row}; drop or fill such rows"


def _array(name: str, values: Any) -> np.ndarray:
    if isinstance(values, Tensor) and values.dtype == torch.bfloat16:
        values = values.float()
    if np.ma.is_masked(values):
        raise ValueError(
            f"{name} is a masked array; drop the masked rows, or fill them, such as with {name}.filled(0)"
        )
    try:
        array = as_array(values)
        return _of_objects(array) if array.dtype == object and array.ndim else array
    # Torch raises many types for a tensor without an array of its own, such as a sparse one.
    except Exception as error:
        if uneven := _uneven(values):
            raise ValueError(f"{name} has examples of different shapes: {uneven}") from error
        advice = f"; give a dense tensor, such as {name}.to_dense()" if isinstance(values, Tensor) else ""
        raise ValueError(f"{name} cannot be read as an array ({reason_of(error)}){advice}") from error


def _of_objects(array: np.ndarray) -> np.ndarray:
    """Find the type of numbers that lie in an array of objects, as those of a data frame do; None is NaN."""
    is_none = np.vectorize(lambda value: value is None, otypes=[bool])(array)
    found = np.asarray(np.where(is_none, np.nan, array).tolist())
    return found if found.dtype.kind in "biuf" else array


def _are_numbers(array: np.ndarray) -> np.ndarray:
    return np.vectorize(lambda value: isinstance(value, Real | np.bool_), otypes=[bool])(array)


def _uneven(values: Any) -> str:
    """Name the first example whose shape is not that of the first; empty if there is none."""
    try:
        shapes = [np.shape(example) for example in values]
    except Exception:
        # An example that has no shape has an error of its own, which the caller tells.
        return ""
    row = next((row for row, shape in enumerate(shapes) if shape != shapes[0]), None)
    return "" if row is None else f"row 0 has {shapes[0]} and row {row} {shapes[row]}"


def _not_a_number(name: str, values: Any, array: np.ndarray) -> str:
    advice = (
        "turn text and categories into numbers, such as with np.unique(..., return_inverse=True)[1], and "
        "a sparse matrix into an array with toarray()"
    )
    if array.ndim == 0:
        return f"{name} must have numbers, got {type(values).__name__}; {advice}"
    place = tuple(np.argwhere(~_are_numbers(array))[0])
    columns = getattr(values, "columns", None)
    column = f", column {columns[place[1]]!r}" if columns is not None and len(place) == 2 else ""
    return f"{name} must have numbers, got {array[place]!r:.60} in row {place[0]}{column}; {advice}"

"""Arrays that a user gives as a dataset: what they must be, and their split into training and test examples.

Shapes: N examples, C classes, O outputs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.data.arrays import Examples, as_array, as_tensor, fingerprint_of
from trainables.errors import reason_of

# The types that torch computes with; other numbers become float64.
_KEPT = ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")
_FEWEST = 10
_TEST_FRACTION = 5


@dataclass(frozen=True)
class Part:
    """Inputs (N, ...) and targets of one split: class indices (N,), or numbers (N, O)."""

    inputs: np.ndarray
    targets: np.ndarray

    def examples(self, fingerprint: str = "") -> Examples:
        """Return tensors over the same memory."""
        return Examples(as_tensor(self.inputs), as_tensor(self.targets), fingerprint)

    def rows(self, chosen: np.ndarray) -> "Part":
        """Copy the examples with these indices."""
        return Part(self.inputs[chosen], self.targets[chosen])


@dataclass(frozen=True)
class Given:
    """A dataset.

    Attributes:
        train: The examples for training and validation.
        test: The test split.
        classes: The distinct labels in ascending order; None for a regression.
        note: What the user must know of the test split; empty if it was given.
    """

    train: Part
    test: Part
    classes: np.ndarray | None
    note: str

    @property
    def fingerprint(self) -> str:
        """Hash of all arrays, their shapes and types; it takes a second for a gigabyte."""
        arrays = [self.train.inputs, self.train.targets, self.test.inputs, self.test.targets]
        arrays += [] if self.classes is None else [self.classes]
        forms = [(array.dtype.str, array.shape) for array in arrays]
        return fingerprint_of(np.frombuffer(repr(forms).encode(), np.uint8), *arrays)


def dataset_of(x: Any, y: Any, test: tuple[Any, Any] | None) -> Given:
    """Check arrays, and divide them.

    Raises:
        ValueError: If they are no data to train on; the text says what to do.
    """
    train, classes = _part("x", x, "y", y), None
    tested = None if test is None else _part("x_test", _pair(test)[0], "y_test", _pair(test)[1])
    if tested:
        _check_alike(train, tested)
    if train.targets.dtype.kind != "f":
        classes = _classes(train.targets)
        train = Part(train.inputs, _indices("y", train.targets, classes))
        tested = tested and Part(tested.inputs, _indices("y_test", tested.targets, classes))
    elif (train.targets == train.targets[0]).all():
        raise ValueError("y has the same target in every example")
    note, n = "", len(train.inputs)
    if not tested:
        train, tested = _held_out(train)
        note = f"no test split was given: {len(tested.inputs)} of the {n} examples are held out for it"
    if len(train.inputs) < _FEWEST:
        raise ValueError(f"there must be {_FEWEST} training examples or more, got {len(train.inputs)}")
    return Given(train, tested, classes, note)


def _pair(test: Any) -> Any:
    if not isinstance(test, tuple | list) or len(test) != 2:
        got = f"{len(test)} of them" if isinstance(test, tuple | list) else type(test).__name__
        raise ValueError(f"test must have the inputs and the targets, as test=(x_test, y_test), got {got}")
    return test


def _part(x_name: str, x: Any, y_name: str, y: Any) -> Part:
    inputs, targets = _inputs(x_name, x), _numbers(y_name, y)
    if len(inputs) != len(targets):
        rule = "they need one row each for every example"
        raise ValueError(f"{x_name} has {len(inputs)} rows and {y_name} {len(targets)}; {rule}")
    if targets.dtype.kind == "f":
        targets = targets[:, None] if targets.ndim == 1 else targets
        wrong, rule = targets.ndim != 2, "targets must be (N,) or (N, outputs)"
    else:
        targets = targets[:, 0] if targets.shape[1:] == (1,) else targets
        wrong, rule = targets.ndim != 1, "labels must be (N,); of one-hot labels take y.argmax(1)"
    if wrong:
        raise ValueError(f"{y_name} has the shape {targets.shape}; {rule}")
    return Part(inputs, targets)


def _numbers(name: str, values: Any) -> np.ndarray:
    """Return an array of one of the types kept, in one block of memory, whose numbers are finite."""
    if isinstance(values, Tensor) and values.dtype == torch.bfloat16:
        values = values.float()
    try:
        array = as_array(values)
    # Torch raises many types for a tensor without an array of its own, such as a sparse one.
    except Exception as error:
        advice = f"give an array or a dense tensor, such as {name}.to_dense() of a sparse one"
        raise ValueError(f"{name} cannot be read as an array ({reason_of(error)}); {advice}") from error
    if array.dtype.kind not in "biuf":
        advice = (
            "turn text and categories into numbers, such as with np.unique(..., return_inverse=True)[1], and "
            "a sparse matrix into an array with toarray()"
        )
        raise ValueError(f"{name} must have numbers, got the type {array.dtype}; {advice}")
    if array.ndim == 0 or array.size == 0:
        raise ValueError(f"{name} is empty: it has the shape {array.shape}")
    kind = "uint8" if array.dtype.kind == "b" else array.dtype
    array = np.ascontiguousarray(array, kind if kind in _KEPT else np.float64)
    # Unlike isfinite of every number, this needs no memory.
    if not np.isfinite([array.min(), array.max()]).all():
        row = next(index for index, example in enumerate(array) if not np.isfinite(example).all())
        raise ValueError(f"{name} has NaN or infinity, first in row {row}; drop or fill such rows")
    return array


def _inputs(name: str, values: Any) -> np.ndarray:
    array = _numbers(name, values)
    if array.ndim == 1:
        return array[:, None]
    if array.ndim == 3 and array.dtype == np.uint8:
        return array[:, None]
    if array.ndim == 4 and array.shape[3] in (1, 3, 4) and array.shape[1] not in (1, 3, 4):
        advice = f"if the last axis has the channels, give {name}.transpose(0, 3, 1, 2)"
        raise ValueError(f"{name} has the shape {array.shape}; images must be (N, K, H, W); {advice}")
    return array


def _check_alike(train: Part, test: Part) -> None:
    for name, ours, theirs in (("x", train.inputs, test.inputs), ("y", train.targets, test.targets)):
        if ours.shape[1:] != theirs.shape[1:]:
            shapes = f"{ours.shape[1:]} and {theirs.shape[1:]}"
            raise ValueError(f"examples of {name} and {name}_test have different shapes: {shapes}")
        # Pixels from 0 to 255, for one, are often tested as numbers from 0 to 1.
        if ours.dtype != theirs.dtype and (name == "x" or "f" in (ours.dtype.kind, theirs.dtype.kind)):
            types = f"{ours.dtype} and {theirs.dtype}"
            raise ValueError(f"{name} and {name}_test have different types: {types}; prepare both alike")


def _classes(labels: np.ndarray) -> np.ndarray:
    classes = np.unique(labels)
    if classes[0] < 0:
        raise ValueError(f"y has the label {classes[0]}; number the classes from 0")
    if len(classes) == 1:
        raise ValueError(f"y has one class, {classes[0]}; a classifier needs two or more")
    if 2 * len(classes) > len(labels):
        advice = "for a regression give floating-point numbers, such as y.astype(float)"
        raise ValueError(f"y has {len(classes)} classes in {len(labels)} examples; {advice}")
    return classes


def _indices(name: str, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):
        raise ValueError(f"{name} has the label {unknown[0]}, which y does not have")
    return np.searchsorted(classes, labels)


def _held_out(given: Part) -> tuple[Part, Part]:
    order = np.random.default_rng(0).permutation(len(given.inputs))
    n_test = len(order) // _TEST_FRACTION
    train, test = np.sort(order[n_test:]), np.sort(order[:n_test])
    return given.rows(train), given.rows(test)

"""Arrays that a user gives as a dataset: what they must be, and their split into training and test examples.

Shapes: N examples, C classes, O outputs.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables.data.arrays import Examples, as_tensor, fingerprint_of
from trainables.data.frames import check_columns, check_rows
from trainables.data.numbers import inputs_of, targets_of

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
        note: What the user must know of the labels and of the test split; empty for nothing.
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
    tested = None
    if test is not None:
        x_test, y_test = _pair(test)
        tested = _part("x_test", x_test, "y_test", y_test)
        _check_alike(train, tested)
        check_columns("x", x, x_test)
        check_columns("y", y, y_test)
    if train.targets.dtype.kind != "f":
        classes = _classes(train.targets)
        train = Part(train.inputs, _indices("y", train.targets, classes))
        tested = tested and Part(tested.inputs, _indices("y_test", tested.targets, classes))
    elif (train.targets == train.targets[0]).all():
        raise ValueError("y has the same target in every example")
    notes, n = [_note_on(train.targets, classes)], len(train.inputs)
    if not tested:
        train, tested = _held_out(train)
        notes.append(f"no test split was given: {len(tested.inputs)} of the {n} examples are held out for it")
    if len(train.inputs) < _FEWEST:
        raise ValueError(f"there must be {_FEWEST} training examples or more, got {len(train.inputs)}")
    return Given(train, tested, classes, "; ".join(note for note in notes if note))


def _pair(test: Any) -> Any:
    if not isinstance(test, tuple | list) or len(test) != 2:
        got = f"{len(test)} of them" if isinstance(test, tuple | list) else type(test).__name__
        raise ValueError(f"test must have the inputs and the targets, as test=(x_test, y_test), got {got}")
    return test


def _part(x_name: str, x: Any, y_name: str, y: Any) -> Part:
    inputs, targets = inputs_of(x_name, x), targets_of(y_name, y)
    if len(inputs) != len(targets):
        rule = "they need one row each for every example"
        raise ValueError(f"{x_name} has {len(inputs)} rows and {y_name} {len(targets)}; {rule}")
    check_rows(x_name, x, y_name, y)
    return Part(inputs, targets)


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
        advice = "number the classes from 0, such as with np.unique(y, return_inverse=True)[1]"
        raise ValueError(f"y has the label {classes[0]}; drop rows without a label, and {advice}")
    if 2 * len(classes) > len(labels):
        advice = "for a regression give floating-point numbers, such as y.astype(float)"
        raise ValueError(f"y has {len(classes)} classes in {len(labels)} examples; {advice}")
    return classes


def _indices(name: str, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    unknown = np.setdiff1d(labels, classes)
    if len(unknown):
        raise ValueError(f"{name} has the label {unknown[0]}, which y does not have")
    if (labels == labels[0]).all():
        raise ValueError(f"{name} has one class, {labels[0]}; a classifier needs two or more")
    return np.searchsorted(classes, labels)


def _note_on(targets: np.ndarray, classes: np.ndarray | None) -> str:
    """Say what labels became, and that targets look like labels."""
    if classes is not None:
        if np.array_equal(classes, np.arange(len(classes))):
            return ""
        return f"the labels {_listed(classes)} of y are the classes 0 to {len(classes) - 1}"
    made = "y has floating-point numbers, so that this is a regression; for a classifier"
    if _are_one_hot(targets):
        return f"{made} of its one-hot labels give y.argmax(1)"
    values = np.unique(targets)
    if targets.shape[1] == 1 and 2 * len(values) <= len(targets) and _are_labels(values):
        return f"{made} of its {len(values)} values give whole numbers from 0"
    return ""


def _are_one_hot(targets: np.ndarray) -> bool:
    return targets.shape[1] > 1 and bool(
        (targets.max(1) == 1).all() and (np.count_nonzero(targets, axis=1) == 1).all()
    )


def _are_labels(values: np.ndarray) -> bool:
    """Whether distinct numbers count from 0 or 1 without a gap, or are -1 and 1."""
    counted = values[0] in (0, 1) and np.array_equal(values, values[0] + np.arange(len(values)))
    return counted or values.tolist() == [-1, 1]


def _listed(labels: np.ndarray) -> str:
    shown = [str(label) for label in labels]
    return ", ".join(shown if len(shown) <= 5 else [*shown[:3], "...", shown[-1]])


def _held_out(given: Part) -> tuple[Part, Part]:
    order = np.random.default_rng(0).permutation(len(given.inputs))
    n_test = len(order) // _TEST_FRACTION
    train, test = np.sort(order[n_test:]), np.sort(order[:n_test])
    return given.rows(train), given.rows(test)

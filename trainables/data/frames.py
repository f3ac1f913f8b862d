"""The names that data frames give to rows and columns: arrays keep the positions alone."""

from collections.abc import Iterable
from typing import Any


def check_columns(name: str, train: Any, test: Any) -> None:
    """Check that two frames with the same number of columns have the same ones, in the same order.

    Raises:
        ValueError: If they do not; the text names the first that differs.
    """
    ours, theirs = list(getattr(train, "columns", ())), list(getattr(test, "columns", ()))
    if not ours or not theirs or ours == theirs:
        return
    is_reordered = set(ours) == set(theirs)
    # Other numbers are rather positions than names.
    if is_reordered or _are_texts([*ours, *theirs]):
        column = next(i for i, (our, their) in enumerate(zip(ours, theirs, strict=True)) if our != their)
        advice = f"give {name}_test[{name}.columns]" if is_reordered else "name and order them alike"
        raise ValueError(
            f"{name} and {name}_test have different columns: column {column} is {ours[column]!r} in {name} "
            f"and {theirs[column]!r} in {name}_test; {advice}"
        )


def check_rows(x_name: str, x: Any, y_name: str, y: Any) -> None:
    """Check that the index of one frame does not have the labels of the other in another order.

    Raises:
        ValueError: If it has; the text says how to put the rows into the same order.
    """
    ours, theirs = _labels(x), _labels(y)
    if ours == theirs or len(set(ours)) != len(ours) or set(ours) != set(theirs):
        return
    row = next(i for i, (our, their) in enumerate(zip(ours, theirs, strict=True)) if our != their)
    raise ValueError(
        f"{x_name} and {y_name} have the same index in different orders: row {row} is {ours[row]!r} in "
        f"{x_name} and {theirs[row]!r} in {y_name}; give {y_name}.loc[{x_name}.index], or "
        f"{y_name}.to_numpy() if its rows are in the order of {x_name}"
    )


def _are_texts(names: Iterable[object]) -> bool:
    return all(isinstance(name, str) for name in names)


def _labels(values: Any) -> list[Any]:
    """The labels of a frame's rows; empty for what has none, such as a list, whose ``index`` is a method."""
    index = getattr(values, "index", None)
    return [] if index is None or callable(index) else list(index)

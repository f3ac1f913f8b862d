"""Writes YAML with a comment for each key."""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from sweeps.spec.yaml import dump

_WIDTH = 110


class Line(NamedTuple):
    """A key with its value as YAML, and a comment; a key that is unset is written as a comment itself."""

    key: str
    value: str
    comment: str = ""
    unset: bool = False

    def __str__(self) -> str:
        return f"{'# ' if self.unset else ''}{self.key}: {self.value}"


def block(lines: Iterable[Line], indent: int) -> str:
    """Write lines with their comments in a column, or above a line that would be too long."""
    return "\n".join(_aligned(list(lines), " " * indent))


def _aligned(lines: list[Line], margin: str) -> Iterator[str]:
    column = max(len(str(line)) for line in lines)
    for line in lines:
        commented = f"{margin}{line!s:{column}}  # {line.comment}"
        if line.comment and len(commented) <= _WIDTH:
            yield commented
        else:
            yield from filter(None, (line.comment and f"{margin}# {line.comment}", f"{margin}{line}"))


def scalar(value: Any) -> str:
    """Write a value as YAML does, such as ``null`` or ``'0.1'``."""
    return dump({"v": value}).strip().removeprefix("{v: ").removesuffix("}")

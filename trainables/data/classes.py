"""The classes of a dataset: their indices, given names or numbers as people write them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from trainables.data import ContentError


@dataclass(frozen=True)
class Classes:
    """Classes by index.

    Attributes:
        names: Names in the order of the indices.
        also: Other names in lower case, with the names that they stand for.
    """

    names: Sequence[str]
    also: Mapping[str, str] = field(default_factory=dict)

    def index(self, label: Any) -> int:
        """Return the index of a class, by name in any case, or by a whole number of any type.

        Raises:
            ContentError: If there is no such class.
        """
        key = label.strip().casefold() if isinstance(label, str) else label
        try:
            return self._indices[key]
        # A list is no key.
        except (KeyError, TypeError):
            problem = "is missing" if label is None else f"must be {self}, got {label!r}"
            raise ContentError(problem) from None

    def is_named(self, label: Any) -> bool:
        """Whether a label is written as a name, so that its meaning does not depend on the numbering."""
        return isinstance(label, str) and not label.strip().isdigit()

    def __str__(self) -> str:
        *head, last = self.names
        return f"{', '.join(head)} or {last} (as numbers 0 to {len(head)})"

    @cached_property
    def _indices(self) -> dict[Any, int]:
        # 1, 1.0 and True are one key.
        numbers: dict[Any, int] = {
            form(index): index for index in range(len(self.names)) for form in (int, str)
        }
        named = {name.casefold(): index for index, name in enumerate(self.names)}
        return numbers | named | {other: named[name.casefold()] for other, name in self.also.items()}


def class_names(feature: Any) -> list[str]:
    """The names of the classes of a column of a ``datasets.Dataset``, also in lists; empty if it has none."""
    while hasattr(feature, "feature"):
        feature = feature.feature
    return getattr(feature, "names", None) or []


def with_names(labels: Sequence[Any], feature: Any) -> list[Any]:
    """Replace numbers by the names that a column of a ``datasets.Dataset`` gives them, also in lists.

    Numbers stay if the column has no names.
    """
    names = class_names(feature)
    if not names:
        return list(labels)

    def named(label: Any) -> Any:
        if isinstance(label, list):
            return [named(part) for part in label]
        return names[label] if label is not None and 0 <= label < len(names) else label

    return [named(label) for label in labels]

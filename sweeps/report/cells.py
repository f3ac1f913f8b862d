"""Tables of a report and their cells: texts, with the values that they show."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

from sweeps.analysis.stats import PairedDifference, Summary
from sweeps.report.labels import interval, number, slug_at, typical

# The suffix of a CSV column with the confidence level of an interval.
LEVEL = "_level"


class Cell(str):
    """The text of a cell.

    Attributes:
        values: The values that it shows, by their columns in a CSV.
    """

    values: Mapping[str, Any]

    def __new__(cls, text: str, values: Mapping[str, Any]) -> Self:
        cell = super().__new__(cls, text)
        cell.values = values
        return cell


@dataclass(frozen=True)
class Table:
    """A table of text. The first ``words`` columns hold words, the others numbers.

    Lines of a cell after its first are shown smaller.

    Attributes:
        slug: Name of its files.
    """

    slug: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1

    def at(self, suffix: str) -> Self:
        """Return the table named after its point of the grid; an empty suffix changes nothing."""
        if not suffix:
            return self
        return replace(self, slug=slug_at(self.slug, suffix), title=f"{self.title} at {suffix}")

    @property
    def records(self) -> list[dict[str, Any]]:
        """The values of each row by their columns in a CSV; a cell without values is its own."""
        cells = [zip(self.columns, row, strict=True) for row in self.rows]
        return [{name: value for pair in row for name, value in _values(*pair)} for row in cells]

    @property
    def fields(self) -> list[str]:
        """The columns of the table in a CSV, in the order of its cells."""
        columns = [[(title, row[index]) for row in self.rows] for index, title in enumerate(self.columns)]
        return list(
            dict.fromkeys(name for column in columns for pair in column for name, _ in _values(*pair))
        )


def _values(title: str, cell: str) -> Iterator[tuple[str, Any]]:
    if isinstance(cell, Cell):
        yield from cell.values.items()
    # An empty cell of a column of numbers has no value.
    elif cell:
        yield title, cell


def number_cell(name: str, value: float | None) -> Cell:
    """Return a number with three significant digits."""
    return Cell(number(value), {name: value})


def mean_cell(name: str, summary: Summary, *below: str) -> Cell:
    """Return a mean with its interval, and texts to stand below it."""
    ends = {name: summary.mean, f"{name}_low": summary.low, f"{name}_high": summary.high}
    return Cell("\n".join([interval(summary), *below]), {**ends, f"{name}{LEVEL}": 1 - summary.error})


def typical_cell(name: str, pair: PairedDifference, *below: str) -> Cell:
    """Return a typical difference with its interval, and texts to stand below it."""
    ends = {name: pair.typical, f"{name}_low": pair.typical_low, f"{name}_high": pair.typical_high}
    return Cell("\n".join([typical(pair), *below]), {**ends, f"{name}{LEVEL}": 1 - pair.error})

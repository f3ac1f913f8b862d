"""Time series from a CSV with a column of dates and a column of numbers."""

import csv
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from trainables.data import DataError
from trainables.data.stand_ins import check_is_data
from trainables.errors import reason_of

_OFFSET = r"(?:Z|[+-]\d\d(?::?\d\d)?)$"


def read_series(source: Path | str) -> pd.Series:
    """Read a CSV into values by date, in chronological order.

    Args:
        source: A file or a URL. It must have exactly one column of numbers and one of dates (ISO 8601, such
            as 1981-01-01); the rows may be in any order, below a header or not. Dates with offsets from UTC
            become dates in UTC.

    Raises:
        DataError: If it cannot be read, does not have one column of each kind, lacks a value or repeats a
            date. A row is named by its line in the file.
    """
    table = _table(source, _rows(source))
    numeric = [name for name, column in table.items() if _most(_as_numbers(column))]
    # The first column of a data frame that was saved with its index has no name.
    numbers = [name for name in numeric if name]
    dates = [name for name in table if name not in numeric and _most(_as_dates(table[name]))]
    others = [name for name in table if name not in numeric + dates]
    if len(others) == 1 < len(table.columns):
        # It is the one that is missing: one of its cells will be named.
        numbers, dates = numbers or others, dates or others
    if len(dates) != 1:
        rule = "must have, separated by commas, one column of dates such as 1981-01-01"
        raise DataError(f"{source}: {rule}, has {_listed(dates)} of {_listed(table)}; {_example(table)}")
    if len(numbers) != 1:
        rule = "must have one column of numbers besides the dates"
        raise DataError(f"{source}: {rule}, has {_listed(numbers)} of {_listed(table)}; {_example(table)}")
    when, value = table[dates[0]], table[numbers[0]]
    index = _parsed(source, when, _as_dates(when), "date", "a date such as 1981-01-01")
    _check_dates(source, when, index)
    values = _parsed(source, value, _as_numbers(value), "value", "a number such as 20.7")
    return pd.Series(values.to_numpy(), pd.Index(index), name=value.name).sort_index()


def fingerprint_of(series: pd.Series) -> str:
    """Hash of the values and dates, 16 hexadecimal digits."""
    return hashlib.sha256(pd.util.hash_pandas_object(series).to_numpy().tobytes()).hexdigest()[:16]


def _rows(source: Path | str) -> dict[int, list[str]]:
    """Return the cells of each row that is not blank, by the line in which the row ends."""
    # gensim depends on smart_open, which opens URLs and .gz as well.
    from smart_open import open as open_any

    if Path(source).is_dir():
        raise DataError(f"{source}: is a folder; name the file in it")
    if Path(source).is_file():
        check_is_data(Path(source))
    try:
        with open_any(str(source), encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, skipinitialspace=True)
            rows = [(reader.line_num, [cell.strip() for cell in cells]) for cells in reader]
    except UnicodeDecodeError:
        raise DataError(f"{source}: is not text in UTF-8; save it as a CSV in UTF-8") from None
    except Exception as error:
        # smart_open raises many types for a URL.
        raise DataError(f"{source}: cannot be read ({reason_of(error)})") from error
    filled = {line: cells for line, cells in rows if any(cells)}
    if not filled:
        raise DataError(f"{source}: is empty")
    return filled


def _table(source: Path | str, rows: Mapping[int, list[str]]) -> pd.DataFrame:
    """Return the cells by line and by name of the column."""
    first, header = next(iter(rows.items()))
    for line, cells in rows.items():
        if len(cells) != len(header):
            rule = f"row {line} must have {len(header)} values, as row {first} has, got {len(cells)}"
            advice = "separate values by commas, and decimals by a point"
            raise DataError(f"{source}: {rule}: {','.join(cells)[:60]!r}; {advice}")
    if _is_data(header):
        names = [f"column {number}" for number in range(1, len(header) + 1)]
        return pd.DataFrame([*rows.values()], index=[*rows], columns=names)
    if len(set(header)) < len(header):
        raise DataError(f"{source}: row {first} names two columns alike: {_listed(header)}")
    rows = {line: cells for line, cells in rows.items() if line != first}
    return pd.DataFrame([*rows.values()], index=[*rows], columns=header)


def _is_data(cells: Sequence[str]) -> bool:
    """Whether the first row has a date or a number, and so names no columns."""
    row = pd.Series(cells)
    return bool(_as_numbers(row).notna().any() or _as_dates(row).notna().any())


def _as_numbers(cells: pd.Series) -> pd.Series:
    """Return finite numbers; NaN for all other cells."""
    return pd.to_numeric(cells, errors="coerce").astype("float64").replace([np.inf, -np.inf], np.nan)


def _as_dates(cells: pd.Series) -> pd.Series:
    """Return dates in UTC, without a time zone; NaT for all other cells."""
    return pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)


def _most(parsed: pd.Series) -> bool:
    """Whether at least half of a column's cells could be parsed."""
    n_parsed = int(parsed.notna().sum())
    return n_parsed > 0 and 2 * n_parsed >= len(parsed)


def _parsed(source: Path | str, cells: pd.Series, parsed: pd.Series, name: str, rule: str) -> pd.Series:
    """Check that all cells of a column could be parsed; name the first that could not."""
    missing = parsed.isna()
    if missing.any():
        line = _first(missing)
        cell = cells[line]
        problem = f": {cell[:60]!r} is not {rule}" if cell else f" has no {name}"
        raise DataError(f"{source}: row {line}{problem}")
    return parsed


def _first(is_it: pd.Series) -> int:
    """Return the line of the first row where a truth value holds."""
    return int(is_it.index[int(is_it.to_numpy().argmax())])


def _check_dates(source: Path | str, cells: pd.Series, dates: pd.Series) -> None:
    """Refuse a date that appears twice, and dates of which only some have an offset from UTC."""
    has_offset = cells.str.contains(_OFFSET) & cells.str.contains(":")
    if has_offset.any() and not has_offset.all():
        line, other = _first(~has_offset), _first(has_offset)
        rule = f"has no offset from UTC, unlike {cells[other]!r} in row {other}"
        raise DataError(f"{source}: row {line}: {cells[line]!r} {rule}")
    if dates.duplicated().any():
        line = _first(dates.duplicated())
        before = _first(dates == dates[line])
        raise DataError(
            f"{source}: row {line}: the date {cells[line]!r} appears twice, first in row {before}"
        )


def _example(table: pd.DataFrame) -> str:
    """Quote the first row."""
    return f"row {table.index[0]} is {','.join(table.iloc[0])[:60]!r}" if len(table) else "it has no rows"


def _listed(columns: Iterable[object]) -> str:
    return ", ".join(map(str, columns)) or "none"

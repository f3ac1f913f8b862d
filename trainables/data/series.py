"""Time series from a CSV with a column of dates and a column of numbers."""

import hashlib
from collections.abc import Hashable, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from trainables.data import DataError
from trainables.errors import reason_of


def read_series(source: Path | str) -> pd.Series:
    """Read a CSV into values by date, in chronological order.

    Args:
        source: A file or a URL. It must have exactly one column of numbers and one of dates (ISO 8601, such
            as 1981-01-01); the rows may be in any order.

    Raises:
        DataError: If it cannot be read, does not have one column of each kind, lacks a value or repeats a
            date.
    """
    table = _read_table(source)
    dates = {name: parsed for name, column in table.items() if (parsed := _dates(column)) is not None}
    if len(dates) != 1:
        rule = "must have, separated by commas, one column of dates such as 1981-01-01"
        raise DataError(f"{source}: {rule}, has {_listed(dates)} of {_listed(table)}")
    series = _numbers(source, table, table.drop(columns=list(dates)))
    series.index = pd.Index(next(iter(dates.values())))
    for part, missing in (("date", series.index.isna()), ("value", ~np.isfinite(series.to_numpy()))):
        if missing.any():
            raise DataError(f"{source}: row {missing.argmax() + 2} has no {part}")
    if series.index.has_duplicates:
        twice = series.index[series.index.duplicated()][0]
        raise DataError(f"{source}: the date {twice:%Y-%m-%d} appears twice")
    return series.sort_index()


def _read_table(source: Path | str) -> pd.DataFrame:
    if Path(source).is_dir():
        raise DataError(f"{source}: is a folder; name the file in it")
    try:
        return pd.read_csv(source)
    except Exception as error:
        # pandas and urllib raise many types.
        raise DataError(f"{source}: cannot be read ({reason_of(error)})") from error


def _numbers(source: Path | str, table: pd.DataFrame, others: pd.DataFrame) -> pd.Series:
    """The one column of numbers among those without dates."""
    values = others.select_dtypes("number")
    if len(others.columns) == 1 and values.empty:
        wrong = int(pd.to_numeric(others.iloc[:, 0], errors="coerce").isna().to_numpy().argmax())
        raise DataError(f"{source}: row {wrong + 2}: {others.iloc[wrong, 0]!r} is not a number")
    if len(values.columns) != 1:
        rule = "must have one column of numbers besides the dates"
        raise DataError(f"{source}: {rule}, has {_listed(values)} of {_listed(table)}")
    return values.iloc[:, 0].astype("float64")


def _listed(columns: Iterable[Hashable]) -> str:
    return ", ".join(map(str, columns)) or "none"


def fingerprint_of(series: pd.Series) -> str:
    """Hash of the values and dates, 16 hexadecimal digits."""
    return hashlib.sha256(pd.util.hash_pandas_object(series).to_numpy().tobytes()).hexdigest()[:16]


def _dates(column: pd.Series) -> pd.Series | None:
    # pandas would read numbers as nanoseconds.
    if pd.api.types.is_numeric_dtype(column):
        return None
    try:
        return pd.to_datetime(column, format="ISO8601")
    except (ValueError, TypeError):
        return None

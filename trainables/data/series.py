"""Series of values in time, from a CSV with a column of dates and a column of numbers."""

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from trainables.data import DataError, reason_of


def read_series(source: Path | str) -> pd.Series:
    """Read a CSV.

    Args:
        source: A file or a URL. Of its columns, one holds numbers and one holds dates (ISO 8601, such as
            1981-01-01); the rows may be in any order.

    Returns:
        Values by date, in the order of time.

    Raises:
        DataError: If it cannot be read, has not one column of each kind, lacks a value or has a date twice.
    """
    if Path(source).is_dir():
        raise DataError(f"{source}: is a folder; name the file in it")
    try:
        table = pd.read_csv(source)
    except Exception as error:  # pandas and urllib raise many kinds
        raise DataError(f"{source}: cannot be read ({reason_of(error)})") from error
    dates = {name: found for name, column in table.items() if (found := _dates(column)) is not None}
    columns = ", ".join(map(str, table.columns))
    if len(dates) != 1:
        rule = "must have, separated by commas, one column of dates such as 1981-01-01"
        raise DataError(f"{source}: {rule}, has {', '.join(map(str, dates)) or 'none'} of {columns}")
    others = table.drop(columns=list(dates))
    values = others.select_dtypes("number")
    if len(others.columns) == 1 and values.empty:
        wrong = int(pd.to_numeric(others.iloc[:, 0], errors="coerce").isna().to_numpy().argmax())
        raise DataError(f"{source}: row {wrong + 2}: {others.iloc[wrong, 0]!r} is no number")
    if len(values.columns) != 1:
        rule, have = "must have one column of numbers beside the dates", ", ".join(map(str, values.columns))
        raise DataError(f"{source}: {rule}, has {have or 'none'} of {columns}")
    series = values.iloc[:, 0].astype("float64")
    series.index = pd.Index(next(iter(dates.values())))
    for what, missing in (("date", series.index.isna()), ("value", ~np.isfinite(series.to_numpy()))):
        if missing.any():
            raise DataError(f"{source}: row {missing.argmax() + 2} has no {what}")
    if series.index.has_duplicates:
        twice = series.index[series.index.duplicated()][0]
        raise DataError(f"{source}: the date {twice:%Y-%m-%d} is there twice")
    return series.sort_index()


def fingerprint_of(series: pd.Series) -> str:
    """Hash a series.

    Args:
        series: Values by date.

    Returns:
        16 hexadecimal digits.
    """
    return hashlib.sha256(pd.util.hash_pandas_object(series).to_numpy().tobytes()).hexdigest()[:16]


def _dates(column: pd.Series) -> pd.Series | None:
    if pd.api.types.is_numeric_dtype(column):  # which pandas would take for nanoseconds
        return None
    try:
        return pd.to_datetime(column, format="ISO8601")
    except (ValueError, TypeError):
        return None

"""The files that the datasets library reads of a folder, and which of them is at fault."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainables.data import DataError
from trainables.data.classes import class_names
from trainables.data.utf8 import line_of
from trainables.errors import reason_of

# A folder of images has too many files to read each by itself.
_MOST_FILES = 100


def why_unreadable(source: Path, split: str, error: Exception) -> str:
    """Say why a split of a folder cannot be read, with the file if one is at fault.

    Args:
        source: The folder.
        split: Such as ``train``.
        error: What ``datasets.load_dataset`` raised, often only that an error occurred in some file.
    """
    import datasets
    import pyarrow

    if isinstance(error, ValueError) and str(error).startswith("Unknown split "):
        remedy = f"name its folder {split}/, or its files {split}"
        return f"{source}: has no split {split!r}, only {', '.join(files_by_split(source))}; {remedy}"
    in_a_file = isinstance(error, datasets.exceptions.DatasetGenerationError | pyarrow.ArrowException)
    said = in_a_file and _file_at_fault(source)
    return said or f"{source}: split {split!r} cannot be read ({reason_of(_cause_of(error))})"


def files_of(source: Path, split: str | None = None) -> list[Path]:
    """The files that the datasets library reads of a folder: of a split, or of all."""
    by_split = files_by_split(source)
    return [file for name, files in by_split.items() if split in (None, name) for file in files]


def files_by_split(source: Path) -> dict[str, list[Path]]:
    """The files that the datasets library reads of a folder for each split."""
    import datasets

    by_split = datasets.load_dataset_builder(str(source)).config.data_files or {}
    return {str(split): [Path(file) for file in files] for split, files in by_split.items()}


def check_names(files: Sequence[Path], columns: Sequence[str], features: Any) -> None:
    """Check that all parquet files among those of a folder name the classes of a column alike.

    The datasets library takes the names of the first file, also for files that number them otherwise.

    Args:
        files: The files that the library has read, in its order.
        columns: Columns to check.
        features: What the library has read, by column.

    Raises:
        DataError: If a file has other names.
    """
    import datasets
    import pyarrow.parquet as parquet

    tables = [file for file in files if file.suffix == ".parquet"]
    for file in tables:
        own = datasets.Features.from_arrow_schema(parquet.read_schema(file))
        for column in columns:
            if column in own and class_names(own[column]) not in ([], class_names(features[column])):
                raise DataError(_different(file, own, tables[0], features, column))


def _file_at_fault(source: Path) -> str:
    """Read one file after the other; empty if each can be read, and all have the same columns."""
    first, files = None, files_of(source)
    for file in files if len(files) <= _MOST_FILES else ():
        try:
            features = _read(source, file).features
        # The library raises many types.
        except Exception as error:
            return _in_file(file, _cause_of(error))
        first = first or (file, features)
        if features.keys() != first[1].keys():
            listed = [", ".join(sorted(each)) for each in (features, first[1])]
            return f"{file}: has the columns {listed[0]} here and {listed[1]} in {first[0]}"
        for column in features:
            if features[column] != first[1][column]:
                return _different(file, features, *first, column)
    return ""


def _different(file: Path, features: Any, first: Path, others: Any, column: str) -> str:
    return f"{file}: the column {column!r} is {features[column]} here and {others[column]} in {first}"


def _read(source: Path, file: Path) -> Any:
    import datasets

    with tempfile.TemporaryDirectory() as scratch:
        files = {"train": str(file.relative_to(source))}
        return datasets.load_dataset(str(source), data_files=files, split="train", cache_dir=scratch)


def _in_file(file: Path, cause: Exception) -> str:
    if isinstance(cause, UnicodeDecodeError) and (line := line_of(file)):
        return f"{file}: line {line} is not UTF-8; save the file as UTF-8"
    return f"{file}: cannot be read ({reason_of(cause)})"


def _cause_of(error: Exception) -> Exception:
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error

"""Checks of the files that the datasets library finds in a folder, before it reads them."""

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from trainables.data import DataError
from trainables.data.stand_ins import check_is_data

_SHARD = re.compile(r"(.*-)(\d+)(-of-(\d+)\b.*)")
# Files with many rows each. Of loose images, two may well be alike.
_TABLES = (".parquet", ".arrow", ".csv", ".json", ".jsonl")
# What a name says in any case. The library looks for words in lower case alone.
_SPLITS = {"test": "test", "valid": "validation"}


def check_files(folder: Path, files: Mapping[str, Sequence[Path]]) -> None:
    """Check the files of a dataset, whose names decide what is trained on.

    Args:
        folder: The folder of the dataset.
        files: The files that the datasets library reads, by split.

    Raises:
        DataError: If a file is not data, a numbered one is missing, two have the same content, or one would
            be read twice, in no split or in another split than its name says.
    """
    found = {file for split in files.values() for file in split}
    for file in sorted(found):
        check_is_data(file)
    _check_splits(folder, files)
    _check_left_out(folder, found)
    _check_numbers(sorted(found))
    for listed in files.values():
        _check_contents(file for file in listed if file.suffix in _TABLES)


def _check_splits(folder: Path, files: Mapping[str, Sequence[Path]]) -> None:
    places = defaultdict(list)
    for split, listed in files.items():
        for file in listed:
            places[file].append(split)
    for file, splits in places.items():
        name = os.path.relpath(file, folder)
        if len(splits) > 1:
            advice = f"its path {name} must name one split, once"
            raise DataError(f"{file}: would be read for the splits {', '.join(splits)}; {advice}")
        for word, split in _SPLITS.items():
            if splits == ["train"] and split not in files and word in name.lower():
                advice = f"write {split} in lower case, as a word of its own, in the path {name}"
                raise DataError(f"{file}: would be read for the split train; {advice}")


def _check_left_out(folder: Path, found: set[Path]) -> None:
    kinds = {file.suffix for file in found}.difference(_TABLES)
    for file in _visible(folder) if kinds else ():
        if file.suffix in kinds and file not in found:
            name = file.relative_to(folder)
            advice = f"name one in the path {name}, such as train/, or move the file out of {folder}"
            raise DataError(f"{file}: would be read for no split; {advice}")


def _visible(folder: Path) -> Iterator[Path]:
    """Yield the files that the library does not ignore."""
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith((".", "__")) for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            yield path


def _check_numbers(files: Iterable[Path]) -> None:
    """Refuse a set such as train-00000-of-00003.parquet of which one is missing."""
    for file in files:
        if found := _SHARD.fullmatch(file.name):
            before, number, after, count = found.groups()
            for index in range(int(count)):
                other = file.with_name(f"{before}{index:0{len(number)}d}{after}")
                if not other.exists():
                    raise DataError(f"{other}: is missing, of {int(count)} files; download it")


def _check_contents(files: Iterable[Path]) -> None:
    """Refuse copies, whose rows would be in a split twice, for training and for validation."""
    of_size = defaultdict(list)
    for file in files:
        of_size[file.stat().st_size].append(file)
    first: dict[bytes, Path] = {}
    for file in (file for alike in of_size.values() if len(alike) > 1 for file in alike):
        with file.open("rb") as opened:
            content = hashlib.file_digest(opened, "sha256").digest()
        if (other := first.setdefault(content, file)) != file:
            raise DataError(f"{other} and {file}: have the same content; delete the copy")

"""Texts in other files than the hub's: Stanford's reviews, Kaggle's copy of them, and CoNLL's files."""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from trainables.data import DataError
from trainables.data.text_content import Content
from trainables.data.utf8 import read_utf8


class StanfordReviews:
    """The folder ``aclImdb``, with a file for each review, in folders by split and class."""

    name = "aclImdb"

    def find(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Return the reviews of each split, sorted, first the negative ones as on the hub."""
        for folder in (root / "aclImdb", root / "imdb" / "aclImdb", root / "imdb"):
            splits = {split: _reviews(folder / split) for split in ("train", "test")}
            if splits["train"]:
                return {split: files for split, files in splits.items() if files}
        return {}

    def read(self, split: str, files: Sequence[Path]) -> Content:
        """Read the reviews; the class of each is the name of its folder."""
        return [read_utf8(file) for file in files], [file.parent.name for file in files]


def _reviews(folder: Path) -> list[Path]:
    return [file for label in ("neg", "pos") for file in sorted((folder / label).glob("*.txt"))]


class KaggleReviews:
    """The file ``IMDB Dataset.csv``, which has the reviews of both splits, but not which is of which."""

    name = "kaggle"
    note = (
        "IMDB Dataset.csv has lost the published splits: the first half of its rows is for training, the "
        "second for test, so scores do not compare with published ones"
    )

    def find(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Return the file, for both splits."""
        for file in (root / "IMDB Dataset.csv", root / "imdb" / "IMDB Dataset.csv"):
            if file.is_file():
                return {"train": [file], "test": [file]}
        return {}

    def read(self, split: str, files: Sequence[Path]) -> Content:
        """Read half of the rows."""
        rows = list(_rows(files[0]))
        half = len(rows) // 2
        chosen = rows[:half] if split == "train" else rows[half:]
        return [review for review, _ in chosen], [sentiment for _, sentiment in chosen]


def _rows(file: Path) -> Iterator[tuple[str, str]]:
    reader = csv.reader(io.StringIO(read_utf8(file), newline=""), strict=True)
    header = next(reader, [])
    # The numbers of the rows, as pandas writes them.
    first = 1 if header[:1] == [""] else 0
    if header[first:] != ["review", "sentiment"]:
        shown = _shown(header[first:])
        raise DataError(f"{file}: must have the columns review and sentiment, got {shown}")
    try:
        for cells in reader:
            row = cells[first:]
            if len(row) != 2 or not row[0].strip() or row[1] not in ("positive", "negative"):
                rule = "must have a review, and positive or negative"
                raise DataError(
                    f"{file}: the row that ends in line {reader.line_num} {rule}, got {row!r:.100}"
                )
            yield row[0], row[1]
    except csv.Error as error:
        raise DataError(f"{file}: line {reader.line_num}: {error}") from None


def _shown(header: Sequence[str]) -> str:
    is_row = len(header) == 2 and header[1] in ("positive", "negative")
    advice = "; the first line is a row of data: add the line review,sentiment before it"
    return f"{', '.join(header):.60}{advice if is_row else ''}"


class ConllFiles:
    """Files in ``conll2003/`` with a word and its tags in a line, and an empty line after each sentence."""

    name = "conll"
    _names: Mapping[str, Sequence[str]] = {
        "train": ("eng.train", "train.txt"),
        "validation": ("eng.testa", "valid.txt", "dev.txt"),
        "test": ("eng.testb", "test.txt"),
    }

    def find(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Return the file of each split."""
        found = {}
        for split, names in self._names.items():
            if files := [file for name in names if (file := root / "conll2003" / name).is_file()]:
                found[split] = files[:1]
        return found if "train" in found else {}

    def read(self, split: str, files: Sequence[Path]) -> Content:
        """Read the words and the last tag of each, which is that of its entity."""
        sentences: list[list[str]] = [[]]
        tags: list[list[str]] = [[]]
        for number, line in enumerate(read_utf8(files[0]).split("\n"), start=1):
            fields = re.split(r"[ \t]+", line.strip(" \t\r"))
            if fields[0] in ("", "-DOCSTART-"):
                sentences.append([])
                tags.append([])
                continue
            if len(fields) == 1:
                raise DataError(
                    f"{files[0]}: line {number}: must have a word and its tags, got {fields[0]!r}"
                )
            sentences[-1].append(fields[0])
            tags[-1].append(fields[-1])
        whole = [index for index, words in enumerate(sentences) if words]
        return [sentences[index] for index in whole], [tags[index] for index in whole]

"""Files of word vectors, in word2vec's or GloVe's format."""

from codecs import BOM_UTF8
from collections import Counter
from collections.abc import Iterator, Sequence, Set
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np

from trainables.data import ContentError


def read_vectors(file: Path, wanted: Set[str]) -> Any:
    """Read the vectors of the wanted words, or of more.

    Returns:
        A mapping of words to vectors (E,); a word that the file has twice has its first vector.

    Raises:
        ContentError: If the file is a text, and a line of it cannot be read; the text names the line.
    """
    # gensim depends on smart_open, which also opens .gz.
    from smart_open import open as open_any

    with open_any(str(file), "rb") as lines:
        if _header_of(lines.readline()) and _is_binary(lines.read(4096)):
            return _read_binary(file)
        lines.seek(0)
        start = lines.read(len(BOM_UTF8))
        lines.seek(len(BOM_UTF8) if start == BOM_UTF8 else 0)
        filled = ((number, line) for number, line in enumerate(lines, start=1) if line.strip())
        head = list(islice(filled, 3))
        header = _header_of(head[0][1]) if head else None
        size = header[1] if header else _dimension_of([line for _, line in head])
        return _read_text(chain(head[1:] if header else head, filled), header, size, wanted)


def _header_of(line: bytes) -> tuple[int, int] | None:
    """The numbers of words and dimensions, with which a file in word2vec's format starts."""
    fields = line.split()
    return (int(fields[0]), int(fields[1])) if len(fields) == 2 and all(f.isdigit() for f in fields) else None


def _is_binary(sample: bytes) -> bool:
    try:
        sample[: sample.rfind(b" ")].decode()
    except UnicodeDecodeError:
        return True
    return False


def _read_binary(file: Path) -> Any:
    from gensim.models import KeyedVectors

    return KeyedVectors.load_word2vec_format(str(file), binary=True, unicode_errors="replace")


def _dimension_of(lines: Sequence[bytes]) -> int:
    """The most frequent size, as a word of several parts may end in a number."""
    sizes = Counter(_n_numbers(line) for line in lines)
    size = sizes.most_common(1)[0][0] if sizes else 0
    if not size:
        raise ContentError("the first lines have no numbers after the word")
    return size


def _n_numbers(line: bytes) -> int:
    """Count the numbers at the end of a line, after one word or more."""
    fields, size = line.split(), 0
    while size + 1 < len(fields) and _is_number(fields[-1 - size]):
        size += 1
    return size


def _is_number(field: bytes) -> bool:
    try:
        float(field)
    except ValueError:
        return False
    return True


def _read_text(
    lines: Iterator[tuple[int, bytes]], header: tuple[int, int] | None, size: int, wanted: Set[str]
) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    n_words = 0
    for number, line in lines:
        n_words += 1
        # A word of GloVe's files may have blanks, such as ". . .", or be one; its vector has none.
        word, *vector = line.rsplit(None, size)
        if len(vector) < size and not line[:1].isspace():
            raise ContentError(f"line {number} has no word with {size} numbers")
        text = word.decode(errors="replace")
        if text in wanted and text not in found:
            found[text] = _vector(number, vector)
    if header and n_words != header[0]:
        raise ContentError(f"the first line promises {header[0]} words, but there are {n_words}")
    return found


def _vector(number: int, fields: list[bytes]) -> np.ndarray:
    try:
        return np.array(fields, dtype=np.float32)
    except ValueError as error:
        raise ContentError(f"line {number}: {error}") from None

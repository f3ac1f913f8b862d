"""Text files in UTF-8."""

from pathlib import Path

from trainables.data import DataError


def read_utf8(file: Path) -> str:
    """Read a text file, with or without a byte order mark.

    Raises:
        DataError: If it is not in UTF-8; the text names the line.
    """
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{file}: line {line_of(file)} is not UTF-8; save the file as UTF-8") from None


def line_of(file: Path) -> int:
    """The first line that is not in UTF-8, counted from 1; 0 if there is none."""
    content = file.read_bytes()
    try:
        content.decode()
    except UnicodeDecodeError as error:
        return content[: error.start].count(b"\n") + 1
    return 0

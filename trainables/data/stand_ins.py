"""What a failed download leaves in place of data."""

from pathlib import Path

from trainables.data import DataError

_LFS = b"version https://git-lfs"
# Browsers, curl and the hub's client end the names of unfinished downloads so.
_UNFINISHED = (".crdownload", ".download", ".incomplete", ".part", ".partial")
_WEB_PAGE = (b"<!doctype html", b"<html")


def check_is_data(file: Path) -> None:
    """Raise DataError if a file is an unfinished download, empty, a pointer of Git LFS, or a web page."""
    if file.suffix in _UNFINISHED:
        raise DataError(f"{file}: is an unfinished download; finish or delete it")
    with file.open("rb") as opened:
        start = opened.read(200)
    if not start:
        raise DataError(f"{file}: is empty")
    if start.startswith(_LFS):
        raise DataError(f"{file}: is only a pointer to a file of Git LFS; run git lfs pull in its folder")
    if start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_WEB_PAGE):
        raise DataError(f"{file}: is a web page, not the data; download it again")

"""Writes the report of a sweep and logs it to MLflow."""

from collections.abc import Collection
from pathlib import Path

from sweeps.errors import SweepError
from sweeps.record.folder import SweepFolder, check_known
from sweeps.report.page import write_report
from sweeps.tracking.bookmark import Bookmark
from sweeps.tracking.client import PublisherClient


def publish_report(folder: SweepFolder, formats: Collection[str] = ()) -> Path:
    """Write the report of a sweep, which may be running, and log it to its parent run; return its page.

    Args:
        folder: The sweep.
        formats: As for ``write_report``.

    Raises:
        SweepError: If there is nothing to report; after the report is written, if MLflow cannot be reached.
    """
    check_known(folder, folder.spec())
    page = write_report(folder, formats)
    if bookmark := Bookmark.read(folder):
        publisher = PublisherClient(bookmark.uri, folder.study)
        try:
            publisher.send_report(folder, bookmark.parent)
        except SweepError as error:
            raise SweepError(f"{page} is written, but not logged: {error}") from None
        finally:
            publisher.abandon()
    return page

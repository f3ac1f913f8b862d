"""What takes a second to import, imported while a core has nothing to do."""

from contextlib import suppress
from importlib import import_module
from threading import Thread

_threads: list[Thread] = []


def import_report() -> None:
    """Begin to import what writes reports, unless that was begun."""
    if not _threads:
        _threads.append(Thread(target=_import, daemon=True))
        _threads[0].start()


def finish() -> None:
    """Wait for the import, if it was begun."""
    for thread in _threads:
        thread.join()


def _import() -> None:
    with suppress(Exception):  # whoever needs it will say
        import_module("sweeps.report.page")

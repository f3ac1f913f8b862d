"""Changes to the process that are undone: a sweep leaves a notebook as it found it."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any


@contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set environment variables; undo this and every other change of the environment at the end."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


@contextmanager
def attributes(owner: object, **values: Any) -> Iterator[None]:
    """Set attributes of a module or class."""
    before = {name: getattr(owner, name) for name in values}
    try:
        for name, value in values.items():
            setattr(owner, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(owner, name, value)


@contextmanager
def working_directory(path: Path) -> Iterator[None]:
    """Change to a folder, and back if the previous one still exists."""
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        with suppress(FileNotFoundError):
            os.chdir(before)


@contextmanager
def signal_handler(number: signal.Signals) -> Iterator[None]:
    """Let others change the handler of a signal, which only the main thread can."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(number)
    try:
        yield
    finally:
        # None stands for a handler that was not set from Python.
        if before is not None:
            signal.signal(number, before)


@contextmanager
def ignored(number: signal.Signals) -> Iterator[None]:
    """Ignore a signal, as processes that are started meanwhile will; only the main thread can."""
    with signal_handler(number):
        if threading.current_thread() is threading.main_thread():
            signal.signal(number, signal.SIG_IGN)
        yield


class _Lasting:
    """A text stream of which a failed write is no error, such as that of a terminal that is gone.

    Characters that its encoding does not have are written as question marks.
    """

    def __init__(self, stream: TextIOWrapper) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        encoding = self._stream.encoding
        with suppress(OSError):
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                self._stream.write(text.encode(encoding, "replace").decode(encoding))
        return len(text)

    def flush(self) -> None:
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextmanager
def lasting_output() -> Iterator[None]:
    """Let nothing fail because standard output or error cannot be written; a notebook's stay as they are."""
    streams = {"stdout": sys.stdout, "stderr": sys.stderr}
    lasting = {name: _Lasting(each) for name, each in streams.items() if isinstance(each, TextIOWrapper)}
    with attributes(sys, **lasting):
        yield


@contextmanager
def log_level(name: str, level: int) -> Iterator[None]:
    """Set the level of a logger."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)

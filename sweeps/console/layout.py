"""Consoles, and tables for them."""

import sys
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweeps.errors import printable


def wide_console() -> Console:
    """Return a console on standard output: plain text also in notebooks, 160 columns without a terminal."""
    # The output of a notebook says that it is a terminal, but keeps every frame of a live display.
    in_notebook = type(sys.stdout).__module__.startswith("ipykernel")
    console = Console(force_jupyter=False, force_terminal=False if in_notebook else None)
    if not console.is_terminal:
        console.width = 160
    return console


def empty_table(title: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    """Return a table without rows; columns of words are aligned left, those of numbers right.

    Where the terminal is too narrow, only words are wrapped or cut.
    """
    table = Table(*words, title=title or None, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in numbers:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def as_is(text: str) -> Text:
    """Keep [brackets] from being interpreted as markup, as they would be in a plain string."""
    return Text(printable(text))


def in_one_line(text: str) -> Text:
    """Return a text ``as_is`` that is cut where its line ends."""
    return Text(printable(text), no_wrap=True, overflow="ellipsis")


def add_rows(
    table: Table, rows: Sequence[Sequence[str | Text]], limit: int | None = None, bold: int | None = None
) -> None:
    """Add rows to a table, texts ``as_is``; beyond a limit, the last row says how many more there are.

    Args:
        table: The table.
        rows: The cells of each row.
        limit: The number of rows; None for all.
        bold: The row to emphasize.
    """
    n = len(rows) if limit is None or len(rows) <= limit else max(0, limit - 1)
    for index, cells in enumerate(rows[:n]):
        texts = [as_is(cell) if isinstance(cell, str) else cell for cell in cells]
        table.add_row(*texts, style="bold" if index == bold else None)
    if n < len(rows):
        table.add_row(f"and {len(rows) - n} more")

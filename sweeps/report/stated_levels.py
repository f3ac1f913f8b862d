"""States in a table at which level its intervals are, as a paper needs it."""

import re
from collections.abc import Sequence
from dataclasses import replace

from sweeps.report.cells import LEVEL, Cell, Table

_UNSTATED = re.compile(r"\[(?:\S+% )?interval\]")


def with_levels(table: Table) -> Table:
    """Return the table with levels in the titles of its columns, or in the cells where they differ."""
    columns = [_with_levels(title, [row[i] for row in table.rows]) for i, title in enumerate(table.columns)]
    rows = [list(row) for row in zip(*(cells for _, cells in columns), strict=True)]
    return replace(table, columns=[title for title, _ in columns], rows=rows)


def _with_levels(title: str, cells: Sequence[str]) -> tuple[str, Sequence[str]]:
    levels = [_level(cell) for cell in cells]
    known = sorted(set(filter(None, levels)))
    if len(known) > 1:
        pairs = zip(cells, levels, strict=True)
        return title, [f"{cell}\n{level}" if level else cell for cell, level in pairs]
    if not known:
        return title, cells
    stated = f"[{known[0]}]"
    return (_UNSTATED.sub(stated, title) if _UNSTATED.search(title) else f"{title} {stated}"), cells


def _level(cell: str) -> str:
    """Return the level of a cell's interval, such as ``95% interval``; empty if it has none."""
    values = cell.values.items() if isinstance(cell, Cell) else ()
    return next((f"{100 * value:.4g}% interval" for name, value in values if name.endswith(LEVEL)), "")

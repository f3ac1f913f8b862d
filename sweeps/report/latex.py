r"""Writes tables as LaTeX, with the rules of the package booktabs: a ``tabular`` to ``\input``."""

import re
import textwrap
from collections.abc import Sequence

from sweeps.report.cells import Table
from sweeps.report.latex_characters import settable

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    **{character: f"\\{character}" for character in "&%$#_"},
}
_NUMBER = r"-?[\d.]+(?:e[+-]?\d+)?"
# An estimate as ``labels.interval`` writes it: a number, and perhaps its interval.
_ESTIMATE = re.compile(rf"({_NUMBER})(?: \[([^\]]+)\])?(?![\w.])")
_POWER = re.compile(r"e([+-]?\d+)")
_HEAD_WIDTH, _CELL_WIDTH = 18, 32  # characters


def to_latex(table: Table) -> str:
    """Return a table as LaTeX; numbers are set in mathematics, and long texts are broken into lines."""
    words = table.words
    lines = [
        r"% needs \usepackage{booktabs}",
        rf"\begin{{tabular}}{{{'l' * words}{'r' * (len(table.columns) - words)}}}",
        r"\toprule",
        _row([_stacked(_head(title), index < words, "b") for index, title in enumerate(table.columns)]),
        r"\midrule",
        *(_row([_cell(text, index < words) for index, text in enumerate(row)]) for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"{_after_break(' & '.join(cells))} \\\\"


def _after_break(line: str) -> str:
    """Protect a bracket or a star, which would be an argument of the line break before it."""
    return f"{{}}{line}" if line.startswith(("[", "*")) else line


def _head(title: str) -> list[str]:
    return [_escaped(line) for line in textwrap.wrap(title, _HEAD_WIDTH, break_long_words=False)]


def _cell(text: str, is_word: bool) -> str:
    first, *below = text.split("\n")
    lines = _broken(first) if is_word else [_estimate(first)]
    small = [rf"{{\footnotesize {line}}}" for each in below for line in _broken(each)]
    return _stacked([*lines, *small], is_word, "t")


def _broken(text: str) -> list[str]:
    return [_escaped(line) for line in textwrap.wrap(text, _CELL_WIDTH)]


def _stacked(lines: Sequence[str], is_word: bool, position: str) -> str:
    """Set lines below each other in one cell."""
    if len(lines) < 2:
        return "".join(lines)
    side, text = "l" if is_word else "r", r" \\ ".join(map(_after_break, lines))
    return rf"\begin{{tabular}}[{position}]{{@{{}}{side}@{{}}}}{text}\end{{tabular}}"


def _estimate(text: str) -> str:
    r"""Set a number with its interval in mathematics, such as ``$2.5\;[1.9, 3.2]$``; escape what follows."""
    found = _ESTIMATE.match(text)
    if found is None:
        return _escaped(text)
    center, ends = _mathematics(found[1]), found[2]
    interval = rf"\;[{', '.join(_ends(ends))}]" if ends else ""
    return f"${center}{interval}${_escaped(text[found.end() :])}"


def _ends(text: str) -> list[str]:
    ends = text.split(", ")
    low, high = ends[0], ends[-1]
    infinite = low.replace("unbounded", r"-\infty"), high.replace("unbounded", r"\infty")
    return [_mathematics(end) for end in infinite]


def _mathematics(number: str) -> str:
    return _POWER.sub(lambda found: rf" \times 10^{{{int(found[1])}}}", number)


def _escaped(text: str) -> str:
    # Formulas are made last, as their own characters must not be escaped.
    return settable("".join(_ESCAPED.get(character, character) for character in text))

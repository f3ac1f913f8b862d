"""Fills in the templates of reports."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape


def _plain(text: object) -> str:
    """Keep a text on one line of Markdown and free of HTML."""
    return str(text).replace("<", "&lt;").replace("\n", " ")


def _cell(text: object) -> str:
    """Keep a text in one cell of a table of Markdown, whose lines only HTML can break."""
    return "<br>".join(_plain(line).replace("|", "\\|") for line in str(text).split("\n"))


_TEMPLATES = Environment(
    # A PackageLoader could find another package "sweeps" in the folder of a job.
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=select_autoescape(["html.j2"]),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters |= {"plain": _plain, "cell": _cell}


def write_pages(page: Path, **content: Any) -> None:
    """Fill in the templates named after a page, such as ``report.html``, and after its Markdown beside it."""
    for path in (page, page.with_suffix(".md")):
        path.write_text(render(f"{path.name}.j2", **content), encoding="utf-8")


def render(template: str, **content: Any) -> str:
    """Return a template filled in with ``content``."""
    return _TEMPLATES.get_template(template).render(content)

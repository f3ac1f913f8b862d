"""Fills in the templates of reports."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape


def render(template: str, **content: Any) -> str:
    """Return a template filled in with ``content``."""
    return _environment().get_template(template).render(content)


def _environment() -> Environment:
    environment = Environment(
        # A PackageLoader could find another package "sweeps" in the folder of a job.
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = _plain
    environment.filters["cell"] = lambda text: _plain(text).replace("|", "\\|")
    return environment


def _plain(text: object) -> str:
    """Keep a text on one line of Markdown and free of HTML."""
    return str(text).replace("<", "&lt;").replace("\n", " ")

"""The templates of reports, filled in."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape


def render(template: str, path: Path, **content: Any) -> None:
    """Fill in a template.

    Args:
        template: Its name.
        path: What to write.
        **content: Its values.
    """
    path.write_text(_environment().get_template(template).render(content), encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        # Not by the package's name: a job's folder may have a folder of that name.
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = lambda text: str(text).replace("<", "&lt;").replace("\n", " ")
    environment.filters["cell"] = lambda text: environment.filters["plain"](text).replace("|", "\\|")
    return environment

"""What there is to sweep: trainables with their hyperparameters, and the studies shipped."""

from pathlib import Path
from typing import get_args

from pydantic.fields import FieldInfo
from rich.console import Console
from rich.table import Table

from sweeps.source import Source
from trainables import registry

STUDIES = Path(__file__).parent / "studies"


def print_catalogue(console: Console) -> None:
    """Print every trainable and study.

    Args:
        console: Where to.
    """
    for name in registry.names():
        trainable = registry.get(name)
        summary = (trainable.__doc__ or "").strip().splitlines()
        console.print(f"[bold]{name}[/bold]  {summary[0] if summary else ''}")
        if models := trainable.models():
            console.print(f"  models: {', '.join(models)}")
        console.print(f"  metrics: {', '.join(trainable.metrics())}")
        table = Table(box=None, padding=(0, 2, 0, 2))
        for column in ("hyperparameter", "default", "takes", "what it is"):
            table.add_column(column)
        for key, field in trainable.Hyperparameters.model_fields.items():
            default = "" if field.default is None else str(field.default)
            table.add_row(key, default, _takes(field), field.description)
        console.print(table)
    console.print("[bold]studies[/bold]")
    for path in sorted(STUDIES.glob("*.yaml")):
        content = Source(path).content
        profiles = "".join(f", --profile {name}" for name in content.get("profiles", {}))
        console.print(f"  {content['name']}  trains {content['trainable']}  {path}{profiles}", soft_wrap=True)


def _takes(field: FieldInfo) -> str:
    kinds = [kind for kind in get_args(field.annotation) or (field.annotation,) if kind is not type(None)]
    names = " | ".join(getattr(kind, "__name__", str(kind)) for kind in kinds)
    signs = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}
    bounds = [
        f"{sign} {getattr(bound, name):g}"
        for bound in field.metadata
        for name, sign in signs.items()
        if getattr(bound, name, None) is not None
    ]
    return " ".join([names, *bounds])

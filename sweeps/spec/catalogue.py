"""The catalogue of what can be swept: trainables with their hyperparameters, and shipped studies."""

from collections.abc import Mapping
from typing import get_args

from pydantic.fields import FieldInfo
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sweeps.errors import SweepError
from sweeps.spec.model import declaration_of, mode_of
from sweeps.spec.sections import takes_list
from sweeps.spec.source import STUDIES, Source
from trainables import registry
from trainables.declarations.base import CURVATURE_METRICS, LOOP_METRICS, PREFIXES, under_noise, with_prefix
from trainables.declarations.hyperparameters import Hyperparameters
from trainables.noise import registry as noise


def print_catalogue(console: Console) -> None:
    """Print what all trainables have in common, what each adds, and the studies."""
    console.print("[bold]every trainable[/bold]")
    console.print(f"  metrics: {', '.join(LOOP_METRICS)}")
    console.print(f"  metrics with curvature: {', '.join(CURVATURE_METRICS)}")
    under = ", ".join(under_noise(f"{prefix}loss", 0.1) for prefix in PREFIXES.values())
    console.print(f"  metrics with weight_noise: {under} and so on for every score and sigma")
    console.print(_table(Hyperparameters.model_fields))
    legend = (
        "w weights, w_r those of a filter, eta learning rate, xi ~ N(0, I), G groups, t step, lambda mixing"
    )
    console.print(f"[bold]noise modes[/bold]  {legend}")
    console.print(f"  compare: noise means {', '.join(noise.STUDY_MODES)}")
    console.print(_modes())
    for name in registry.names():
        declaration = declaration_of(name)
        summary = (declaration.__doc__ or "").strip().partition("\n")[0]
        console.print(f"[bold]{name}[/bold]  {summary}")
        console.print(f"  metrics: {', '.join(with_prefix('validation', dict(declaration.scores)))}")
        fields = declaration.Hyperparameters.model_fields
        console.print(_table({key: field for key, field in fields.items() if not _is_shared(key, field)}))
    console.print("[bold]studies[/bold]  run one by its name: noisesweep run sparse-regression")
    for path in sorted(STUDIES.glob("*.yaml")):
        content = Source(path).content
        profiles = "".join(f", --profile {name}" for name in content.get("profiles", {}))
        console.print(f"  {content['name']}  trains {content['trainable']}  {path}{profiles}", soft_wrap=True)


def _modes() -> Table:
    table = Table("noise mode", "noise n", "step", "gradients", "source", box=None, padding=(0, 2, 0, 2))
    for name in noise.names():
        try:
            mode = mode_of(name)
        except SweepError as error:
            table.add_row(name, f"[red]cannot be used[/red]: {escape(str(error))}")
            continue
        table.add_row(name, mode.noise, mode.formula, str(mode.gradients), mode.source)
    return table


def _is_shared(key: str, field: FieldInfo) -> bool:
    shared = Hyperparameters.model_fields.get(key)
    return shared is not None and (shared.annotation, shared.default) == (field.annotation, field.default)


def _table(fields: Mapping[str, FieldInfo]) -> Table:
    table = Table("hyperparameter", "default", "takes", "what it is", box=None, padding=(0, 2, 0, 2))
    for key, field in fields.items():
        default = "" if field.default in (None, ()) else str(field.default)
        table.add_row(key, default, _takes(field), field.description)
    return table


def _takes(field: FieldInfo) -> str:
    """The types or values that a field takes, with their bounds, such as ``int >= 1``."""
    if takes_list(field):
        return f"list of {_takes(FieldInfo.from_annotation(get_args(field.annotation)[0]))}"
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

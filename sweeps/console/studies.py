"""The studies that can be run: those that ship, and the YAML files of the current folder."""

from pathlib import Path

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sweeps.errors import SweepError, printable
from sweeps.record.state import SweepState
from sweeps.spec.model import Spec
from sweeps.spec.source import STUDIES, YAML, Source, shipped_studies


def print_studies(console: Console) -> None:
    """Print what ``noisesweep run`` can run, with what it asks and what it needs."""
    table = _table("shipped studies")
    for name in shipped_studies():
        table.add_row(*_row(name, STUDIES / f"{name}.yaml"))
    console.print(table)
    own = _table("studies in this folder")
    for path in sorted(path for path in Path().iterdir() if path.suffix in YAML):
        if row := _row(str(path), path):
            own.add_row(*row)
    if own.row_count:
        console.print(own)
    for command, what in (
        ("noisesweep run NAME", "runs one; with a + it trains more while a claim is undecided"),
        ("noisesweep run NAME --profile quick", "runs its smaller form, for two cores without a GPU"),
        ("noisesweep init TRAINABLE", "writes a YAML of your own; `noisesweep list` names the trainables"),
    ):
        console.print(f"  {command:36} {what}", highlight=False, soft_wrap=True)


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 2))
    for column in ("name", "asks", "needs", "trainings", "profiles"):
        table.add_column(column, no_wrap=column == "name", overflow="fold")
    return table


def _row(name: str, path: Path) -> list[str]:
    """Describe a study; empty if the file is none."""
    try:
        content = Source(path).content
    except SweepError:
        return []
    if "trainable" not in content:
        return []
    try:
        spec = Spec.model_validate(content)
        needs, trainings = _cost(spec)
    except (ValidationError, SweepError):
        return [_safe(name), "has mistakes: see noisesweep validate", "", "", ""]
    return [_safe(name), _safe(spec.question), needs, trainings, _safe(", ".join(spec.profiles))]


def _safe(text: str) -> str:
    return escape(printable(text))


def _cost(spec: Spec) -> tuple[str, str]:
    trials = SweepState(spec).n_trials
    # Later looks train more, if a claim is undecided.
    count = "" if trials is None else f"{trials}{'+' if len(spec.n_seeds) > 1 else ''} x "
    return "GPU" if spec.resources.gpu else "CPU", f"{count}{spec.max_epochs} epochs"

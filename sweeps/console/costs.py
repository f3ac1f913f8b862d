"""What a sweep will cost, as tables and lines for the terminal."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path

from rich.table import Table

from sweeps.analysis.costs import Cost, Total, total
from sweeps.analysis.descriptions import counted
from sweeps.analysis.work import Program, Work
from sweeps.console.layout import as_is, empty_table
from sweeps.spec.model import Spec
from trainables.declarations.sources import Source

_MIB = 2**20


def stages_table(spec: Spec, works: Sequence[Work], costs: Mapping[Program, Cost], slots: int) -> Table:
    """Return what each stage costs up to the first look, and at most."""
    table = empty_table(spec.name, ["stage", ""], ["trials", "epochs", "gradient evaluations", "time"])
    stages = list(dict.fromkeys(work.stage for work in works))
    for stage in [*stages, "total"] if len(stages) > 1 else stages:
        own = [work for work in works if stage in (work.stage, "total")]
        first, most = (total(spec, own, costs, slots, at_most=at_most) for at_most in (False, True))
        grows = first.trials < most.trials
        if first == most:
            table.add_row(stage, "", *_amounts(first))
        else:
            table.add_row(stage, "to the first look" if grows else "estimated", *_amounts(first))
            table.add_row("", "at most", *_amounts(most))
    return table


def _amounts(amount: Total) -> list[str]:
    taken = "?" if amount.gradients is None else f"{amount.gradients:,.0f}"
    return [f"{amount.trials:,.0f}", f"{amount.epochs:,.0f}", taken, _time(amount.seconds)]


def _time(seconds: float | None) -> str:
    return "?" if seconds is None else str(timedelta(seconds=round(seconds)))


def programs_table(costs: Mapping[Program, Cost], *, gpu: bool) -> Table:
    """Return what a trial of each program was measured to take."""
    numbers = ["start", "training an epoch", "validating it", "curvature", "test split", "peak memory"]
    table = empty_table("measured, in seconds", ["trials with"], numbers)
    for program, cost in costs.items():
        name = as_is(" ".join(f"{name}={value}" for name, value in program) or "any values")
        seconds = (cost.start, cost.train, cost.evaluate, cost.curvature, cost.test)
        memory = f"{cost.memory / _MIB:,.0f} MiB{' of the GPU' if gpu else ''}"
        table.add_row(name, *(f"{each:.3f}" for each in seconds), memory)
    return table


def data_lines(data: Sequence[tuple[Source, Path | None]]) -> Iterator[str]:
    """Say where the data are, and what would be downloaded from where."""
    for source, path in data:
        size = f", about {source.megabytes:g} MB" if source.megabytes else ""
        if path:
            yield f"data: {source.path} is in {path.parent}"
        elif source.origin:
            yield f"data: {source.path} would be downloaded ({source.origin}{size})"
        else:
            yield f"data: {source.path} is missing, and nothing says where to download it"
    if not data:
        yield "data: generated, nothing to download"


def measurement_line(spec: Spec, costs: Mapping[Program, Cost], nodes: int, slots: int) -> str:
    """Say what the times are estimated from."""
    steps = sum(cost.steps for cost in costs.values())
    memory = max(cost.memory for cost in costs.values()) / _MIB
    where = "this machine" if nodes == 1 else f"{nodes} nodes"
    rule = f"estimated from {counted(steps, 'step')}, with {counted(slots, 'trial')} at a time on {where}"
    stops = "early stopping and load" if spec.early_stopping else "load"
    return f"{rule} (at most {memory * slots:,.0f} MiB together); actual times vary with {stops}"

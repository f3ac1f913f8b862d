"""Tables of arms for the terminal."""

import itertools

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from sweeps.analysis.arms import in_stratum, is_judgeable
from sweeps.analysis.descriptions import describe
from sweeps.console.layout import add_rows, as_is, empty_table, in_one_line
from sweeps.console.seeds import arm_rows, seeds_table
from sweeps.record.state import SweepState
from sweeps.record.trials import SEARCH
from sweeps.report.cells import Table as ReportTable


def tables(state: SweepState, *, running: bool = False) -> list[RenderableType]:
    """Return a table of the search or grid, and one of the mean scores if there are several seeds."""
    shown: list[RenderableType] = []
    if state.of_stage(SEARCH) or not state.spec.confirms:
        shown.append(arms_table(state, running=running))
    if is_judgeable(state):
        shown.append(seeds_table(state.spec, arm_rows(state), running=running))
    return shown


def arms_table(state: SweepState, *, running: bool = False, limit: int | None = None) -> Table:
    """Return each arm's trials by status and its best one.

    Args:
        state: The sweep.
        running: Whether running trials count too.
        limit: The number of rows; None for all.
    """
    metric, spec, found = state.spec.objective.metric, state.spec, state.of_stage(SEARCH)
    title = "noise modes" if spec.compared == "noise" else f"arms of {spec.compared}"
    present = {trial.status for trial in found}
    counted = ["running"] if running else []
    counted += [status for status in ("stopped", "diverged", "failed") if status in present]
    table = empty_table(
        f"{title}, best {metric} of each", [spec.compared], ["trials", *counted, "best", "after"]
    )
    table.columns[0].no_wrap = True
    table.add_column("with")
    as_text = as_is if limit is None else in_one_line
    ranking, first = state.ranked(found, running=running), None
    rows: list[list[str | Text]] = []
    for arm, stratum in itertools.product(state.arms(), spec.strata):
        trials = in_stratum(state.of_stage(SEARCH, arm), stratum)
        counts = [sum(trial.status == status for trial in trials) for status in counted]
        best = next((trial for trial in ranking if trial in trials), None)
        if best and best is ranking[0]:
            first = len(rows)
        score = f"{state.score(best):.4f}" if best else ""
        after = f"{len(best.epochs)}/{best.hyperparameters['epochs']}" if best else ""
        name = as_is(", ".join([arm, *map(str, stratum.values())]))
        about = as_text(describe(spec, best) if best else "")
        rows.append([name, str(len(trials)), *map(str, counts), score, after, about])
    add_rows(table, rows, limit, bold=first)
    return table


def report_table(found: ReportTable) -> Table:
    """Return a table of a report for the terminal."""
    columns, words = list(found.columns), found.words
    table = empty_table(found.title, columns[:words], columns[words:])
    # The name of an arm stays whole; keys and claims can be long, and are wrapped.
    table.columns[0].no_wrap = found.slug == "arms"
    add_rows(table, found.rows)
    return table

"""Tables of arms for the terminal."""

import itertools
import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweeps.analysis.arms import arms_of, in_stratum, is_judgeable, points_of
from sweeps.analysis.descriptions import describe, shown_values
from sweeps.analysis.levels import interval_name, summary_of
from sweeps.errors import printable
from sweeps.record.state import SweepState
from sweeps.record.trials import SEARCH


def wide_console() -> Console:
    """Return a console on standard output: plain text also in notebooks, 160 columns without a terminal."""
    console = Console(force_jupyter=False)
    if not console.is_terminal:
        console.width = 160
    return console


def tables(state: SweepState, *, running: bool = False) -> list[Table]:
    """Return a table of the search or grid, and one of the mean scores if there are several seeds."""
    first = [arms_table(state, running=running)] if state.of_stage(SEARCH) or not state.spec.confirms else []
    return [*first, _seeds_table(state)] if is_judgeable(state) else first


def _seeds_table(state: SweepState) -> Table:
    """Return the mean score of each arm with its interval, in a grid at every point."""
    metric, compared = state.spec.verdict_metric, state.spec.compared
    seeds = "confirmed on fresh seeds" if state.spec.confirms else "over seeds"
    title = f"{seeds}: mean {metric} and its {interval_name(state.spec)}"
    table = empty_table(title, [compared, "with"], ["seeds", "diverged", "mean", "from", "to"])
    arms = [arm for _, where in points_of(state.spec) for arm in arms_of(state, where)]
    # An arm without noise is the same at every sigma and is shown once.
    for arm in {id(arm.trials[0]): arm for arm in arms}.values():
        summary = summary_of(state.spec, metric, arm.final(metric).values())
        values = (summary.mean, summary.low, summary.high)
        numbers = ["" if math.isnan(value) else f"{value:.4f}" for value in values]
        words = as_is(arm.name), as_is(shown_values(state.spec, arm.point))
        table.add_row(*words, str(summary.n), str(arm.diverged), *numbers)
    return table


def arms_table(state: SweepState, *, running: bool = False) -> Table:
    """Return each arm's trials by status and its best one; with ``running``, running trials count too."""
    metric, compared = state.spec.objective.metric, state.spec.compared
    title = "noise modes" if compared == "noise" else f"arms of {compared}"
    counted = ["stopped", "diverged", "failed"]
    if running:
        counted.insert(0, "running")
    table = empty_table(title, [compared], ["trials", *counted, f"best {metric}", "after"])
    table.add_column("with")
    ranking = state.ranked(state.of_stage(SEARCH), running=running)
    for arm, stratum in itertools.product(state.arms(), state.spec.strata):
        trials = in_stratum(state.of_stage(SEARCH, arm), stratum)
        counts = [sum(trial.status == status for trial in trials) for status in counted]
        best = next((trial for trial in ranking if trial in trials), None)
        score = f"{state.score(best):.4f}" if best else ""
        after = f"{len(best.epochs)}/{best.hyperparameters['epochs']}" if best else ""
        style = "bold" if best and best is ranking[0] else None
        name = as_is(", ".join([arm, *map(str, stratum.values())]))
        about = as_is(describe(state.spec, best) if best else "")
        table.add_row(name, str(len(trials)), *map(str, counts), score, after, about, style=style)
    return table


def empty_table(title: str, words: Sequence[str], numbers: Sequence[str]) -> Table:
    """Return a table without rows; columns of words are aligned left, those of numbers right."""
    table = Table(*words, title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in numbers:
        table.add_column(column, justify="right")
    return table


def as_is(text: str) -> Text:
    """Keep [brackets] from being interpreted as markup, as they would be in a plain string."""
    return Text(printable(text))

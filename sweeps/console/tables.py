"""Tables of arms in the terminal."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweeps.analysis.arms import arms_of, is_judgeable, points_of
from sweeps.analysis.descriptions import describe, shown_values
from sweeps.analysis.stats import summarise
from sweeps.errors import printable
from sweeps.record.state import SEARCH, SweepState


def wide_console() -> Console:
    """Make a console that does not squeeze tables into 80 columns when there is no terminal.

    Returns:
        A console on standard output.
    """
    console = Console(force_jupyter=False)  # a notebook takes plain lines, too
    return console if console.is_terminal else Console(force_jupyter=False, width=160)


def tables(state: SweepState, *, running: bool = False) -> list[Table]:
    """Tabulate the arms, stage by stage.

    Args:
        state: The sweep.
        running: Let running trials be the best.

    Returns:
        One table a stage that has trials.
    """
    confirmed = [seeds_table(state)] if is_judgeable(state) else []
    return [arms_table(state, running=running), *confirmed]


def seeds_table(state: SweepState) -> Table:
    """Tabulate arms over their seeds.

    Args:
        state: A sweep with a confirm stage, or a grid.

    Returns:
        The mean score of each arm with its 95% interval; in a grid at every point.
    """
    metric, compared = state.spec.verdict_metric, state.spec.compared
    how = "confirmed on fresh seeds" if state.spec.confirms else "over seeds"
    title = f"{how}: mean {metric} and its 95% interval"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in (compared, "with", "seeds", "diverged", "mean", "from", "to"):
        table.add_column(column, justify="left" if column in (compared, "with") else "right")
    arms = [arm for _, where in points_of(state.spec) for arm in arms_of(state, where)]
    for arm in {id(arm.trials[0]): arm for arm in arms}.values():  # none has no sigma: once is enough
        summary = summarise(list(arm.final(metric).values()))
        numbers = [f"{value:.4f}" for value in (summary.mean, summary.low, summary.high)]
        table.add_row(
            as_is(arm.name),
            as_is(shown_values(state.spec, arm.point)),
            str(summary.n),
            str(arm.diverged),
            *(number if number != "nan" else "" for number in numbers),
        )
    return table


def arms_table(state: SweepState, *, running: bool = False) -> Table:
    """Tabulate the arms of a search or grid.

    Args:
        state: The sweep.
        running: Let running trials be the best.

    Returns:
        Trials by status and the best trial of each arm.
    """
    metric, compared = state.spec.objective.metric, state.spec.compared
    title = "noise modes" if compared == "noise" else f"arms of {compared}"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    counted = [*(["running"] if running else []), "stopped", "diverged", "failed"]
    for column in (compared, "trials", *counted, f"best {metric}", "after", "with"):
        table.add_column(column, justify="left" if column in (compared, "with") else "right")
    ranking = state.ranking(None, SEARCH, running=running)
    for arm in state.arms():
        trials = [trial for trial in state.of_stage(SEARCH) if trial.arm == arm]
        counts = [sum(trial.status == status for trial in trials) for status in counted]
        best = next((trial for trial in ranking if trial.arm == arm), None)
        score = f"{state.score(best):.4f}" if best else ""
        after = f"{len(best.epochs)}/{best.hyperparameters['epochs']}" if best else ""
        style = "bold" if best and best is ranking[0] else None
        about = describe(state.spec, best) if best else ""
        table.add_row(
            as_is(arm), str(len(trials)), *map(str, counts), score, after, as_is(about), style=style
        )
    return table


def as_is(text: str) -> Text:
    """Keep a text from being read as markup, which a plain string's [brackets] would be.

    Args:
        text: Any text.

    Returns:
        The text, for a table or a console.
    """
    return Text(printable(text))

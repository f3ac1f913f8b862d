"""The table of arms over seeds: means, and paired differences from the reference."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group

from sweeps.analysis.arms import Arm, arms_of, points_of, reference_of
from sweeps.analysis.descriptions import shown_values
from sweeps.analysis.effects import difference_from, find_reference
from sweeps.analysis.levels import summary_of
from sweeps.analysis.stats import PairedDifference, Summary
from sweeps.console.layout import add_rows, as_is, empty_table, in_one_line
from sweeps.record.state import SweepState
from sweeps.report.labels import interval, typical
from sweeps.spec.model import Spec


@dataclass(frozen=True)
class ArmRow:
    """An arm at one point, with its mean in the verdict metric and its difference from the reference.

    ``difference`` is None for the reference, and before that has trials.
    """

    arm: Arm
    mean: Summary
    difference: PairedDifference | None

    @property
    def levels(self) -> str:
        """The confidence levels of the intervals, such as ``98.3%``; two if that of the mean is another."""
        shown = [each for each in (self.mean, self.difference) if each and each.n]
        return ", ".join(dict.fromkeys(f"{100 * (1 - each.error):.3g}%" for each in shown))


def arm_rows(state: SweepState) -> list[ArmRow]:
    """Summarize each arm at each point where arms are compared."""
    rows: dict[int, ArmRow] = {}
    for _, where in points_of(state.spec):
        arms = arms_of(state, where)
        reference = find_reference(state.spec, arms)
        for arm in arms:
            # An arm without noise is the same at every sigma and is shown once.
            if id(arm.trials[0]) not in rows:
                rows[id(arm.trials[0])] = _row(state.spec, arm, reference)
    return list(rows.values())


def _row(spec: Spec, arm: Arm, reference: Arm | None) -> ArmRow:
    metric, is_compared = spec.verdict_metric, reference and arm.name != reference.name
    difference = difference_from(spec, arm, reference, metric) if reference and is_compared else None
    return ArmRow(arm, summary_of(spec, metric, arm.final(metric).values()), difference)


def seeds_table(
    spec: Spec, rows: Sequence[ArmRow], *, running: bool = False, limit: int | None = None
) -> Group:
    """Return the table with its title.

    Args:
        spec: The sweep's spec.
        rows: Its rows.
        running: Whether the sweep runs, so that the title must say that the results are not final.
        limit: The number of rows; None for all.
    """
    levels = sorted({row.levels for row in rows if row.levels})
    columns = {"seeds": [str(row.mean.n) for row in rows]}
    if any(row.arm.diverged for row in rows):
        columns["diverged"] = [str(row.arm.diverged) for row in rows]
    columns["mean"] = [_mean(row.mean) if running else interval(row.mean) for row in rows]
    difference = f"difference from {reference_of(spec)}"
    columns[difference] = [typical(row.difference) if row.difference else "" for row in rows]
    if len(levels) > 1:
        columns["level"] = [row.levels for row in rows]
    table = empty_table("", [spec.compared, "with"], list(columns))
    table.columns[0].no_wrap = True
    as_text = as_is if limit is None else in_one_line
    words = [(as_is(row.arm.name), as_text(shown_values(spec, row.arm.point))) for row in rows]
    numbers = zip(*columns.values(), strict=True)
    add_rows(table, [[*two, *cells] for two, cells in zip(words, numbers, strict=True)], limit)
    title = as_text(_title(spec, levels, running=running))
    title.stylize("italic")
    return Group(title, table)


def _mean(mean: Summary) -> str:
    return f"{mean.mean:#.4g}" if mean.n else ""


def _title(spec: Spec, levels: Sequence[str], *, running: bool) -> str:
    lower = " (lower is better)" if spec.directions.get(spec.verdict_metric) == "min" else ""
    level = f"{levels[0]} " if len(levels) == 1 else ""
    if running:
        return f"so far: mean {spec.verdict_metric}{lower}, typical difference with its {level}interval"
    over = "confirmed on fresh seeds" if spec.confirms else "over seeds"
    return f"{over}: mean {spec.verdict_metric}{lower} and typical difference, with {level}intervals"

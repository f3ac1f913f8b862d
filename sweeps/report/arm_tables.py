"""The tables of arms: scores, effects by sigma, flatness of the minima, scores under weight noise."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeps.analysis.arms import Arm, arms_of, common_target, reference_of, title_of
from sweeps.analysis.descriptions import shown_values, varied_values
from sweeps.analysis.effects import difference_from, effects_of, find_reference
from sweeps.analysis.levels import interval_name, summary_of
from sweeps.analysis.stats import PairedDifference, reached_by
from sweeps.record.state import SweepState
from sweeps.report.cells import Cell, Table, mean_cell, number_cell, typical_cell
from sweeps.report.labels import NAMES, number
from sweeps.report.setup import shown
from sweeps.spec.model import Spec
from trainables.declarations.base import under_noise

# A title with the cells below it.
Column = tuple[str, Sequence[str]]
# Measured on the trained network; the lower, the flatter.
FLATNESS = ("hessian_trace", "sharpness")


def tables_at(state: SweepState, suffix: str, where: Mapping[str, Any]) -> list[Table]:
    """Return the tables of the arms at the point ``where``, which ``suffix`` names, if they have rows."""
    arms = arms_of(state, where)
    spec = state.spec
    tables = [_arms_table(state, arms), _flatness_table(spec, arms), _weight_noise_table(spec, arms)]
    return [table.at(suffix) for table in tables if table.rows]


def effect_tables(state: SweepState) -> list[Table]:
    """Return the effects by sigma for each value of ``across``; those without rows are left out."""
    tables = [(_effects_table(state, stratum), title_of(stratum)) for stratum in state.spec.strata]
    return [table.at(title) for table, title in tables if table.rows]


def _arms_table(state: SweepState, arms: Sequence[Arm]) -> Table:
    """Return one row for each arm."""
    spec = state.spec
    metric, objective, reference = spec.verdict_metric, spec.objective, reference_of(spec)
    summaries = [summary_of(spec, metric, arm.final(metric).values()) for arm in arms]
    differences, base = _differences(spec, arms), find_reference(spec, arms)
    compared = [(arm, differences.get(arm.name)) for arm in arms]
    target = common_target(
        [base] if base else arms, objective.metric, larger_is_better=objective.mode == "max"
    )
    epochs = f"epochs to {objective.metric} {number(target)}: median"
    columns: list[Column] = [
        (spec.compared, [arm.name for arm in arms]),
        ("with", [configuration_cell(spec, arm.point) for arm in arms]),
        ("seeds", [str(summary.n) for summary in summaries]),
        ("diverged", [str(arm.diverged) for arm in arms]),
        ("failed", [str(arm.failed) for arm in arms]),
        (mean_title(spec), [mean_cell("mean", summary) for summary in summaries]),
        ("standard deviation", [number_cell("std", summary.std) for summary in summaries]),
        (
            f"mean difference from {reference} [{interval_name(spec)}]",
            [difference_cell(spec, arm, base, metric) if pair and base else "" for arm, pair in compared],
        ),
        (
            _typical_title(spec),
            [typical_cell("typical", pair) if pair else "" for _, pair in compared],
        ),
        (epochs, ["" if target is None else _median_epochs(state, arm, target) for arm in arms]),
    ]
    return _without_empty("arms", "The arms", columns, words=1 + any(columns[1][1]))


def configuration_cell(spec: Spec, point: Mapping[str, Any]) -> Cell:
    """Return the hyperparameters of a configuration that differ between trials."""
    return Cell(shown_values(spec, point), varied_values(spec, point))


def mean_title(spec: Spec) -> str:
    """Return the title of a column of means."""
    lower = " (lower is better)" if spec.directions.get(spec.verdict_metric) == "min" else ""
    return f"mean {spec.verdict_metric}{lower} [{interval_name(spec)}]"


def _typical_title(spec: Spec) -> str:
    return f"typical difference [{interval_name(spec)}]"


def _without_empty(slug: str, title: str, columns: Sequence[Column], words: int) -> Table:
    """Return a table without the columns that have nothing but empty cells and zeros."""
    shown = [(name, cells) for name, cells in columns if any(cell not in ("", "0") for cell in cells)]
    names, rows = [name for name, _ in shown], list(zip(*(cells for _, cells in shown), strict=True))
    return Table(slug, title, names, rows, words)


def _differences(spec: Spec, arms: Sequence[Arm]) -> dict[str, PairedDifference]:
    """Return each other arm's difference in score from the reference; empty before that has trials.

    A seed that diverged ranks as worst.
    """
    base = find_reference(spec, arms)
    if base is None:
        return {}
    others = [arm for arm in arms if arm is not base]
    return {arm.name: difference_from(spec, arm, base, spec.verdict_metric) for arm in others}


def difference_cell(spec: Spec, arm: Arm, reference: Arm, metric: str, name: str = "difference") -> Cell:
    """Return the mean difference with its interval, and below it how many seeds it leaves out."""
    finished = difference_from(spec, arm, reference, metric, finished=True)
    lost = [
        f"{each.diverged} of {len(each.trials)} seeds{of} diverged"
        for each, of in ((arm, ""), (reference, f" of {reference.name}"))
        if each.diverged
    ]
    if not lost:
        return mean_cell(name, finished)
    return mean_cell(name, finished, ", ".join(lost)) if finished.n else Cell(", ".join(lost), {})


def _median_epochs(state: SweepState, arm: Arm, target: float) -> Cell:
    objective = state.spec.objective
    epochs = arm.reaching(objective.metric, target, larger_is_better=objective.mode == "max")
    # Before one of its seeds has ended, an arm has no curve.
    median = reached_by(list(epochs.values()), arm.horizon).median if epochs else None
    text = f"more than {arm.horizon}" if epochs and median is None else number(median)
    return Cell(text, {"median_epochs": median})


def _flatness_table(spec: Spec, arms: Sequence[Arm]) -> Table:
    """Return one row for each arm, if a measure of flatness is known; lower is flatter."""
    measured = [metric for metric in FLATNESS if any(arm.final(metric) for arm in arms)]
    columns: list[Column] = [(spec.compared, [arm.name for arm in arms])]
    for metric in measured:
        columns += _flatness_columns(spec, arms, metric)
    return _without_empty("flatness", "Flatness of the arms", columns if measured else [], words=1)


def _flatness_columns(spec: Spec, arms: Sequence[Arm], metric: str) -> Iterator[Column]:
    name, (means, differences, typicals) = NAMES[metric], _compared(spec, arms, metric, f"{metric}_")
    yield f"{name} [{interval_name(spec)}]", means
    yield f"{name}: mean difference from {reference_of(spec)}", differences
    yield f"{name}: typical difference", typicals


def _weight_noise_table(spec: Spec, arms: Sequence[Arm]) -> Table:
    """Return one row for each arm at each sigma of the noise on the weights of the trained network."""
    metric, columns = spec.verdict_metric, list[list[str]]([[], [], [], [], []])
    for sigma in sorted(spec.weight_noise):
        under = under_noise(metric, sigma)
        if any(arm.final(under) for arm in arms):
            names = [arm.name for arm in arms]
            sigmas: list[str] = [Cell(f"{sigma:g}", {"weight_noise": sigma})] * len(arms)
            for column, cells in zip(columns, (names, sigmas, *_compared(spec, arms, under)), strict=True):
                column += cells
    titles = (
        spec.compared,
        "sigma of the weight noise",
        mean_title(spec),
        f"mean difference from {reference_of(spec)} [{interval_name(spec)}]",
        _typical_title(spec),
    )
    return _without_empty(
        "weight-noise",
        f"Score under weight noise: {metric}",
        list(zip(titles, columns, strict=True)),
        words=1,
    )


def _compared(
    spec: Spec, arms: Sequence[Arm], metric: str, prefix: str = ""
) -> tuple[list[str], list[str], list[str]]:
    """Return the cells of each arm's mean, and of its mean and typical difference from the reference.

    The prefix distinguishes the metrics of a table in a CSV.
    """
    base = find_reference(spec, arms)
    summaries = [summary_of(spec, metric, arm.final(metric).values()) for arm in arms]
    pairs = [
        None if arm is base or base is None else difference_from(spec, arm, base, metric) for arm in arms
    ]
    pairs = [pair if pair and pair.n else None for pair in pairs]
    cells: list[str] = [
        difference_cell(spec, arm, base, metric, f"{prefix}difference") if pair and base else ""
        for arm, pair in zip(arms, pairs, strict=True)
    ]
    means: list[str] = [mean_cell(f"{prefix}mean", summary) if summary.n else "" for summary in summaries]
    return means, cells, [typical_cell(f"{prefix}typical", pair) if pair else "" for pair in pairs]


def _effects_table(state: SweepState, stratum: Mapping[str, Any]) -> Table:
    """Return one row for each arm at each listed sigma, and for what the search chose."""
    spec, effects = state.spec, effects_of(state, stratum)
    chosen_by = "by the search" if spec.search_stage else "given"
    differences = [
        difference_cell(spec, effect.arm, effect.reference, spec.verdict_metric) for effect in effects
    ]
    others = list(effects[0].others) if effects else []
    columns: list[Column] = [
        (spec.compared, [effect.arm.name for effect in effects]),
        *((name, [shown(effect.at[name]) for effect in effects]) for name in others),
        ("chosen", [chosen_by if effect.chosen else "" for effect in effects]),
        ("sigma", [number_cell("sigma", effect.sigma) for effect in effects]),
        (f"mean difference from {reference_of(spec)} [{interval_name(spec)}]", differences),
        (_typical_title(spec), [typical_cell("typical", effect.difference) for effect in effects]),
        ("seeds", [str(effect.difference.n) for effect in effects]),
        ("diverged", [str(effect.arm.diverged) for effect in effects]),
    ]
    words = 1 + len(others) + any(effect.chosen for effect in effects)
    title = f"Effect by sigma on {spec.verdict_metric}"
    return _without_empty("effects", title, columns if effects else [], words)

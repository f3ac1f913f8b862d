"""Figures of a search: its progress, how its trials ended, which hyperparameters mattered."""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeps.analysis.importance import importances
from sweeps.record.state import ENDED, SEARCH, SweepState, TrialRecord
from sweeps.report.charts import Chart, Series
from sweeps.report.figures.sigma import scored_trials
from sweeps.report.labels import label_of
from sweeps.report.styles import Style

# These differ from the colours of the noise modes.
_COLORS = {"finished": "#009E73", "diverged": "#CC79A7", "failed": "#7F4F24"}


def search_progress(state: SweepState, style_of: Mapping[str, Style]) -> Chart:
    """Chart the best score so far of each arm, by its number of trials."""
    objective, trials = state.spec.objective, scored_trials(state)
    series = []
    for name, style in style_of.items():
        scores = [trial.last[objective.metric] for trial in trials if trial.arm == name]
        best = list(itertools.accumulate(scores, max if objective.mode == "max" else min))
        series.append(Series(name, style, range(1, len(best) + 1), best, "step"))
    title, y_label = "Best score found by the search", label_of(objective.metric)
    caption = "Best score so far of each arm. A flat end suggests that more trials would change little."
    return Chart("search", title, "trials of the arm", y_label, series, caption, integer_x=True)


def trial_ends(state: SweepState) -> Chart:
    """Chart how many trials of each arm finished, diverged, failed or were stopped after which epoch."""
    names = [str(arm) for arm in state.spec.arms]
    trials = [trial for trial in state.of_stage(SEARCH) if trial.status in ENDED]
    stopped = [trial for trial in trials if trial.status == "stopped"]
    epochs = sorted({len(trial.epochs) for trial in stopped})
    series = []
    for epoch, style in zip(epochs, _greys(len(epochs)), strict=True):
        chosen = [trial for trial in stopped if len(trial.epochs) == epoch]
        series.append(_counts(f"stopped after epoch {epoch}", style, names, chosen))
    for status, color in _COLORS.items():
        if chosen := [trial for trial in trials if trial.status == status]:
            series.append(_counts(status, Style(color, "circle", "solid"), names, chosen))
    title = "Trials stopped by ASHA" if stopped else "How the trials of the search ended"
    caption = "Trials of each arm's search, by how they ended."
    layout: dict[str, Any] = {"categories": names, "horizontal": True, "stacked": True}
    return Chart("stopped", title, state.spec.compared, "trials", series, caption, **layout)


def _counts(label: str, style: Style, names: Sequence[str], trials: Sequence[TrialRecord]) -> Series:
    counts = Counter(trial.arm for trial in trials)
    return Series(label, style, range(len(names)), [counts[name] for name in names], "bars")


def _greys(n: int) -> Iterator[Style]:
    """Yield greys that get darker, with dashes that make neighbouring hatches differ."""
    dashes = itertools.cycle(["dot", "dash", "dashdot", "longdash"])
    for index, dash in zip(range(n), dashes, strict=False):
        shade = 210 - round(130 * index / max(1, n - 1))
        yield Style(f"#{shade:02x}{shade:02x}{shade:02x}", "circle", dash)


def hyperparameter_importance(state: SweepState, style_of: Mapping[str, Style]) -> Chart | None:
    """Chart the importance of each hyperparameter in each arm's search; None if no arm has one."""
    by_arm = {name: importances(state, name) for name in style_of}
    categories = [name for name in state.spec.search if any(name in shares for shares in by_arm.values())]
    if not categories:
        return None
    series = []
    for arm, shares in by_arm.items():
        places = [index for index, name in enumerate(categories) if name in shares]
        heights = [shares[categories[place]] for place in places]
        series.append(Series(arm, style_of[arm], places, heights, "bars"))
    title, y_label = "Importance of each hyperparameter in the search", "share of the variance"
    caption = (
        "Share of the variance of an arm's scores in the search that each hyperparameter explains (Optuna's "
        "fANOVA; rough with few trials). An arm that searched a single hyperparameter has none."
    )
    return Chart("importance", title, "hyperparameter", y_label, series, caption, categories=categories)

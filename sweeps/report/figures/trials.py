"""Figures of trials: scores against sigma, a search's progress, its ends, its hyperparameters' importance."""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeps.analysis.importance import importances
from sweeps.analysis.stats import summarise
from sweeps.record.state import ENDED, SEARCH, SweepState, TrialRecord
from sweeps.report.charts import Chart, Series
from sweeps.report.labels import label_of
from sweeps.report.styles import Style, styles
from sweeps.spec.model import Spec
from sweeps.spec.space import is_active

# These differ from the colours of the noise modes.
_COLORS = {"finished": "#009E73", "diverged": "#CC79A7", "failed": "#7F4F24"}


def score_against_sigma(state: SweepState, style_of: Mapping[str, Style]) -> Chart:
    """Chart the trials of a search, or the means over the seeds of a grid."""
    spec, trials = state.spec, _scored_trials(state)
    noiseless = [trial for trial in trials if trial.hyperparameters["noise"] == "none"]
    noisy = [trial for trial in trials if trial.hyperparameters["noise"] != "none"]
    noisy = [trial for trial in noisy if is_active(spec, spec.search["sigma"], trial.hyperparameters)]
    series: list[Series] = []
    for name, style in style_of.items():
        of_arm = [trial for trial in noisy if trial.arm == name]
        if spec.is_grid:
            series.append(_means(spec, name, style, of_arm))
        else:
            series += _dots(spec, name, style, of_arm)
    if spec.is_grid:
        caption = "Mean over the seeds that finished, with its 95% interval."
    else:
        caption = (
            "Each marker is a trial of the search after its last epoch. Hollow: stopped early by ASHA, so "
            "scored after fewer epochs. Cross: diverged."
        )
    if noiseless and noisy:
        sigmas = _sigmas(noisy)
        series.append(_noiseless(spec, noiseless, [min(sigmas), max(sigmas)]))
        caption += " The horizontal line is training without noise."
    x_label, y_label = "sigma (standard deviation of the noise)", label_of(spec.objective.metric)
    return Chart("sigma", "Score against sigma", x_label, y_label, series, caption, log_x=True)


def _scored_trials(state: SweepState) -> list[TrialRecord]:
    """Return the trials of the search or grid with a finite score; of a grid, only those that finished."""
    statuses = ("finished",) if state.spec.is_grid else ("finished", "stopped", "diverged")
    trials = [trial for trial in state.of_stage(SEARCH) if trial.status in statuses]
    return [trial for trial in trials if math.isfinite(trial.last.get(state.spec.objective.metric, math.nan))]


def _scores(spec: Spec, trials: Sequence[TrialRecord]) -> list[float]:
    return [trial.last[spec.objective.metric] for trial in trials]


def _sigmas(trials: Sequence[TrialRecord]) -> list[float]:
    return [trial.hyperparameters["sigma"] for trial in trials]


def _means(spec: Spec, name: str, style: Style, trials: Sequence[TrialRecord]) -> Series:
    sigmas = sorted(set(_sigmas(trials)))
    groups = [[trial for trial in trials if trial.hyperparameters["sigma"] == sigma] for sigma in sigmas]
    means = [summarise(_scores(spec, group)) for group in groups]
    return Series.of_means(name, style, sigmas, means, "line")


def _dots(spec: Spec, name: str, style: Style, trials: Sequence[TrialRecord]) -> Iterator[Series]:
    labels = {"finished": name, "stopped": f"{name}, stopped early", "diverged": f"{name}, diverged"}
    for status, label in labels.items():
        if chosen := [trial for trial in trials if trial.status == status]:
            look = style._replace(symbol="x") if status == "diverged" else style
            hover = [f"trial {trial.number}, epochs: {len(trial.epochs)}" for trial in chosen]
            dots = Series(label, look, _sigmas(chosen), _scores(spec, chosen), "dots", hover=hover)
            yield replace(dots, hollow=status == "stopped")


def _noiseless(spec: Spec, trials: Sequence[TrialRecord], sigmas: Sequence[float]) -> Series:
    style, scores = styles(["none"])["none"], _scores(spec, trials)
    if spec.is_grid:
        return Series.of_means("none", style, sigmas, [summarise(scores)] * 2, "line")
    best = max(scores) if spec.objective.mode == "max" else min(scores)
    return Series("none, best trial", style, sigmas, [best] * 2, "line")


def search_progress(state: SweepState, style_of: Mapping[str, Style]) -> Chart:
    """Chart the best score so far of each arm, by its number of trials."""
    objective, trials = state.spec.objective, _scored_trials(state)
    series = []
    for name, style in style_of.items():
        scores = _scores(state.spec, [trial for trial in trials if trial.arm == name])
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


def importance(state: SweepState, style_of: Mapping[str, Style]) -> Chart | None:
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

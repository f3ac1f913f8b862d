"""The figure of scores against sigma, the standard deviation of the noise."""

import math
from collections.abc import Iterator, Mapping, Sequence

from sweeps.analysis.stats import summarise
from sweeps.record.state import SEARCH, SweepState, TrialRecord
from sweeps.report.charts import Chart, Series
from sweeps.report.labels import label_of
from sweeps.report.styles import Style, styles
from sweeps.spec.model import Spec
from sweeps.spec.space import is_active


def score_against_sigma(state: SweepState, style_of: Mapping[str, Style]) -> Chart:
    """Chart the trials of a search, or the means over the seeds of a grid."""
    spec = state.spec
    trials = scored_trials(state)
    noisy = [trial for trial in trials if _uses_sigma(spec, trial)]
    noiseless = [trial for trial in trials if trial.hyperparameters["noise"] == "none"]
    series: list[Series] = []
    for name, style in style_of.items():
        of_arm = [trial for trial in noisy if trial.arm == name]
        if spec.is_grid:
            series.append(_means(spec, name, style, of_arm))
        else:
            series += _trials(spec, name, style, of_arm)
    if spec.is_grid:
        caption = "Mean over the seeds that finished, with its 95% interval."
    else:
        caption = (
            "Each marker is a trial of the search after its last epoch. Hollow: stopped early by ASHA, so "
            "scored after fewer epochs. Cross: diverged."
        )
    if noiseless and noisy:
        sigmas = [trial.hyperparameters["sigma"] for trial in noisy]
        style = style_of.get("none") or styles(["none"])["none"]
        series.append(_noiseless(spec, style, noiseless, [min(sigmas), max(sigmas)]))
        caption += " The horizontal line is training without noise."
    x_label, y_label = "sigma (standard deviation of the noise)", label_of(spec.objective.metric)
    return Chart("sigma", "Score against sigma", x_label, y_label, series, caption, log_x=True)


def scored_trials(state: SweepState) -> list[TrialRecord]:
    """Return the trials of the search or grid with a finite score; of a grid, only those that finished."""
    statuses = ("finished",) if state.spec.is_grid else ("finished", "stopped", "diverged")
    trials = [trial for trial in state.of_stage(SEARCH) if trial.status in statuses]
    return [trial for trial in trials if math.isfinite(_score(state.spec, trial))]


def _score(spec: Spec, trial: TrialRecord) -> float:
    return trial.last.get(spec.objective.metric, math.nan)


def _uses_sigma(spec: Spec, trial: TrialRecord) -> bool:
    active = is_active(spec, spec.search["sigma"], trial.hyperparameters)
    return active and trial.hyperparameters["noise"] != "none"


def _means(spec: Spec, name: str, style: Style, trials: Sequence[TrialRecord]) -> Series:
    by_sigma: dict[float, list[float]] = {}
    for trial in trials:
        by_sigma.setdefault(trial.hyperparameters["sigma"], []).append(_score(spec, trial))
    sigmas = sorted(by_sigma)
    return Series.of_means(name, style, sigmas, [summarise(by_sigma[sigma]) for sigma in sigmas], "line")


def _trials(spec: Spec, name: str, style: Style, trials: Sequence[TrialRecord]) -> Iterator[Series]:
    labels = {"finished": name, "stopped": f"{name}, stopped early", "diverged": f"{name}, diverged"}
    for status, label in labels.items():
        if chosen := [trial for trial in trials if trial.status == status]:
            look = style._replace(symbol="x") if status == "diverged" else style
            sigmas = [trial.hyperparameters["sigma"] for trial in chosen]
            scores = [_score(spec, trial) for trial in chosen]
            hover = [f"trial {trial.number}, epochs: {len(trial.epochs)}" for trial in chosen]
            yield Series(label, look, sigmas, scores, "dots", hover=hover, hollow=status == "stopped")


def _noiseless(spec: Spec, style: Style, trials: Sequence[TrialRecord], sigmas: Sequence[float]) -> Series:
    scores = [_score(spec, trial) for trial in trials]
    if spec.is_grid:
        return Series.of_means("none", style, sigmas, [summarise(scores)] * 2, "line")
    best = max(scores) if spec.objective.mode == "max" else min(scores)
    return Series("none, best trial", style, sigmas, [best] * 2, "line")

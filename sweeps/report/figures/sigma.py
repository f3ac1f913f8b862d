"""The figure of scores against sigma: the trials of a search, or the means of a grid."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from sweeps.analysis.arms import in_stratum
from sweeps.analysis.levels import interval_name, summary_of
from sweeps.record.state import SweepState
from sweeps.record.trials import SEARCH, TrialRecord
from sweeps.report.charts import Chart, Panels, Series
from sweeps.report.labels import label_of, number
from sweeps.report.scale import beyond, fence
from sweeps.report.styles import Style, styles
from sweeps.spec.model import Spec
from sweeps.spec.sections import Dimension, Scalar
from sweeps.spec.space import is_active

_X_LABEL = "sigma (strength of the noise)"
# From low to high learning rates: darker, with other symbols.
_RATES = [
    Style("#74C4A8", "circle", "solid"),
    Style("#2C7FB8", "square", "solid"),
    Style("#1F2A6B", "triangle-up", "solid"),
]
_DIVERGED, _FAR_OUT = Style("#D55E00", "x", "solid"), Style("#8a8a8a", "triangle-down", "solid")


def scored_trials(state: SweepState) -> list[TrialRecord]:
    """List the trials of the search or grid that finished, were stopped or diverged with a finite score."""
    trials = [
        trial for trial in state.of_stage(SEARCH) if trial.status in ("finished", "stopped", "diverged")
    ]
    return [trial for trial in trials if math.isfinite(trial.last.get(state.spec.objective.metric, math.nan))]


def scores_of(spec: Spec, trials: Sequence[TrialRecord]) -> list[float]:
    """List the scores of trials after their last epoch."""
    return [trial.last[spec.objective.metric] for trial in trials]


def means_against_sigma(state: SweepState, style_of: Mapping[str, Style]) -> Chart:
    """Chart the means over the seeds of a grid."""
    spec, metric = state.spec, state.spec.objective.metric
    trials = [trial for trial in scored_trials(state) if trial.status == "finished"]
    noisy = _noisy(spec, trials)
    series = [
        _means(spec, name, style, [trial for trial in noisy if trial.arm == name])
        for name, style in style_of.items()
    ]
    noiseless = scores_of(spec, _noiseless(trials))
    caption = f"Mean over the seeds that finished, with its {interval_name(spec)}."
    if noiseless and noisy:
        ends = [min(_sigmas(noisy)), max(_sigmas(noisy))]
        mean = summary_of(spec, metric, noiseless)
        series.append(Series.of_means("none", styles(["none"])["none"], ends, [mean] * 2, "line"))
        caption += " The horizontal line is training without noise."
    return Chart("sigma", "Score against sigma", _X_LABEL, label_of(metric), series, caption, log_x=True)


def _means(spec: Spec, name: str, style: Style, trials: Sequence[TrialRecord]) -> Series:
    sigmas = sorted(set(_sigmas(trials)))
    groups = [[trial for trial in trials if trial.hyperparameters["sigma"] == sigma] for sigma in sigmas]
    means = [summary_of(spec, spec.objective.metric, scores_of(spec, group)) for group in groups]
    return Series.of_means(name, style, sigmas, means, "line")


def trials_against_sigma(state: SweepState, stratum: Mapping[str, Scalar]) -> Panels | None:
    """Chart the trials of a search that finished or diverged, in a panel for each arm; None without any."""
    spec = state.spec
    trials = in_stratum([t for t in state.of_stage(SEARCH) if t.status in ("finished", "diverged")], stratum)
    finished = [trial for trial in in_stratum(scored_trials(state), stratum) if trial.status == "finished"]
    noiseless, noisy = _noiseless(finished), _noisy(spec, trials)
    if not noisy:
        return None
    best = _best(spec, noiseless)
    known = [*scores_of(spec, [trial for trial in noisy if trial in finished]), *best]
    panels = [
        Chart(
            "sigma",
            arm,
            _X_LABEL,
            label_of(spec.objective.metric),
            list(_of_arm(spec, of_arm, known, best, noisy)),
            log_x=True,
        )
        for arm in map(str, spec.arms)
        if (of_arm := [trial for trial in noisy if trial.arm == arm])
    ]
    caption = (
        "Each marker is a trial of the search that trained all its epochs. Crosses at the edge: diverged."
    )
    if any(_is_far_out(spec, score, known) for score in known):
        caption += " Triangles at the edge: too far out to show; hovering tells their scores."
    if best:
        caption += " The horizontal line is the best trial without noise."
    return Panels("sigma", "Score against sigma", panels, caption, min(len(panels), 2))


def _of_arm(
    spec: Spec,
    trials: Sequence[TrialRecord],
    known: Sequence[float],
    best: Sequence[float],
    noisy: Sequence[TrialRecord],
) -> Iterator[Series]:
    """Yield the trials of an arm by their learning rate, those without a place on the axis, and a line."""
    ends = [min(_sigmas(noisy)), max(_sigmas(noisy))]
    if best:
        yield replace(
            Series("none, best trial", styles(["none"])["none"], ends, list(best) * 2, "line"), width=1.2
        )
    scored = [
        trial
        for trial in trials
        if trial.status == "finished" and math.isfinite(trial.last.get(spec.objective.metric, math.nan))
    ]
    near = [trial for trial in scored if not _is_far_out(spec, scores_of(spec, [trial])[0], known)]
    for label, style, low, high in _rates(spec):
        chosen = [trial for trial in near if low <= trial.hyperparameters["lr"] <= high]
        near = [trial for trial in near if trial not in chosen]
        yield _dots(spec, label, style, chosen, scores_of(spec, chosen))
    edge = _edge(spec, known)
    far = [trial for trial in scored if _is_far_out(spec, scores_of(spec, [trial])[0], known)]
    yield _dots(spec, "worse than the axis shows", _FAR_OUT, far, [edge] * len(far))
    diverged = [trial for trial in trials if trial.status == "diverged"]
    yield _dots(spec, "diverged", _DIVERGED, diverged, [edge] * len(diverged))


def _dots(spec: Spec, label: str, style: Style, trials: Sequence[TrialRecord], y: Sequence[float]) -> Series:
    metric = spec.objective.metric
    hover = [
        f"trial {trial.number}, {trial.status}\nsigma: {number(trial.hyperparameters['sigma'])}\n"
        f"lr: {number(trial.hyperparameters['lr'])}\n{metric}: {number(trial.last.get(metric)) or 'none'}"
        for trial in trials
    ]
    return Series(label, style, _sigmas(trials), y, "dots", hover=hover, own_hover=True)


def _rates(spec: Spec) -> list[tuple[str, Style, float, float]]:
    """Divide the searched learning rates into three: a label, a style and the ends of each."""
    dimension = spec.search.get("lr")
    if dimension is None:
        return [("finished", _RATES[1], -math.inf, math.inf)]
    edges = _edges(dimension)
    return [
        (f"lr {number(low)}" if low == high else f"lr {number(low)} to {number(high)}", style, low, high)
        for style, (low, high) in zip(_RATES, edges, strict=False)
    ]


def _edges(dimension: Dimension) -> list[tuple[float, float]]:
    if dimension.values:
        parts = np.array_split(sorted(float(value) for value in dimension.values if value is not None), 3)
        return [(float(part[0]), float(part[-1])) for part in parts if len(part)]
    low, high = dimension.bounds
    ends = np.geomspace(low, high, 4) if dimension.log_uniform else np.linspace(low, high, 4)
    ends[0], ends[-1] = low, high
    return list(zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True))


def _is_far_out(spec: Spec, score: float, known: Sequence[float]) -> bool:
    larger_is_better = spec.objective.mode == "max"
    worst = fence(known, larger_is_better=larger_is_better)
    return score < worst if larger_is_better else score > worst


def _edge(spec: Spec, known: Sequence[float]) -> float:
    shown = [score for score in known if not _is_far_out(spec, score, known)]
    return beyond(shown, above=spec.objective.mode == "min")


def _noiseless(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [trial for trial in trials if trial.hyperparameters["noise"] == "none"]


def _noisy(spec: Spec, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    noisy = [trial for trial in trials if trial.hyperparameters["noise"] != "none"]
    return [trial for trial in noisy if is_active(spec, spec.search["sigma"], trial.hyperparameters)]


def _best(spec: Spec, trials: Sequence[TrialRecord]) -> list[float]:
    """Return the best score of the trials, in a list that is empty without any."""
    scores = scores_of(spec, trials)
    return [max(scores) if spec.objective.mode == "max" else min(scores)] if scores else []


def _sigmas(trials: Sequence[TrialRecord]) -> list[float]:
    return [trial.hyperparameters["sigma"] for trial in trials]

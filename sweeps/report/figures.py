"""The figures of a report, as charts, from the state of a sweep."""

import itertools
import math
import re
from collections.abc import Iterator, Mapping, Sequence

from sweeps.analysis.arms import Arm, arms_of, common_target, on_shared_seeds, points_of, reference_of
from sweeps.analysis.convergence import reached_by
from sweeps.analysis.importance import importances
from sweeps.analysis.stats import paired_difference, summarise
from sweeps.record.state import ENDED, SEARCH, SweepState, TrialRecord
from sweeps.report.charts import Chart, Series, Style, styles
from sweeps.report.labels import label_of
from sweeps.spec.model import Spec
from sweeps.spec.space import is_active

_JITTER = 0.3  # width over which the seeds of a category are spread


def figures(state: SweepState) -> list[Chart]:
    """Draw all that a sweep can show.

    Args:
        state: The sweep.

    Returns:
        Charts; what it has no data for is left out.
    """
    charts: list[Chart] = []
    look = styles([str(arm) for arm in state.spec.arms])
    for suffix, where in points_of(state.spec):
        arms = arms_of(state, where)
        if not any(arm.trials for arm in arms):
            continue
        charts += _scores(state, arms, look, suffix)
        charts += _differences(state, arms, look, suffix)
        charts.append(_learning_curves(state, arms, look, suffix))
        charts += _convergence(state, arms, look, suffix)
        charts += _curvature(state.spec, arms, look, suffix)
    if "sigma" in state.spec.search and all(where.keys() <= {"sigma"} for _, where in points_of(state.spec)):
        charts.append(_score_against_sigma(state, look))
    if state.spec.is_grid:
        return charts
    charts.append(_search_scores(state, look))
    charts.append(_stopped(state))
    return charts + _importance(state, look)


def _title(text: str, suffix: str) -> str:
    return f"{text} at {suffix}" if suffix else text


def _slug(text: str, suffix: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{text}-{suffix}").rstrip("-")


def _spread(n: int) -> list[float]:
    return [0.0] if n == 1 else [_JITTER * (index / (n - 1) - 0.5) for index in range(n)]


def _by_category(
    arms: Sequence[Arm], metric: str, look: Mapping[str, Style]
) -> Iterator[tuple[Series, Series]]:
    # Each arm's seeds as dots, and their mean with its interval beside them.
    for index, arm in enumerate(arms):
        values = arm.final(metric)
        summary = summarise(list(values.values()))
        beside = [index + 0.02 + shift for shift in _spread(len(values))]
        hover = [f"seed {seed}" for seed in values]
        style = look[arm.name]
        label = f"{arm.name}: each seed"
        dots = Series(
            label, style, beside, list(values.values()), "dots", hover=hover, hollow=True, in_legend=False
        )
        label = f"{arm.name}: mean of {summary.n} seeds"
        yield (
            dots,
            Series(
                label,
                style,
                [index - 0.25],
                [summary.mean],
                "dots",
                low=[summary.low],
                high=[summary.high],
                in_legend=False,
            ),
        )


def _scores(state: SweepState, arms: Sequence[Arm], look: Mapping[str, Style], suffix: str) -> list[Chart]:
    metric = state.spec.verdict_metric
    series = [each for pair in _by_category(arms, metric, look) for each in pair]
    caption = (
        "Hollow: each seed. Filled: their mean, with its 95% interval. "
        "Seeds are shared by the arms: compare them by their differences, not by whether these overlap."
    )
    return [
        Chart(
            _slug("scores", suffix),
            _title("Score of each arm", suffix),
            state.spec.compared,
            label_of(metric),
            series,
            caption,
            categories=[arm.name for arm in arms],
        )
    ]


def _differences(
    state: SweepState, arms: Sequence[Arm], look: Mapping[str, Style], suffix: str
) -> list[Chart]:
    metric, name = state.spec.verdict_metric, reference_of(state.spec)
    reference = next((arm for arm in arms if arm.name == name), None)
    others = [arm for arm in arms if arm.name != name]
    if reference is None or not others:
        return []
    base, series = reference.final(metric), []
    for index, arm in enumerate(others):
        found = paired_difference(*on_shared_seeds(arm.final(metric), base))
        series.append(
            Series(
                f"{arm.name} less {name}",
                look[arm.name],
                [index],
                [found.mean],
                "dots",
                low=[found.low],
                high=[found.high],
                hover=[f"{found.n} pairs of seeds"],
                in_legend=False,
            )
        )
    better = "right" if state.spec.directions.get(metric) == "max" else "left"
    caption = (
        f"Mean of the differences over shared seeds, with its 95% interval (not corrected for the number of "
        f"arms). To the {better} of the line an arm is better than {name}."
    )
    return [
        Chart(
            _slug("differences", suffix),
            _title(f"Difference to {name}", suffix),
            state.spec.compared,
            f"difference in {label_of(metric)}",
            series,
            caption,
            categories=[arm.name for arm in others],
            horizontal=True,
            reference=0.0,
        )
    ]


def _learning_curves(state: SweepState, arms: Sequence[Arm], look: Mapping[str, Style], suffix: str) -> Chart:
    metric = state.spec.objective.metric
    series = []
    for arm in arms:
        trials = [trial for trial in arm.trials if trial.status == "finished"]
        epochs = range(1, arm.horizon + 1) if trials else range(0)
        summaries = [
            summarise([trial.epochs[epoch][metric] for trial in trials if epoch in trial.epochs])
            for epoch in epochs
        ]
        series.append(
            Series(
                arm.name,
                look[arm.name],
                list(epochs),
                [summary.mean for summary in summaries],
                "line",
                low=[summary.low for summary in summaries],
                high=[summary.high for summary in summaries],
            )
        )
    return Chart(
        _slug("learning-curves", suffix),
        _title("Learning curves", suffix),
        "epoch",
        label_of(metric),
        series,
        "Mean over the seeds that finished, after each epoch. The band is the 95% interval of the mean over "
        f"seeds.{_diverged(arms)}",
        integer_x=True,
    )


def _diverged(arms: Sequence[Arm]) -> str:
    counts = [f"{arm.diverged} of {arm.name}" for arm in arms if arm.diverged]
    return f" Left out, as they diverged: {', '.join(counts)}." if counts else ""


def _convergence(
    state: SweepState, arms: Sequence[Arm], look: Mapping[str, Style], suffix: str
) -> list[Chart]:
    metric = state.spec.objective.metric
    larger_is_better = state.spec.objective.mode == "max"
    target = common_target(arms, metric, larger_is_better=larger_is_better)
    if target is None:
        return []
    series = []
    for arm in arms:
        epochs = arm.reaching(metric, target, larger_is_better=larger_is_better)
        if not epochs:  # no seed has ended
            continue
        curve = reached_by(list(epochs.values()), arm.horizon)
        series.append(
            Series(
                arm.name,
                look[arm.name],
                curve.epochs,
                curve.fraction,
                "step",
            )
        )
    caption = (
        f"Fraction of seeds whose {label_of(metric)} has been {target:.3g} or better, by epoch "
        f"(Kaplan-Meier). {target:.3g} is what every seed comes to: the worst one ends with it."
    )
    return [
        Chart(
            _slug("convergence", suffix),
            _title("Speed of convergence", suffix),
            "epoch",
            "fraction of seeds that got there",
            series,
            caption,
            integer_x=True,
        )
    ]


def _curvature(spec: Spec, arms: Sequence[Arm], look: Mapping[str, Style], suffix: str) -> list[Chart]:
    metric = "hessian_trace"
    values = [value for arm in arms for value in arm.final(metric).values()]
    if not values:
        return []
    series = [each for pair in _by_category(arms, metric, look) for each in pair]
    return [
        Chart(
            _slug("hessian-trace", suffix),
            _title("Flatness: trace of the Hessian", suffix),
            spec.compared,
            label_of(metric),
            series,
            "Of the training loss at the weights after the last epoch; lower is flatter. "
            "Hollow: each seed. Filled: their mean, with its 95% interval.",
            categories=[arm.name for arm in arms],
            log_y=min(values) > 0 and max(values) > 10 * min(values),
        )
    ]


def _score_against_sigma(state: SweepState, look: Mapping[str, Style]) -> Chart:
    spec = state.spec
    metric = spec.objective.metric
    series: list[Series] = []
    sigmas: list[float] = []
    for name in map(str, spec.arms):
        trials = [trial for trial in _scored(state, metric) if trial.arm == name and _has_sigma(spec, trial)]
        sigmas += [trial.hyperparameters["sigma"] for trial in trials]
        series += _against_sigma(spec, name, trials, look[name], metric)
    without = [trial for trial in _scored(state, metric) if trial.hyperparameters["noise"] == "none"]
    if without and sigmas:
        series.append(_without_noise(state, without, look.get("none"), (min(sigmas), max(sigmas))))
    caption = (
        "Mean over the seeds that finished, with its 95% interval."
        if spec.is_grid
        else "Each dot is a trial of the search, after its last epoch. Hollow: stopped early by ASHA, so its "
        "score is of fewer epochs. A cross: diverged."
    )
    caption += " The line is training without noise." if without else ""
    title = "Score against sigma"
    label = "sigma (standard deviation of the noise)"
    return Chart("sigma", title, label, label_of(metric), series, caption, log_x=True)


def _scored(state: SweepState, metric: str) -> list[TrialRecord]:
    statuses = ("finished",) if state.spec.is_grid else ("finished", "stopped", "diverged")
    return [
        trial
        for trial in state.of_stage(SEARCH)
        if trial.status in statuses and math.isfinite(trial.last.get(metric, math.nan))
    ]


def _has_sigma(spec: Spec, trial: TrialRecord) -> bool:
    active = is_active(spec, spec.search["sigma"], trial.hyperparameters)
    return active and trial.hyperparameters["noise"] != "none"


def _against_sigma(
    spec: Spec, name: str, trials: Sequence[TrialRecord], style: Style, metric: str
) -> Iterator[Series]:
    if spec.is_grid:
        by_sigma: dict[float, list[float]] = {}
        for trial in trials:
            by_sigma.setdefault(trial.hyperparameters["sigma"], []).append(trial.last[metric])
        sigmas = sorted(by_sigma)
        found = [summarise(by_sigma[sigma]) for sigma in sigmas]
        low, high = [each.low for each in found], [each.high for each in found]
        yield Series(name, style, sigmas, [each.mean for each in found], "line", low=low, high=high)
        return
    how = {"stopped": "stopped early", "diverged": "diverged"}
    for label in (name, *(f"{name}, {end}" for end in how.values())):
        chosen = [
            trial for trial in trials if label == ", ".join(filter(None, (name, how.get(trial.status))))
        ]
        if chosen:
            x = [trial.hyperparameters["sigma"] for trial in chosen]
            hover = [f"trial {trial.number}, {len(trial.epochs)} epochs" for trial in chosen]
            y = [trial.last[metric] for trial in chosen]
            look = style._replace(symbol="x") if label.endswith("diverged") else style
            yield Series(label, look, x, y, "dots", hover=hover, hollow=label.endswith("early"))


def _without_noise(
    state: SweepState, trials: Sequence[TrialRecord], style: Style | None, across: tuple[float, float]
) -> Series:
    scores = [trial.last[state.spec.objective.metric] for trial in trials]
    style = style or styles(["none"])["none"]
    if state.spec.is_grid:
        found = summarise(scores)
        low, high = [found.low] * 2, [found.high] * 2
        return Series("none", style, across, [found.mean] * 2, "line", low=low, high=high)
    best = max(scores) if state.spec.objective.mode == "max" else min(scores)
    return Series("none, its best trial", style, across, [best] * 2, "line")


def _search_scores(state: SweepState, look: Mapping[str, Style]) -> Chart:
    metric = state.spec.objective.metric
    series = []
    best: dict[str, list[float]] = {}
    choose = max if state.spec.objective.mode == "max" else min
    for trial in _scored(state, metric):
        so_far = best.setdefault(trial.arm, [])
        score = trial.last[metric]
        so_far.append(choose([score, *so_far[-1:]]))
    for name in map(str, state.spec.arms):
        if scores := best.get(name):
            series.append(Series(name, look[name], list(range(1, len(scores) + 1)), scores, "step"))
    return Chart(
        "search",
        "What the search found",
        "trials of the arm",
        label_of(metric),
        series,
        "The best score among each arm's trials so far. Flat ends say that more trials would change little.",
        integer_x=True,
    )


def _stopped(state: SweepState) -> Chart:
    names = [str(arm) for arm in state.spec.arms]
    counts: dict[str, list[int]] = {}
    trials = [trial for trial in state.of_stage(SEARCH) if trial.status in ENDED]
    ends = sorted({len(trial.epochs) for trial in trials if trial.status == "stopped"})
    labels = [*(f"stopped after epoch {epoch}" for epoch in ends), "finished", "diverged", "failed"]
    for trial in trials:
        label = trial.status if trial.status != "stopped" else f"stopped after epoch {len(trial.epochs)}"
        counts.setdefault(label, [0] * len(names))[names.index(trial.arm)] += 1
    looks = _ends(labels)
    series = [
        Series(label, looks[label], list(range(len(names))), counts[label], "bars")
        for label in labels
        if label in counts
    ]
    return Chart(
        "stopped",
        "Where ASHA stopped whom" if ends else "How the trials of the search ended",
        state.spec.compared,
        "trials",
        series,
        "How the trials of each arm's search ended.",
        categories=names,
        horizontal=True,
        stacked=True,
    )


def _ends(labels: Sequence[str]) -> dict[str, Style]:
    # Greys for stopped trials, darker the later; green, purple and brown for the rest: no mode's colours.
    stopped = [label for label in labels if label.startswith("stopped")]
    shades = [210 - round(130 * index / max(1, len(stopped) - 1)) for index in range(len(stopped))]
    dashes = itertools.cycle(["dot", "dash", "dashdot", "longdash"])
    greys = {
        label: Style(f"#{shade:02x}{shade:02x}{shade:02x}", "circle", dash)
        for label, shade, dash in zip(stopped, shades, dashes, strict=False)
    }
    ends = {"finished": "#009E73", "diverged": "#CC79A7", "failed": "#7F4F24"}
    return greys | {label: Style(color, "circle", "solid") for label, color in ends.items()}


def _importance(state: SweepState, look: Mapping[str, Style]) -> list[Chart]:
    found = {name: importances(state, name) for name in map(str, state.spec.arms)}
    found = {name: values for name, values in found.items() if values}
    if not found:
        return []
    categories = [name for name in state.spec.search if any(name in values for values in found.values())]
    series = [
        Series(
            name,
            look[name],
            [index for index, category in enumerate(categories) if category in values],
            [values[category] for category in categories if category in values],
            "bars",
        )
        for name, values in found.items()
    ]
    return [
        Chart(
            "importance",
            "What mattered in the search",
            "hyperparameter",
            "importance (share of the variance)",
            series,
            "Of the variance of the score within an arm's search, the share that each hyperparameter "
            "accounts for (Optuna's fANOVA; rough with few trials). Arms with one hyperparameter have none.",
            categories=categories,
        )
    ]

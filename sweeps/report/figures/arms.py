"""Figures of arms over their seeds: final scores, differences, flatness, learning curves, convergence."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeps.analysis.arms import Arm, common_target, on_shared_seeds, reference_of
from sweeps.analysis.stats import paired_difference, reached_by, summarise
from sweeps.report.charts import Chart, Series
from sweeps.report.labels import label_of
from sweeps.report.styles import Style
from sweeps.spec.model import Spec

# The seeds of a category are spread over this width.
_JITTER = 0.3
_SEEDS_AND_MEANS = "Hollow markers: single seeds. Filled markers: their mean with its 95% interval."


def scores(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Chart:
    """Chart the final score of each arm, seed by seed and as a mean."""
    series = list(_seeds_and_means(arms, spec.verdict_metric, style_of))
    title, y_label = "Score of each arm", label_of(spec.verdict_metric)
    caption = (
        f"{_SEEDS_AND_MEANS} The arms share seeds, so compare them by their differences, not by whether "
        "these intervals overlap."
    )
    return Chart("scores", title, spec.compared, y_label, series, caption, **_layout(arms))


def differences(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Chart | None:
    """Chart the mean paired difference of each other arm from the reference; None if either is missing."""
    metric, name = spec.verdict_metric, reference_of(spec)
    reference = next((arm for arm in arms if arm.name == name), None)
    others = [arm for arm in arms if arm.name != name]
    if reference is None or not others:
        return None
    series = []
    for index, arm in enumerate(others):
        difference = paired_difference(*on_shared_seeds(arm.final(metric), reference.final(metric)))
        label, style = f"{arm.name} minus {name}", style_of[arm.name]
        mean = Series.of_means(label, style, [index], [difference], "dots")
        series.append(replace(mean, hover=[f"paired seeds: {difference.n}"]))
    better_side = "right" if spec.directions.get(metric) == "max" else "left"
    title, y_label = f"Difference from {name}", f"difference in {label_of(metric)}"
    caption = (
        "Mean difference over shared seeds with its 95% interval (not corrected for the number of arms). "
        f"An arm to the {better_side} of the line is better than {name}."
    )
    layout: dict[str, Any] = {**_layout(others), "horizontal": True, "reference": 0.0}
    return Chart("differences", title, spec.compared, y_label, series, caption, **layout)


def hessian_traces(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Chart | None:
    """Chart the trace of the Hessian after the last epoch; None if it was not measured."""
    metric = "hessian_trace"
    values = [value for arm in arms for value in arm.final(metric).values()]
    if not values:
        return None
    series = list(_seeds_and_means(arms, metric, style_of))
    title, y_label = "Flatness: trace of the Hessian", label_of(metric)
    caption = f"Hessian of the training loss after the last epoch; lower is flatter. {_SEEDS_AND_MEANS}"
    layout = {**_layout(arms), "log_y": min(values) > 0 and max(values) > 10 * min(values)}
    return Chart("hessian-trace", title, spec.compared, y_label, series, caption, **layout)


def learning_curves(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Chart:
    """Chart the mean score of each arm after each epoch."""
    metric = spec.objective.metric
    series = []
    for arm in arms:
        curves = [trial.epochs for trial in arm.trials if trial.status == "finished"]
        epochs = range(1, arm.horizon + 1) if curves else range(0)
        means = [summarise([curve[epoch][metric] for curve in curves if epoch in curve]) for epoch in epochs]
        series.append(Series.of_means(arm.name, style_of[arm.name], epochs, means, "line"))
    caption = "Mean over the seeds that finished, after each epoch, with a band for its 95% interval."
    if diverged := [f"{arm.diverged} of {arm.name}" for arm in arms if arm.diverged]:
        caption += f" Seeds left out because they diverged: {', '.join(diverged)}."
    title, y_label = "Learning curves", label_of(metric)
    return Chart("learning-curves", title, "epoch", y_label, series, caption, integer_x=True)


def convergence(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Chart | None:
    """Chart how soon the seeds reach the worst final score; None if no seed has finished."""
    metric, larger_is_better = spec.objective.metric, spec.objective.mode == "max"
    target = common_target(arms, metric, larger_is_better=larger_is_better)
    if target is None:
        return None
    series = []
    for arm in arms:
        epochs = list(arm.reaching(metric, target, larger_is_better=larger_is_better).values())
        # Before one of its seeds has ended, an arm has no curve.
        if epochs:
            curve = reached_by(epochs, arm.horizon)
            series.append(Series(arm.name, style_of[arm.name], curve.epochs, curve.fraction, "step"))
    title, y_label = "Speed of convergence", "fraction of seeds that reached the target"
    caption = (
        f"Fraction of seeds whose {label_of(metric)} has reached {target:.3g}, by epoch (Kaplan-Meier). This "
        "target is the worst final score, so every seed that finished reaches it."
    )
    return Chart("convergence", title, "epoch", y_label, series, caption, integer_x=True)


def _seeds_and_means(arms: Sequence[Arm], metric: str, style_of: Mapping[str, Style]) -> Iterator[Series]:
    for index, arm in enumerate(arms):
        style, values = style_of[arm.name], arm.final(metric)
        label, hover = f"{arm.name}: each seed", [f"seed {seed}" for seed in values]
        places, heights = [index + 0.02 + offset for offset in _offsets(len(values))], list(values.values())
        yield Series(label, style, places, heights, "dots", hover=hover, hollow=True)
        summary = summarise(heights)
        label = f"{arm.name}: mean of {summary.n} seeds"
        yield Series.of_means(label, style, [index - 0.25], [summary], "dots")


def _offsets(n: int) -> list[float]:
    return [0.0] if n == 1 else [_JITTER * (index / (n - 1) - 0.5) for index in range(n)]


def _layout(arms: Sequence[Arm]) -> dict[str, Any]:
    return {"categories": [arm.name for arm in arms], "legend": False}

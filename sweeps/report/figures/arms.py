"""Figures of arms over their seeds: final scores, differences, learning curves, convergence."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeps.analysis.arms import Arm, common_target, reference_of
from sweeps.analysis.effects import difference_from, find_reference
from sweeps.analysis.levels import difference_of, interval_name, summary_of
from sweeps.analysis.stats import reached_by
from sweeps.report.charts import Chart, Panels, Series
from sweeps.report.figures.seeds import explained, of_means, of_seeds, places
from sweeps.report.labels import label_of, typical
from sweeps.report.styles import GREY, Style
from sweeps.spec.model import Spec


def scores(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Chart:
    """Chart the final score of each arm, seed by seed and as a mean."""
    finals = [arm.final(spec.verdict_metric) for arm in arms]
    series = [_threads(finals)]
    for index, (arm, final) in enumerate(zip(arms, finals, strict=True)):
        series.append(of_seeds(arm.name, style_of[arm.name], index, final))
        mean = summary_of(spec, spec.verdict_metric, final.values())
        series.append(of_means(arm.name, style_of[arm.name], index, mean))
    title, y_label = "Score of each arm", label_of(spec.verdict_metric)
    caption = (
        f"{explained(spec)} Thin lines join the scores of a seed: the arms share seeds, so compare them by "
        "their differences, not by whether these intervals overlap."
    )
    return Chart("scores", title, spec.compared, y_label, series, caption, **_layout(arms))


def _threads(finals: Sequence[Mapping[int, float]]) -> Series:
    """Join the points of each seed, with a gap before the next seed and where an arm has no score."""
    x, y = list[float](), list[float]()
    place = [dict(zip(final, places(index, len(final)), strict=True)) for index, final in enumerate(finals)]
    for seed in dict.fromkeys(seed for final in finals for seed in final):
        x += [*(at.get(seed, float("nan")) for at in place), float("nan")]
        y += [*(final.get(seed, float("nan")) for final in finals), float("nan")]
    return Series("a seed", Style(GREY, "circle", "solid"), x, y, "thread")


def differences(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Chart | None:
    """Chart the mean paired difference of each other arm from the reference; None if either is missing."""
    metric, reference = spec.verdict_metric, find_reference(spec, arms)
    others = [arm for arm in arms if arm is not reference]
    if reference is None or not others:
        return None
    series = []
    for index, arm in enumerate(others):
        ranked = difference_from(spec, arm, reference, metric)
        finished = difference_from(spec, arm, reference, metric, finished=True)
        label, style = f"{arm.name} minus {reference.name}", style_of[arm.name]
        mean = Series.of_means(label, style, [index], [finished], "dots")
        hover = f"typical difference: {typical(ranked)}\npaired seeds: {finished.n} of {ranked.n}"
        series.append(replace(mean, hover=[hover], hollow=finished.n < ranked.n))
    title, y_label = f"Difference from {reference.name}", f"difference in {label_of(metric)}"
    layout: dict[str, Any] = {**_layout(others), "horizontal": True, "reference": 0.0}
    caption = _differences_caption(spec, reference.name, any(each.hollow for each in series))
    return Chart("differences", title, spec.compared, y_label, series, caption, **layout)


def _differences_caption(spec: Spec, name: str, some_diverged: bool) -> str:
    better_side = "right" if spec.directions.get(spec.verdict_metric) == "max" else "left"
    caption = (
        f"Mean difference over shared seeds with its {interval_name(spec)} (not corrected for the number "
        f"of arms). An arm to the {better_side} of the line is better than {name}."
    )
    return f"{caption} Open markers: some seeds diverged and are left out." if some_diverged else caption


def better_side(spec: Spec, metric: str) -> str:
    """Say on which side of a lower panel's line an arm is better; empty if the metric has no direction."""
    direction = spec.directions.get(metric)
    if direction is None:
        return ""
    side = "above" if direction == "max" else "below"
    return f" In the lower panel, an arm {side} the line is better than {reference_of(spec)}."


def learning_curves(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Panels:
    """Chart the mean score of each arm after each epoch, and below it the paired difference."""
    metric, reference = spec.objective.metric, find_reference(spec, arms)
    upper = [_curve(spec, arm, style_of[arm.name]) for arm in arms]
    panels = [Chart("scores", "Mean score", "epoch", label_of(metric), upper, integer_x=True)]
    if reference and len(arms) > 1:
        others = [arm for arm in arms if arm is not reference]
        lower = [_difference_curve(spec, arm, reference, style_of[arm.name]) for arm in others]
        look: dict[str, Any] = {"integer_x": True, "reference": 0.0}
        title = f"Paired difference from {reference.name}"
        panels.append(Chart("differences", title, "epoch", "difference", lower, **look))
    caption = "Means over the seeds that finished, after each epoch, each with a band for its "
    caption += f"{interval_name(spec)}."
    if len(panels) > 1:
        caption += better_side(spec, metric)
    if diverged := [f"{arm.diverged} of {arm.name}" for arm in arms if arm.diverged]:
        caption += f" Seeds left out because they diverged: {', '.join(diverged)}."
    return Panels("learning-curves", "Learning curves", panels, caption)


def _curve(spec: Spec, arm: Arm, style: Style) -> Series:
    metric = spec.objective.metric
    scores = [arm.after(epoch, metric) for epoch in _epochs(arm)]
    means = [summary_of(spec, metric, by_seed.values()) for by_seed in scores]
    return Series.of_means(arm.name, style, _epochs(arm), means, "line")


def _difference_curve(spec: Spec, arm: Arm, reference: Arm, style: Style) -> Series:
    metric = spec.objective.metric
    epochs = [epoch for epoch in _epochs(arm) if epoch in _epochs(reference)]
    scores = [[each.after(epoch, metric) for each in (arm, reference)] for epoch in epochs]
    means = [difference_of(spec, metric, *pair) for pair in scores]
    return Series.of_means(arm.name, style, epochs, means, "line")


def _epochs(arm: Arm) -> range:
    """Return the epochs of an arm's curve; none before a seed has finished."""
    has_finished = any(trial.status == "finished" for trial in arm.trials)
    return range(1, arm.horizon + 1) if has_finished else range(0)


def convergence(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Chart | None:
    """Chart how soon the seeds reach the worst final score of the reference; None if none has finished."""
    metric, larger_is_better = spec.objective.metric, spec.objective.mode == "max"
    reference = find_reference(spec, arms)
    target = common_target([reference] if reference else arms, metric, larger_is_better=larger_is_better)
    if target is None:
        return None
    series = []
    for arm in arms:
        times = list(arm.reaching(metric, target, larger_is_better=larger_is_better).values())
        # Before one of its seeds has ended, an arm has no curve.
        if times:
            curve = reached_by(times, arm.horizon)
            style, bounds = style_of[arm.name], (curve.low, curve.high)
            series.append(Series(arm.name, style, curve.epochs, curve.fraction, "step", *bounds))
    title, y_label = "Speed of convergence", "fraction of seeds that reached the target"
    caption = (
        f"Fraction of seeds whose {label_of(metric)} has reached {target:.3g}, by epoch (Kaplan-Meier), with "
        f"bands for Wilson's 95% intervals. This target is the worst final score of {reference_of(spec)}, so "
        "every seed of it that finished reaches it."
    )
    return Chart("convergence", title, "epoch", y_label, series, caption, integer_x=True)


def _layout(arms: Sequence[Arm]) -> dict[str, Any]:
    return {"categories": [arm.name for arm in arms], "legend": False}

"""Figures of the arms at the end of training: scores, differences, flatness."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweeps.analysis.arms import Arm, on_shared_seeds, reference_of
from sweeps.analysis.stats import paired_difference, summarise
from sweeps.report.charts import Chart, Series
from sweeps.report.labels import label_of
from sweeps.report.styles import Style
from sweeps.spec.model import Spec

# The seeds of a category are spread over this width.
_JITTER = 0.3
_SEEDS_AND_MEANS = "Hollow markers: single seeds. Filled markers: their mean with its 95% interval."


def scores(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Chart:
    """Chart the final score of each arm, seed by seed and as a mean."""
    metric, names = spec.verdict_metric, [arm.name for arm in arms]
    series = _seeds_and_means(arms, metric, style_of)
    caption = (
        f"{_SEEDS_AND_MEANS} The arms share seeds, so compare them by their differences, not by whether "
        "these intervals overlap."
    )
    title, y_label = "Score of each arm", label_of(metric)
    return Chart("scores", title, spec.compared, y_label, series, caption, categories=names)


def differences(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Chart | None:
    """Chart the mean paired difference of each arm from the reference; None without both."""
    metric, name = spec.verdict_metric, reference_of(spec)
    reference = next((arm for arm in arms if arm.name == name), None)
    others = [arm for arm in arms if arm.name != name]
    if reference is None or not others:
        return None
    series = []
    for index, arm in enumerate(others):
        difference = paired_difference(*on_shared_seeds(arm.final(metric), reference.final(metric)))
        label, style = f"{arm.name} minus {name}", style_of[arm.name]
        more: dict[str, Any] = {"hover": [f"paired seeds: {difference.n}"], "in_legend": False}
        series.append(Series.of_means(label, style, [index], [difference], "dots", **more))
    better_side = "right" if spec.directions.get(metric) == "max" else "left"
    title, y_label = f"Difference from {name}", f"difference in {label_of(metric)}"
    caption = (
        "Mean difference over shared seeds with its 95% interval (not corrected for the number of arms). "
        f"An arm to the {better_side} of the line is better than {name}."
    )
    names = [arm.name for arm in others]
    layout: dict[str, Any] = {"categories": names, "horizontal": True, "reference": 0.0}
    return Chart("differences", title, spec.compared, y_label, series, caption, **layout)


def hessian_traces(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Chart | None:
    """Chart the trace of the Hessian after the last epoch; None if it was not measured."""
    metric = "hessian_trace"
    values = [value for arm in arms for value in arm.final(metric).values()]
    if not values:
        return None
    series = _seeds_and_means(arms, metric, style_of)
    caption = f"Hessian of the training loss after the last epoch; lower is flatter. {_SEEDS_AND_MEANS}"
    names, log = [arm.name for arm in arms], min(values) > 0 and max(values) > 10 * min(values)
    title, y_label = "Flatness: trace of the Hessian", label_of(metric)
    return Chart("hessian-trace", title, spec.compared, y_label, series, caption, categories=names, log_y=log)


def _seeds_and_means(arms: Sequence[Arm], metric: str, style_of: Mapping[str, Style]) -> list[Series]:
    series = []
    for index, arm in enumerate(arms):
        style, values = style_of[arm.name], arm.final(metric)
        summary = summarise(list(values.values()))
        label, hover = f"{arm.name}: each seed", [f"seed {seed}" for seed in values]
        places, heights = [index + 0.02 + offset for offset in _offsets(len(values))], list(values.values())
        series.append(
            Series(label, style, places, heights, "dots", hover=hover, hollow=True, in_legend=False)
        )
        label = f"{arm.name}: mean of {summary.n} seeds"
        series.append(Series.of_means(label, style, [index - 0.25], [summary], "dots", in_legend=False))
    return series


def _offsets(n: int) -> list[float]:
    return [0.0] if n == 1 else [_JITTER * (index / (n - 1) - 0.5) for index in range(n)]

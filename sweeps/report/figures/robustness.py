"""The figure of scores under weight noise: how each arm's networks bear noise on their weights."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sweeps.analysis.arms import Arm
from sweeps.analysis.effects import find_reference
from sweeps.analysis.levels import difference_of, interval_name, summary_of
from sweeps.analysis.stats import Summary
from sweeps.report.charts import Chart, Panels, Series
from sweeps.report.figures.arms import better_side
from sweeps.report.labels import label_of
from sweeps.report.scale import side_by_side
from sweeps.report.styles import Style
from sweeps.spec.model import Spec
from trainables.declarations.base import under_noise

# Neighbours at one sigma are drawn apart by this part of the axis.
_APART = 1 / 60


def under_weight_noise(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Panels | None:
    """Chart the mean score of each arm by the sigma of weight noise, and below it the paired difference.

    None if no score was measured under weight noise.
    """
    metric, reference = spec.verdict_metric, find_reference(spec, arms)
    sigmas = [s for s in sorted(spec.weight_noise) if any(arm.final(under_noise(metric, s)) for arm in arms)]
    if not sigmas:
        return None

    def mean(arm: Arm, sigma: float) -> Summary:
        under = under_noise(metric, sigma)
        return summary_of(spec, under, arm.final(under).values())

    def difference(arm: Arm, sigma: float) -> Summary:
        under = under_noise(metric, sigma)
        return difference_of(spec, under, arm.final(under), (reference or arm).final(under))

    x_label = "sigma of the noise on each weight of the trained network"
    upper = _series(arms, sigmas, style_of, mean)
    panels = [Chart("scores", "Mean score", x_label, label_of(metric), upper, log_x=True)]
    others = [arm for arm in arms if arm is not reference]
    if reference and others:
        lower = _series(others, sigmas, style_of, difference)
        look: dict[str, Any] = {"log_x": True, "reference": 0.0}
        title = f"Paired difference from {reference.name}"
        panels.append(Chart("differences", title, x_label, "difference", lower, **look))
    caption = (
        "Scores of the trained networks with Gaussian noise on their weights: the mean over ten draws, the "
        f"same in every trial, then over the seeds that finished, with its {interval_name(spec)}. Arms at "
        "the same sigma are drawn side by side."
    )
    if len(panels) > 1:
        caption += better_side(spec, metric)
    return Panels("weight-noise", "Scores under weight noise", panels, caption)


def _series(
    arms: Sequence[Arm],
    sigmas: Sequence[float],
    style_of: Mapping[str, Style],
    measure: Callable[[Arm, float], Summary],
) -> list[Series]:
    width = max(sigmas) / min(sigmas) if len(sigmas) > 1 else 10.0
    series = []
    for index, arm in enumerate(arms):
        summaries = {sigma: measure(arm, sigma) for sigma in sigmas}
        known = {sigma: summary for sigma, summary in summaries.items() if summary.n}
        x = [side_by_side(sigma, index, len(arms), width**_APART) for sigma in known]
        series.append(Series.of_means(arm.name, style_of[arm.name], x, list(known.values()), "joined"))
    return series

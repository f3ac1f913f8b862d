"""The figures of flatness: a measure of each arm, and its paired differences from the reference."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweeps.analysis.arms import Arm, reference_of
from sweeps.analysis.effects import find_reference
from sweeps.analysis.levels import difference_of, summary_of
from sweeps.report.charts import Chart, Panels, Series
from sweeps.report.figures.seeds import explained, of_means, of_seeds
from sweeps.report.labels import NAMES, label_of
from sweeps.report.styles import Style
from sweeps.spec.model import Spec


def flatness(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style], metric: str) -> Panels | None:
    """Chart a measure of flatness, by arm and as paired differences; None if it was not measured."""
    values = {arm.name: arm.final(metric) for arm in arms}
    known = [value for by_seed in values.values() for value in by_seed.values()]
    if not known:
        return None
    is_log = min(known) > 0 and max(known) > 10 * min(known)
    names, series = [arm.name for arm in arms], list[Series]()
    for index, name in enumerate(names):
        series += [of_seeds(name, style_of[name], index, values[name])]
        mean = summary_of(spec, metric, values[name].values())
        series += [of_means(name, style_of[name], index, mean)]
    look: dict[str, Any] = {"categories": names, "legend": False}
    upper = Chart("values", "Each arm", spec.compared, label_of(metric), series, log_y=is_log, **look)
    panels = [upper]
    if lower := _differences(spec, arms, metric, values, style_of):
        panels.append(
            Chart(
                "differences",
                f"Difference from {reference_of(spec)}, seed by seed",
                spec.compared,
                "difference",
                lower,
                reference=0.0,
                **look,
            )
        )
    name = NAMES[metric]
    caption = f"{name[0].upper()}{name[1:]} of the training loss after the last epoch; lower is flatter. "
    caption += explained(spec)
    if lower:
        caption += " Pairing by seed removes what a seed does to all arms alike."
    return Panels(metric.replace("_", "-"), f"Flatness: {NAMES[metric]}", panels, caption)


def _differences(
    spec: Spec,
    arms: Sequence[Arm],
    metric: str,
    values: Mapping[str, Mapping[int, float]],
    style_of: Mapping[str, Style],
) -> list[Series]:
    reference, series = find_reference(spec, arms), list[Series]()
    base = values[reference.name] if reference else {}
    for index, arm in enumerate(arms):
        pairs = {seed: value - base[seed] for seed, value in values[arm.name].items() if seed in base}
        if arm is not reference and pairs:
            label = f"{arm.name} minus {reference_of(spec)}"
            difference = difference_of(spec, metric, values[arm.name], base)
            series += [of_seeds(label, style_of[arm.name], index, pairs)]
            series += [of_means(label, style_of[arm.name], index, difference)]
    return series

"""The first figure of a report: the effect of each arm against sigma."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeps.analysis.arms import reference_of, title_of
from sweeps.analysis.effects import Effect, effects_of
from sweeps.analysis.levels import interval_name
from sweeps.record.state import SweepState
from sweeps.report.charts import Chart, Panels, Series
from sweeps.report.labels import interval, label_of, number, typical
from sweeps.report.scale import beyond, side_by_side, symlog_width
from sweeps.report.styles import Style
from sweeps.spec.model import Spec
from sweeps.spec.sections import Scalar

# Neighbours at one sigma are drawn apart by this part of the axis.
_APART = 1 / 45
_MOST_COLUMNS = 3
# An x for each arm, by its name, at each sigma.
Places = Mapping[tuple[str, float], float]


def effect_against_sigma(
    state: SweepState, stratum: Mapping[str, Scalar], style_of: Mapping[str, Style]
) -> Panels | None:
    """Chart the paired difference of each arm from the reference by sigma, in a panel for each schedule.

    None if the study lists no sigmas, or none of them has a difference yet.
    """
    spec, effects = state.spec, [effect for effect in effects_of(state, stratum) if effect.difference.n]
    listed = [effect for effect in effects if not effect.chosen]
    others = list(dict.fromkeys(title_of(effect.others) for effect in listed))
    if not others:
        return None
    shown = [effect for effect in effects if title_of(effect.others) in others]
    width = _symlog(shown)
    panels = [
        _panel(spec, title, [e for e in shown if title_of(e.others) == title], shown, width, style_of)
        for title in others
    ]
    title, columns = (
        f"Effect against sigma: difference from {reference_of(spec)}",
        min(len(panels), _MOST_COLUMNS),
    )
    return Panels("effect", title, panels, _caption(spec, shown, width), columns)


def _symlog(effects: Sequence[Effect]) -> float | None:
    pairs = [effect.finished for effect in effects]
    return symlog_width((pair.mean for pair in pairs), ((pair.high - pair.low) / 2 for pair in pairs))


def _panel(
    spec: Spec,
    title: str,
    effects: Sequence[Effect],
    all_shown: Sequence[Effect],
    width: float | None,
    style_of: Mapping[str, Style],
) -> Chart:
    ends = [end for e in all_shown for end in (e.finished.mean, e.finished.low, e.finished.high)]
    edge = beyond([*ends, 0.0], above=spec.directions.get(spec.verdict_metric) == "min", width=width)
    names = list(dict.fromkeys(effect.arm.name for effect in all_shown))
    places = _places(effects, _range(all_shown))
    series: list[Series] = []
    for name in names:
        of_arm = [effect for effect in effects if effect.arm.name == name]
        series += _of_arm(style_of[name], name, of_arm, places, edge)
    x_label, y_label = (
        "sigma (strength of the noise)",
        f"difference in {label_of(spec.verdict_metric)}",
    )
    look: dict[str, Any] = {"log_x": True, "reference": 0.0, "symlog": width}
    return Chart("effect", title, x_label, y_label, series, **look)


def _range(effects: Sequence[Effect]) -> float:
    """Return the largest sigma over the smallest; a decade if there is only one."""
    sigmas = [effect.sigma for effect in effects]
    return max(sigmas) / min(sigmas) if max(sigmas) > min(sigmas) else 10.0


def _places(effects: Sequence[Effect], width: float) -> Places:
    """Return an x for each arm at each sigma: arms at the same sigma are drawn side by side."""
    arms_at: dict[float, list[str]] = {}
    for effect in effects:
        arms = arms_at.setdefault(effect.sigma, [])
        if effect.arm.name not in arms:
            arms.append(effect.arm.name)
    return {
        (name, sigma): side_by_side(sigma, index, len(arms), width**_APART)
        for sigma, arms in arms_at.items()
        for index, name in enumerate(arms)
    }


def _of_arm(
    style: Style,
    name: str,
    effects: Sequence[Effect],
    places: Places,
    edge: float,
) -> Iterator[Series]:
    """Yield the line of an arm, its seeds that diverged, and what the search chose."""
    listed = sorted((e for e in effects if not e.chosen), key=lambda e: e.sigma)
    drawn = [effect for effect in listed if effect.finished.n]
    yield _means(name, style, drawn, places, "joined")
    partly = [effect for effect in drawn if effect.finished.n < effect.difference.n]
    # White hides the filled marker below.
    white = _dots(name, style._replace(color="#ffffff"), partly, [e.finished.mean for e in partly], places)
    yield white
    yield replace(white, style=style, hollow=True)
    lost = [effect for effect in effects if not effect.finished.n]
    yield _dots(name, style._replace(symbol="x"), lost, [edge] * len(lost), places)
    chosen = [effect for effect in effects if effect.chosen and effect.finished.n]
    yield _means(name, style._replace(symbol="star"), chosen, places, "dots", named=False)


def _means(
    name: str,
    style: Style,
    effects: Sequence[Effect],
    places: Places,
    kind: Any,
    named: bool = True,
) -> Series:
    pairs = [effect.finished for effect in effects]
    low, high, mean = ([getattr(pair, end) for pair in pairs] for end in ("low", "high", "mean"))
    x, hover = [places[name, effect.sigma] for effect in effects], [_hover(effect) for effect in effects]
    return Series(name, style, x, mean, kind, low, high, hover, own_hover=True, named=named)


def _dots(
    name: str,
    style: Style,
    effects: Sequence[Effect],
    y: Sequence[float],
    places: Places,
) -> Series:
    x, hover = [places[name, effect.sigma] for effect in effects], [_hover(effect) for effect in effects]
    return Series(name, style, x, y, "dots", hover=hover, own_hover=True, named=False)


def _hover(effect: Effect) -> str:
    lines = [
        f"sigma: {number(effect.sigma)}{', as the search chose it' if effect.chosen else ''}",
        f"mean difference: {interval(effect.finished)}",
        f"typical difference: {typical(effect.difference)}",
        f"seeds: {effect.difference.n}",
    ]
    return "\n".join([*lines, *([f"diverged: {effect.arm.diverged}"] if effect.arm.diverged else [])])


def _caption(spec: Spec, effects: Sequence[Effect], width: float | None) -> str:
    name, metric = reference_of(spec), spec.verdict_metric
    direction = spec.directions.get(metric)
    sentences = [
        f"Mean paired difference over shared seeds with its {interval_name(spec)}, not corrected for "
        "their number."
    ]
    sentences.append("Arms at the same sigma are drawn side by side.")
    if direction:
        sentences.append(f"{'Above' if direction == 'max' else 'Below'} zero is better than {name}.")
    if any(effect.chosen for effect in effects):
        chosen = "at the sigma that the search chose" if spec.search_stage else "at the given sigma"
        sentences.append(f"Stars: {chosen}.")
    if any(effect.finished.n < effect.difference.n and effect.finished.n for effect in effects):
        sentences.append("Open markers: some seeds diverged; the mean is of the others.")
    if any(not effect.finished.n for effect in effects):
        sentences.append("Crosses at the edge: every seed diverged.")
    if width is not None:
        sentences.append(f"The axis is linear within about {width:.2g} of zero and logarithmic beyond.")
    return " ".join(sentences)

"""Charts as pictures, drawn without a browser or a display."""

import math
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from sweeps.report.charts import (
    GREY,
    GRID,
    LEGEND_WIDTH,
    MARKS,
    SIZES,
    Chart,
    Points,
    Series,
    crowded,
    drawn,
    n_rows,
    tick_labels,
    whole_step,
    wrapped,
)

_DPI = 160
_COMPRESSION = 1
_WIDTH, _HEIGHT = 10, 5.625  # inches: 1600 x 900 pixels
_SYMBOLS = {"circle": "o", "square": "s", "triangle": "^", "diamond": "D", "pentagon": "p"}
_SYMBOLS |= {"triangle_down": "v", "cross": "P", "x": "X", "star": "*", "hexagon": "h"}
_DASHES: dict[str, Any] = {
    "solid": "-",
    "dash": (0, (5, 2.5)),
    "dot": (0, (1.3, 1.7)),
    "dashdot": (0, (6, 2, 1.3, 2)),
    "longdash": (0, (10, 3)),
    "longdashdot": (0, (10, 2.5, 1.3, 2.5)),
}
_HATCHES = {"solid": "", "dash": "//", "dot": "..", "dashdot": "\\\\", "longdash": "xx", "longdashdot": "--"}
_BARS = 0.75  # of the room of a category


def save(chart: Chart, path: Path) -> None:
    """Draw a chart into a file.

    Args:
        chart: The chart.
        path: A PNG of 1600 x 900 pixels, higher if a horizontal chart has many categories.
    """
    # Not savefig, which draws twice. These pictures are mostly white: little is gained by packing them more.
    FigureCanvasAgg(figure(chart)).print_png(path, pil_kwargs={"compress_level": _COMPRESSION})


def figure(chart: Chart) -> Figure:
    """Draw a chart.

    Args:
        chart: The chart.

    Returns:
        A figure that pyplot knows nothing of.
    """
    size = _WIDTH, max(_HEIGHT, 1.6 + 0.2 * n_rows(chart))
    result = Figure(figsize=size, dpi=_DPI, layout="constrained")
    axes = result.add_subplot()
    pairs = drawn(chart)
    _set_axes(chart, axes, pairs)
    handles = _draw(chart, axes, pairs)
    shown = [(handle, pair[0]) for handle, pair in zip(handles, pairs, strict=True) if pair[0].in_legend]
    if shown:
        result.legend(
            [handle for handle, _ in shown],
            [_text(wrapped(series.label, LEGEND_WIDTH)) for _, series in shown],
            loc="outside right upper",
            frameon=False,
            fontsize=10,
            handlelength=3,
        )
    if not pairs:
        axes.text(0.5, 0.5, "no data", color=GREY, fontsize=14, ha="center", transform=axes.transAxes)
    result.suptitle(_text(wrapped(chart.title, 85)), x=0.01, ha="left", fontsize=12, weight="bold")
    if chart.caption:
        caption = _text(wrapped(chart.caption, 145))
        result.supxlabel(caption, x=0.01, ha="left", fontsize=9, color="#555555")
    return result


def _text(text: str) -> str:
    return text.replace("$", r"\$")  # not a formula


def _set_axes(chart: Chart, axes: Axes, pairs: list[tuple[Series, Points]]) -> None:
    place, value = (axes.yaxis, axes.xaxis) if chart.horizontal else (axes.xaxis, axes.yaxis)
    place.set_label_text(_text(chart.x_label), fontsize=11)
    value.set_label_text(_text(chart.y_label), fontsize=11)
    set_place, set_value = (axes.set_yscale, axes.set_xscale)[:: 1 if chart.horizontal else -1]
    set_place("log" if chart.log_x else "linear")
    set_value("log" if chart.log_y else "linear")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
    axes.tick_params(labelsize=10, color="#999999")
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    if chart.integer_x:
        place.set_major_locator(MultipleLocator(whole_step(pairs)))
    if chart.categories is not None:
        _set_categories(chart, axes)
    if chart.reference is not None and (chart.reference > 0 or not chart.log_y):
        (axes.axvline if chart.horizontal else axes.axhline)(chart.reference, color=GREY, linewidth=1)


def _set_categories(chart: Chart, axes: Axes) -> None:
    labels = [_text(label) for label in tick_labels(chart)]
    n = len(labels)
    if chart.horizontal:
        axes.set_yticks(range(n), labels)
        axes.set_ylim(max(n, 1) - 0.5, -0.5)
        axes.grid(False, axis="y")
        return
    every = math.ceil(n / 45) or 1  # more do not fit even upright
    angle = 0 if not crowded(chart) else 35 if n <= 20 else 90
    axes.set_xticks(range(0, n, every), labels[::every], rotation=angle, rotation_mode="anchor")
    if angle:
        for label in axes.get_xticklabels():
            label.set(ha="right", va="center" if angle == 90 else "top")
    axes.set_xlim(-0.5, max(n, 1) - 0.5)
    axes.grid(False, axis="x")


def _draw(chart: Chart, axes: Axes, pairs: list[tuple[Series, Points]]) -> list[Any]:
    # One handle each, for the legend.
    bars = [points for series, points in pairs if series.kind == "bars"]
    places = np.unique(np.concatenate([points.x for points in bars])) if bars else np.zeros(0)
    room = _BARS * (np.diff(places).min() if len(places) > 1 else 1.0)
    reached: dict[float, float] = {}  # how high the stack at a place is
    n_drawn = 0
    handles = []
    for series, points in pairs:
        if series.kind != "bars":
            draw = _dots if series.kind == "dots" else _line
            handles.append(draw(chart, axes, series, points))
            continue
        if chart.stacked:
            bottoms = np.array([reached.get(x, 0.0) for x in points.x])
            reached |= dict(zip(points.x, bottoms + points.y, strict=True))
            handles.append(_bars(chart, axes, series, points, room, bottoms))
        else:
            width = room / len(bars)
            beside = points._replace(x=points.x - room / 2 + width * (n_drawn + 0.5))
            handles.append(_bars(chart, axes, series, beside, width, np.zeros(len(points.x))))
        n_drawn += 1
    return handles


def _bars(chart: Chart, axes: Axes, series: Series, points: Points, width: float, bottoms: np.ndarray) -> Any:
    look: dict[str, Any] = {
        "color": series.style.color,
        "edgecolor": "white",
        "linewidth": 0.5,
        "hatch": _HATCHES[series.style.dash],
        "alpha": 0.45 if series.hollow else 1,
    }
    ends = points._replace(y=bottoms + points.y, low=bottoms + points.low, high=bottoms + points.high)
    _error_bars(chart, axes, ends, "#333333")
    if chart.horizontal:
        return axes.barh(points.x, points.y, width, left=bottoms, **look)
    return axes.bar(points.x, points.y, width, bottom=bottoms, **look)


def _dots(chart: Chart, axes: Axes, series: Series, points: Points) -> Any:
    color = series.style.color
    _error_bars(chart, axes, points, color)
    x, y = (points.y, points.x) if chart.horizontal else (points.x, points.y)
    look: dict[str, Any] = {"markeredgecolor": "white", "markeredgewidth": 0.6, "markerfacecolor": color}
    if series.hollow:
        look = {"markeredgecolor": color, "markeredgewidth": 1.4, "markerfacecolor": "none"}
    look |= {"marker": _SYMBOLS[series.style.symbol], "markersize": 7 * SIZES.get(series.style.symbol, 1)}
    return axes.plot(x, y, linestyle="none", zorder=3, color=color, **look)[0]


def _error_bars(chart: Chart, axes: Axes, points: Points, color: str) -> None:
    if not points.has_interval:
        return
    lengths = np.maximum([points.y - points.low, points.high - points.y], 0)
    look: dict[str, Any] = {"fmt": "none", "ecolor": color, "elinewidth": 1.3, "capsize": 3, "zorder": 2.5}
    if chart.horizontal:
        axes.errorbar(points.y, points.x, xerr=lengths, **look)
    else:
        axes.errorbar(points.x, points.y, yerr=lengths, **look)


def _line(chart: Chart, axes: Axes, series: Series, points: Points) -> Any:
    style = series.style
    step: Any = "post" if series.kind == "step" else None  # a value holds until the next
    if points.has_interval:
        known = np.isfinite(points.low)
        axes.fill_between(
            points.x, points.low, points.high, where=known, step=step, color=style.color, alpha=0.18, lw=0
        )
    return axes.plot(
        points.x,
        points.y,
        color=style.color,
        linestyle=_DASHES[style.dash],
        drawstyle="steps-post" if series.kind == "step" else "default",
        linewidth=1.8,
        marker=_SYMBOLS[style.symbol],
        markersize=5.5 * SIZES.get(style.symbol, 1),
        markeredgecolor="white",
        markeredgewidth=0.5,
        markevery=math.ceil(len(points.x) / MARKS) or 1,
    )[0]

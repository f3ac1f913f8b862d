"""Charts as parts of a web page that needs nothing from the network."""

import html
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

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

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_SYMBOLS = {"triangle": "triangle-up", "triangle_down": "triangle-down"}  # the others have the same name
_HATCHES = {"solid": "", "dash": "/", "dot": ".", "dashdot": "\\", "longdash": "x", "longdashdot": "-"}
_UNUSED = ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d"]  # they crowd narrow pages
# Plotly's default is a button that uploads the chart to its cloud.
_CONFIG = {"displaylogo": False, "showSendToCloud": False, "modeBarButtonsToRemove": _UNUSED}


def plotly_script() -> str:
    """Give the library that the charts of a page share.

    Returns:
        One ``<script>`` of some megabytes, for before the first chart.
    """
    return f"<script>{get_plotlyjs()}</script>"


def to_html(charts: Sequence[Chart]) -> list[str]:
    """Draw charts for a page.

    Args:
        charts: Their slugs become ids, so no two may share one.

    Returns:
        A ``<figure>`` each, with its caption.
    """
    return [_fragment(chart) for chart in charts]


def figure(chart: Chart) -> go.Figure:
    """Draw a chart.

    Args:
        chart: The chart.

    Returns:
        A figure as wide as its page.
    """
    pairs = drawn(chart)
    result = go.Figure([trace for series, points in pairs for trace in _traces(chart, series, points)])
    result.update_layout(_layout(chart, pairs))
    if not pairs:
        middle = {"x": 0.5, "y": 0.5, "xref": "paper", "yref": "paper", "showarrow": False}
        result.add_annotation(text="no data", font={"color": GREY, "size": 16}, **middle)
    if chart.reference is not None and (chart.reference > 0 or not chart.log_y):
        draw = result.add_vline if chart.horizontal else result.add_hline
        draw(chart.reference, line={"color": GREY, "width": 1}, layer="below")
    return result


def _fragment(chart: Chart) -> str:
    name = re.sub(r"[^\w.-]", "-", chart.slug)
    div = figure(chart).to_html(full_html=False, include_plotlyjs=False, config=_CONFIG, div_id=name)
    caption = f"<figcaption>{html.escape(chart.caption)}</figcaption>" if chart.caption else ""
    return f'<figure class="chart">{div}{caption}</figure>'


def _text(text: str) -> str:
    return html.escape(text, quote=False).replace("\n", "<br>")  # Plotly takes some tags and entities


def _traces(chart: Chart, series: Series, points: Points) -> Iterator[go.Scatter | go.Bar]:
    common = {
        "name": _text(wrapped(series.label, LEGEND_WIDTH)),
        "legendgroup": series.label,  # with its band
        "hovertext": [_text(text) for text in points.hover],
        "hovertemplate": "%{hovertext}<extra></extra>",
        "showlegend": series.in_legend,
    }
    x, y = (points.y, points.x) if chart.horizontal else (points.x, points.y)
    if series.kind == "bars":
        errors = _errors(chart, points, "#333333")
        orientation = "h" if chart.horizontal else "v"
        yield go.Bar(x=x, y=y, marker=_bar(series), orientation=orientation, **common, **errors)
    elif series.kind == "dots":
        errors = _errors(chart, points, series.style.color)
        yield go.Scatter(x=x, y=y, mode="markers", marker=_dot(series), **common, **errors)
    else:
        if points.has_interval:
            yield _band(series, points)
        line = {"color": series.style.color, "dash": series.style.dash, "width": 2}
        line["shape"] = "hv" if series.kind == "step" else "linear"
        marker = {**_dot(series), "maxdisplayed": MARKS}
        marker["size"] *= 0.75
        yield go.Scatter(x=x, y=y, mode="lines+markers", line=line, marker=marker, **common)


def _dot(series: Series) -> dict[str, Any]:
    symbol = _SYMBOLS.get(series.style.symbol, series.style.symbol)
    look = {"color": series.style.color, "size": 9 * SIZES.get(series.style.symbol, 1)}
    if series.hollow:
        return {**look, "symbol": f"{symbol}-open", "line": {"width": 1.8}}
    return {**look, "symbol": symbol, "line": {"width": 0.7, "color": "white"}, "opacity": 0.9}


def _bar(series: Series) -> dict[str, Any]:
    color = series.style.color
    pattern: dict[str, Any] = {"shape": _HATCHES[series.style.dash], "fgcolor": "white", "bgcolor": color}
    pattern |= {"size": 7, "solidity": 0.2}
    return {"color": color, "pattern": pattern, "opacity": 0.45 if series.hollow else 1}


def _errors(chart: Chart, points: Points, color: str) -> dict[str, Any]:
    if not points.has_interval:
        return {}
    up, down = np.maximum(points.high - points.y, 0), np.maximum(points.y - points.low, 0)
    bars = {"type": "data", "array": up, "arrayminus": down, "color": color, "thickness": 1.5, "width": 4}
    return {"error_x" if chart.horizontal else "error_y": bars}


def _band(series: Series, points: Points) -> go.Scatter:
    # An outline for each stretch without a gap; what they enclose is filled.
    xs: list[float | None] = []
    ys: list[float | None] = []
    known = np.flatnonzero(np.isfinite(points.low))
    for stretch in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        x, low, high = points.x[stretch], points.low[stretch], points.high[stretch]
        if series.kind == "step":  # a value holds until the next
            x, low, high = np.repeat(x, 2)[1:], np.repeat(low, 2)[:-1], np.repeat(high, 2)[:-1]
        xs += [*x, *x[::-1], None]
        ys += [*low, *high[::-1], None]
    return go.Scatter(
        x=xs[:-1],
        y=ys[:-1],
        mode="lines",
        line={"width": 0, "color": series.style.color},
        fill="toself",
        opacity=0.18,
        fillcolor=series.style.color,
        legendgroup=series.label,
        showlegend=False,
        hoverinfo="skip",
    )


def _layout(chart: Chart, pairs: list[tuple[Series, Points]]) -> dict[str, Any]:
    title = wrapped(chart.title, 75)
    x = _x_axis(chart, pairs)
    y = _axis(chart.y_label, [points.y for _, points in pairs], log=chart.log_y)
    return {
        "template": "none",
        "title": {
            "text": f"<b>{_text(title)}</b>",
            "font": {"size": 16},
            "x": 0.01,
        },
        "font": {"family": _FONT, "size": 13, "color": "#222222"},
        "height": _height(chart),
        "margin": {"l": 70, "r": 20, "t": 60 + 20 * title.count("\n"), "b": 60},
        "xaxis": y if chart.horizontal else x,
        "yaxis": x if chart.horizontal else y,
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "white", "align": "left"},
        "barmode": "stack" if chart.stacked else "group",
        "bargap": 0.25,
        "legend": {"tracegroupgap": 2, "x": 1.02, "traceorder": "normal"},
    }


def _height(chart: Chart) -> float:
    turned = 4 * max(map(len, tick_labels(chart))) if crowded(chart) else 0
    return max(420 + turned, 150 + 19 * n_rows(chart))


def _axis(label: str, values: list[np.ndarray], *, log: bool) -> dict[str, Any]:
    axis: dict[str, Any] = {
        "title": {"text": _text(label), "standoff": 10, "font": {"size": 14}},
        "type": "log" if log else "linear",
        "gridcolor": GRID,
        "zeroline": False,
        "linecolor": "#999999",
        "showline": True,
        "ticks": "outside",
        "tickcolor": "#999999",
        "automargin": True,
        "exponentformat": "power",
    }
    if log and values:  # a label at each power of ten, and between them only where these are few
        logs = np.log10(np.concatenate(values))
        axis["nticks"] = int(np.clip(round(1.25 * float(np.nanmax(logs) - np.nanmin(logs))), 4, 8))
    return axis


def _x_axis(chart: Chart, pairs: list[tuple[Series, Points]]) -> dict[str, Any]:
    axis = _axis(chart.x_label, [points.x for _, points in pairs], log=chart.log_x)
    if chart.integer_x:
        axis |= {"tick0": 0, "dtick": whole_step(pairs)}
    if chart.categories is not None:
        n = len(chart.categories)
        ends = [-0.5, max(n, 1) - 0.5]
        names = [_text(label) for label in tick_labels(chart)]
        axis |= {"tickvals": list(range(n)), "ticktext": names, "showgrid": False}
        axis["range"] = ends[::-1] if chart.horizontal else ends
    return axis

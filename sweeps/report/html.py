"""Draws charts with Plotly, as parts of a web page that loads nothing from the network."""

import html
import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs
from plotly.subplots import make_subplots

from sweeps.report.charts import (
    BAND_OPACITY,
    LABEL_WIDTH,
    LEGEND_WIDTH,
    MAX_MARKERS,
    THREAD_OPACITY,
    Chart,
    Panels,
    wrapped,
)
from sweeps.report.points import Points, drawable, integer_step
from sweeps.report.scale import log_ticks, ticks
from sweeps.report.styles import AXIS, GREY, GRID, Style

_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
_HATCHES = {"solid": "", "dash": "/", "dot": ".", "dashdot": "\\", "longdash": "x", "longdashdot": "-"}
# Remove buttons that crowd narrow pages, and the one that uploads the chart to Plotly's cloud.
_CONFIG = {
    "displaylogo": False,
    "showSendToCloud": False,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "zoomIn2d", "zoomOut2d", "autoScale2d"],
}


def plotly_script() -> str:
    """Return Plotly's library as one ``<script>`` of some megabytes, to go before the first chart."""
    return f"<script>{get_plotlyjs()}</script>"


def to_html(chart: Chart | Panels) -> str:
    """Return a ``<figure>`` with the chart and its caption; the slug becomes the ID of an element."""
    name = re.sub(r"[^\w.-]", "-", chart.slug)
    div = figure(chart).to_html(full_html=False, include_plotlyjs=False, config=_CONFIG, div_id=name)
    caption = f"<figcaption>{html.escape(chart.caption)}</figcaption>" if chart.caption else ""
    return f'<figure class="chart">{div}{caption}</figure>'


def figure(chart: Chart | Panels) -> go.Figure:
    """Return a Plotly figure that is as wide as its page."""
    titles = [_escaped(panel.title) for panel in chart.panels] if isinstance(chart, Panels) else None
    several = len(chart.panels) > 1
    share: dict[str, Any] = {"shared_xaxes": several and "all", "shared_yaxes": chart.columns > 1 and "all"}
    space = {"horizontal_spacing": 0.03, "vertical_spacing": 0.1} if several else {}
    result = make_subplots(chart.rows, chart.columns, subplot_titles=titles, **share, **space)
    # So far the only annotations are the titles of panels.
    result.update_annotations(font_size=14)
    result.update_layout(_layout(chart))
    drawn = [drawable(panel) for panel in chart.panels]
    named: set[str] = set()
    for index, panel in enumerate(chart.panels):
        place = {"row": index // chart.columns + 1, "col": index % chart.columns + 1}
        _draw(result, panel, drawn[index], named, place)
        together = [points for each in drawn for points in each] if chart.columns > 1 else drawn[index]
        x, y = _x_axis(panel, drawn[index]), _y_axis(panel, together, chart.rows)
        is_lowest = index + chart.columns >= len(chart.panels)
        if not is_lowest:
            x["title"] = None
        x["showticklabels"] = is_lowest
        if place["col"] > 1:
            y["title"] = None
        result.update_xaxes(y if panel.horizontal else x, **place)
        result.update_yaxes(x if panel.horizontal else y, **place)
    return result


def _draw(
    result: go.Figure, chart: Chart, drawn: Sequence[Points], named: set[str], place: dict[str, int]
) -> None:
    """Draw one panel; ``named`` has the labels that are in the legend already."""
    for points in drawn:
        label = points.series.label
        for trace in _traces(chart, points):
            # Traces without a name, which are bands, are not in the legend either.
            if trace.name is not None:
                trace.showlegend = chart.legend and points.series.named and label not in named
            result.add_trace(trace, **place)
        if points.series.named:
            named.add(label)
    if not drawn:
        middle = {"x": 0.5, "y": 0.5, "xref": "x domain", "yref": "y domain", "showarrow": False}
        result.add_annotation(text="no data", font={"color": GREY, "size": 16}, **middle, **place)
    if chart.reference is not None:
        add_line = result.add_vline if chart.horizontal else result.add_hline
        look: dict[str, Any] = {"line": {"color": GREY, "width": 1}, "layer": "below"}
        add_line(chart.reference, exclude_empty_subplots=False, **look, **place)
    for x, text in chart.marks:
        note = {
            "annotation_text": _escaped(text),
            "annotation_textangle": -90,
            "annotation_position": "bottom right",
        }
        result.add_vline(x, line={"color": GREY, "width": 1, "dash": "dash"}, **note, **place)


def _escaped(text: str) -> str:
    """Escape the tags and entities that Plotly would interpret."""
    return html.escape(text, quote=False).replace("\n", "<br>")


def _traces(chart: Chart, points: Points) -> Iterator[go.Scatter | go.Bar]:
    series, style = points.series, points.series.style
    common = {
        "name": _escaped(wrapped(series.label, LEGEND_WIDTH)),
        # A click on the legend hides the band together with its line.
        "legendgroup": series.label,
        "hovertext": [_escaped(text) for text in points.hover],
        "hovertemplate": "%{hovertext}<extra></extra>",
    }
    x, y = (points.y, points.x) if chart.horizontal else (points.x, points.y)
    if series.kind == "bars":
        hatch = {"shape": _HATCHES[style.dash], "fgcolor": "white", "bgcolor": style.color}
        marker: dict[str, Any] = {"color": style.color, "pattern": {**hatch, "size": 7, "solidity": 0.2}}
        yield go.Bar(x=x, y=y, marker=marker, orientation="h" if chart.horizontal else "v", **common)
    elif series.kind in ("dots", "joined"):
        look: dict[str, Any] = {"mode": "markers", "marker": _marker(style, 9, hollow=series.hollow)}
        if series.kind == "joined":
            look |= {"mode": "lines+markers", "line": {"color": style.color, "dash": style.dash, "width": 1}}
        yield go.Scatter(x=x, y=y, **look, **common, **_errors(chart, points))
    elif series.kind == "thread":
        line = {"color": style.color, "width": 0.8}
        yield go.Scatter(
            x=x, y=y, mode="lines", line=line, opacity=THREAD_OPACITY, hoverinfo="skip", name=common["name"]
        )
    else:
        if points.has_interval:
            yield _band(points)
        shape = "hv" if series.kind == "step" else "linear"
        line = {"color": style.color, "dash": style.dash, "width": series.width, "shape": shape}
        marker = {**_marker(style, 6.75), "maxdisplayed": MAX_MARKERS}
        yield go.Scatter(x=x, y=y, mode="lines+markers", line=line, marker=marker, **common)


def _marker(style: Style, size: float, *, hollow: bool = False) -> dict[str, Any]:
    look = {"color": style.color, "size": size * style.scale}
    if hollow:
        return {**look, "symbol": f"{style.symbol}-open", "line": {"width": 1.8}}
    return {**look, "symbol": style.symbol, "line": {"width": 0.7, "color": "white"}, "opacity": 0.9}


def _errors(chart: Chart, points: Points) -> dict[str, Any]:
    if not points.has_interval:
        return {}
    below, above = points.errors
    look = {"color": points.series.style.color, "thickness": 1.5, "width": 4}
    bars = {"type": "data", "array": above, "arrayminus": below, **look}
    return {"error_x" if chart.horizontal else "error_y": bars}


def _band(points: Points) -> go.Scatter:
    """Return a filled outline for each stretch without a gap, in one trace."""
    xs: list[float | None] = []
    ys: list[float | None] = []
    known = np.flatnonzero(np.isfinite(points.low))
    for stretch in np.split(known, np.flatnonzero(np.diff(known) > 1) + 1):
        x, low, high = points.x[stretch], points.low[stretch], points.high[stretch]
        if points.series.kind == "step":
            # A value holds until the next one.
            x, low, high = np.repeat(x, 2)[1:], np.repeat(low, 2)[:-1], np.repeat(high, 2)[:-1]
        xs += [*x, *x[::-1], None]
        ys += [*low, *high[::-1], None]
    label, color = points.series.label, points.series.style.color
    look = {"line": {"width": 0, "color": color}, "opacity": BAND_OPACITY, "hoverinfo": "skip"}
    area = {"mode": "lines", "fill": "toself", "fillcolor": color}
    return go.Scatter(x=xs[:-1], y=ys[:-1], legendgroup=label, showlegend=False, **area, **look)


def _layout(chart: Chart | Panels) -> dict[str, Any]:
    title, panels = wrapped(chart.title, 75), chart.panels
    height = 260 * chart.rows + 100 if chart.rows > 1 else 420 + 60 * (chart.columns > 1)
    height += max(4 * max(map(len, panel.tick_labels)) if panel.crowded else 0 for panel in panels)
    above = 60 + 20 * title.count("\n") + (20 if isinstance(chart, Panels) else 0)
    return {
        "template": "none",
        "title": {
            "text": f"<b>{_escaped(title)}</b>",
            "font": {"size": 16},
            "x": 0.01,
            "yref": "container",
            "y": 1,
            "yanchor": "top",
            "pad": {"t": 16},
        },
        "font": {"family": _FONT, "size": 13, "color": "#222222"},
        "height": max([height, *(150 + 19 * panel.category_lines for panel in panels)]),
        "margin": {"l": 70, "r": 20, "t": above, "b": 60},
        "hovermode": "closest",
        "hoverlabel": {"bgcolor": "white", "align": "left"},
        "barmode": "stack" if any(panel.stacked for panel in panels) else "group",
        "bargap": 0.25,
        "showlegend": chart.legend,
        "legend": {"tracegroupgap": 2, "x": 1.02, "traceorder": "normal"},
    }


def _y_axis(chart: Chart, drawn: Sequence[Points], rows: int) -> dict[str, Any]:
    axis = _axis(wrapped(chart.y_label, LABEL_WIDTH // rows), [points.y for points in drawn], log=chart.log_y)
    if chart.symlog is not None and drawn:
        shown = np.concatenate([[points.y, points.low, points.high] for points in drawn], axis=None)
        axis["tickvals"], axis["ticktext"] = ticks(shown, chart.symlog)
    return axis


def _axis(label: str, values: Sequence[np.ndarray], *, log: bool) -> dict[str, Any]:
    title = {"text": _escaped(label), "standoff": 10, "font": {"size": 14}}
    lines = {"gridcolor": GRID, "zeroline": False, "linecolor": AXIS, "showline": True}
    ticks = {"ticks": "outside", "tickcolor": AXIS, "automargin": True, "exponentformat": "power"}
    axis: dict[str, Any] = {"title": title, "type": "log" if log else "linear", **lines, **ticks}
    if log and values:
        places = log_ticks(np.concatenate(values))
        axis |= {"tickvals": places, "ticktext": [f"{place:g}" for place in places]}
    return axis


def _x_axis(chart: Chart, drawn: Sequence[Points]) -> dict[str, Any]:
    axis = _axis(chart.x_label, [points.x for points in drawn], log=chart.log_x)
    if chart.integer_x:
        axis |= {"tick0": 0, "dtick": integer_step(drawn)}
    if chart.categories is not None:
        names = [_escaped(label) for label in chart.tick_labels]
        axis |= {"tickvals": list(range(len(names))), "ticktext": names, "showgrid": False}
        axis["range"] = chart.category_range
    return axis

"""Plotly and Matplotlib draw the same chart."""

import base64
import dataclasses
import itertools
import json
import re

import numpy as np
import pytest
from matplotlib.collections import FillBetweenPolyCollection
from matplotlib.colors import to_hex
from matplotlib.image import imread

from sweeps.report import html as charts_html
from sweeps.report import png as charts_png
from sweeps.report.charts import Chart, Panels, Series
from sweeps.report.points import drawable, integer_step
from sweeps.report.styles import styles

MODES = ["none", "all", "layer", "after_all", "after_layer"]
NAN = float("nan")


def style_of(arm):
    return styles([arm])[arm]


def series(arm="none", x=(1, 2, 3), y=(0.1, 0.2, 0.4), kind="line", **more):
    return Series(arm, style_of(arm), x, y, kind, **more)


def chart(*parts, **more):
    return Chart("a-chart", "A chart", "epoch", "val_accuracy", parts, **more)


def banded(kind, **more):
    return series(kind=kind, low=(0.05, 0.1, 0.3), high=(0.2, 0.3, 0.5), **more)


def on_page(shown):
    """Return the named traces that Plotly draws, which bands are not, and the whole figure."""
    figure = json.loads(charts_html.figure(shown).to_json())
    return [trace for trace in figure["data"] if "name" in trace], figure


def values(data):
    """Return an array from Plotly's JSON: a list, or bytes in base64."""
    if isinstance(data, dict):
        return np.frombuffer(base64.b64decode(data["bdata"]), data["dtype"])
    return np.array(data, dtype=float)


def in_picture(shown):
    figure = charts_png.figure(shown)
    axes = figure.axes[0]
    names = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    return axes, names


@pytest.mark.parametrize("kind", ["line", "dots", "step"])
def test_both_draw_the_same_points(kind):
    shown = chart(*(series(arm, y=(0.1 * i, 0.2, 0.3), kind=kind) for i, arm in enumerate(MODES)))
    traces, _ = on_page(shown)
    axes, names = in_picture(shown)
    assert [trace["name"] for trace in traces] == names == MODES
    for trace, line, part in zip(traces, axes.get_lines(), shown.series, strict=True):
        for x, y in ((values(trace["x"]), values(trace["y"])), line.get_data()):
            np.testing.assert_array_equal(x, part.x)
            np.testing.assert_array_equal(y, part.y)
        assert trace["marker"]["color"] == to_hex(line.get_color(), False).upper() == part.style.color
    assert (traces[0].get("line", {}).get("shape") == "hv") == (kind == "step")
    assert (axes.get_lines()[0].get_drawstyle() == "steps-post") == (kind == "step")


@pytest.mark.parametrize("horizontal", [False, True])
@pytest.mark.parametrize("stacked", [False, True])
def test_both_draw_the_same_bars(horizontal, stacked):
    parts = [series(arm, (0, 1), (i + 1, NAN if i == 1 else 2), "bars") for i, arm in enumerate(MODES[:3])]
    shown = chart(*parts, categories=["a", "b"], horizontal=horizontal, stacked=stacked)
    traces, figure = on_page(shown)
    axes, names = in_picture(shown)
    assert figure["layout"]["barmode"] == ("stack" if stacked else "group")
    assert [trace["name"] for trace in traces] == names == MODES[:3]
    lengths = [values(trace["x" if horizontal else "y"]).tolist() for trace in traces]
    sizes = [
        [bar.get_width() if horizontal else bar.get_height() for bar in bars] for bars in axes.containers
    ]
    assert lengths == sizes == [[1, 2], [2], [3, 2]]
    starts = [(bars[0].get_x() if horizontal else bars[0].get_y()) for bars in axes.containers]
    assert starts == ([0, 1, 3] if stacked else [0, 0, 0])
    places = [(bars[0].get_y() if horizontal else bars[0].get_x()) for bars in axes.containers]
    assert len(set(places)) == (1 if stacked else 3)
    looks = {json.dumps(trace["marker"]["pattern"]["shape"]) for trace in traces}
    assert len(looks) == len({bars[0].get_hatch() for bars in axes.containers}) == 3


@pytest.mark.parametrize("kind", ["line", "step"])
def test_a_band_belongs_to_its_line(kind):
    shown = chart(banded(kind))
    figure = json.loads(charts_html.figure(shown).to_json())
    band, line = figure["data"]
    assert band["fill"] == "toself"
    assert not band["showlegend"]
    assert band["legendgroup"] == line["legendgroup"]
    (area,) = in_picture(shown)[0].collections
    assert isinstance(area, FillBetweenPolyCollection)
    corners = {(x, y) for x, y in zip(band["x"], band["y"], strict=True)}
    assert corners == set(map(tuple, area.get_paths()[0].vertices.tolist()))
    # A value of a step holds until the next one.
    assert ((2, 0.05) in corners) == (kind == "step")


def test_a_band_with_a_gap_is_two():
    low, high = (0, 0, NAN, 0, 0), (1, 1, NAN, 1, 1)
    shown = chart(series(x=range(5), y=(0.5,) * 5, low=low, high=high))
    band = json.loads(charts_html.figure(shown).to_json())["data"][0]
    assert band["x"] == [0, 1, 1, 0, None, 3, 4, 4, 3]
    assert len(in_picture(shown)[0].collections[0].get_paths()) == 2


@pytest.mark.parametrize("horizontal", [False, True])
def test_error_bars_are_the_interval(horizontal):
    shown = chart(banded("dots"), horizontal=horizontal)
    (trace,), _ = on_page(shown)
    bars = trace["error_x" if horizontal else "error_y"]
    np.testing.assert_allclose(values(bars["array"]), [0.1, 0.1, 0.1])
    np.testing.assert_allclose(values(bars["arrayminus"]), [0.05, 0.1, 0.1])
    segments = np.array(in_picture(shown)[0].collections[0].get_segments())
    np.testing.assert_allclose(segments[:, :, 0 if horizontal else 1], [[0.05, 0.2], [0.1, 0.3], [0.3, 0.5]])


def test_hollow_dots_are_not_filled():
    shown = chart(series(kind="dots"), series("all", kind="dots", hollow=True))
    (full, hollow), _ = on_page(shown)
    assert (full["marker"]["symbol"], hollow["marker"]["symbol"]) == ("circle", "square-open")
    axes, _ = in_picture(shown)
    assert [line.get_markerfacecolor() == "none" for line in axes.get_lines()] == [False, True]


def test_log_axes_leave_out_what_is_not_positive():
    shown = chart(series(x=(0, 0.1, 1), y=(1, -2, 3), kind="dots"), log_x=True, log_y=True)
    (trace,), figure = on_page(shown)
    axes, _ = in_picture(shown)
    assert [figure["layout"][axis]["type"] for axis in ("xaxis", "yaxis")] == ["log", "log"]
    assert (axes.get_xscale(), axes.get_yscale()) == ("log", "log")
    assert values(trace["x"]).tolist() == axes.get_lines()[0].get_xdata().tolist() == [1]


def test_an_interval_that_reaches_zero_on_a_log_axis_ends_below_all_else():
    shown = chart(series(y=(1, 10, 100), kind="dots", low=(-1, 5, 50), high=(2, 20, 200)), log_y=True)
    (points,) = drawable(shown)
    assert points.low.tolist() == [0.5, 5, 50]
    assert points.hover[0].endswith("from -1 to 2")


def test_a_horizontal_chart_reads_from_top_to_bottom():
    names = ["all reaches val_rmse 2.4 sooner than none (sigma=0.003)", "b", "c"]
    shown = chart(
        series(x=(0, 1, 2), kind="dots"), categories=names, horizontal=True, reference=0, log_x=False
    )
    (trace,), figure = on_page(shown)
    axes, _ = in_picture(shown)
    across = figure["layout"]["yaxis"]
    assert [text.replace("<br>", " ") for text in across["ticktext"]] == names
    assert across["range"] == [2.5, -0.5] == list(axes.get_ylim())
    assert [text.get_text().replace("\n", " ") for text in axes.get_yticklabels()] == names
    assert values(trace["y"]).tolist() == [0, 1, 2]
    assert (axes.get_xlabel(), figure["layout"]["xaxis"]["title"]["text"]) == ("val_accuracy",) * 2
    (line,) = figure["layout"]["shapes"]
    assert (line["x0"], line["x1"]) == (0, 0)
    with pytest.raises(ValueError, match="a-chart: a horizontal chart takes dots and bars"):
        chart(series(), horizontal=True)


@pytest.mark.parametrize("horizontal", [False, True])
def test_names_of_categories_do_not_overlap(horizontal):
    names = [f"a rather long name of a category, {i}" for i in range(24)]
    shown = chart(series(x=range(24), y=range(24), kind="bars"), categories=names, horizontal=horizontal)
    figure = charts_png.figure(shown)
    figure.draw_without_rendering()
    axis = figure.axes[0].yaxis if horizontal else figure.axes[0].xaxis
    boxes = [label.get_window_extent() for label in axis.get_ticklabels()]
    assert len(boxes) == 24
    assert not any(one.overlaps(two) for one, two in itertools.pairwise(boxes))
    assert all(box.x0 >= 0 and box.y0 >= 0 for box in boxes)


def test_lines_have_gaps_where_a_value_is_not_finite():
    shown = chart(series(y=(0.1, NAN, 0.3)), series("all", y=(0.1, float("inf"), None)))
    traces, _ = on_page(shown)
    axes, _ = in_picture(shown)
    gaps = [[False, True, False], [False, True, True]]
    assert [np.isnan(values(trace["y"])).tolist() for trace in traces] == gaps
    assert [np.isnan(line.get_ydata()).tolist() for line in axes.get_lines()] == gaps


@pytest.mark.parametrize("parts", [[], [series(x=(), y=())], [series(y=(NAN,) * 3, kind="bars")]])
@pytest.mark.parametrize("more", [{}, {"log_y": True}, {"categories": []}, {"integer_x": True}])
def test_a_chart_without_data_says_so(parts, more, tmp_path):
    shown = chart(*parts, **more)
    figure = charts_html.figure(shown)
    assert [note.text for note in figure.layout.annotations] == ["no data"]
    assert not figure.data
    axes, names = in_picture(shown)
    assert ([text.get_text() for text in axes.texts], names) == (["no data"], [])
    charts_png.save(shown, tmp_path / "empty.png")


@pytest.mark.parametrize("legend", [False, True])
def test_a_legend_can_be_left_out(legend):
    shown = chart(series(), legend=legend)
    assert on_page(shown)[1]["layout"]["showlegend"] == legend
    assert in_picture(shown)[1] == (["none"] if legend else [])


def test_hovering_tells_label_values_interval_and_text():
    part = series(
        "all", (0, 1.1), (0.123456, 12345), "dots", low=(0.1, NAN), high=(0.2, 1), hover=("t0", "t1")
    )
    (trace,), _ = on_page(chart(part, categories=["a<b", "c"]))
    first, second = trace["hovertext"]
    assert first == "all<br>epoch: a&lt;b<br>val_accuracy: 0.1235<br>from 0.1 to 0.2<br>t0"
    assert second == "all<br>epoch: c<br>val_accuracy: 12345<br>t1"


@pytest.mark.parametrize(("last", "step"), [(1, 1), (12, 1), (20, 2), (50, 5), (1000, 100)])
def test_epochs_have_ticks_at_whole_numbers(last, step):
    shown = chart(series(x=(0, last), y=(0, 1)), integer_x=True)
    assert integer_step(drawable(shown)) == step
    assert charts_html.figure(shown).layout.xaxis.dtick == step
    axes, _ = in_picture(shown)
    assert np.diff(axes.get_xticks())[0] == step


def test_a_noise_mode_always_looks_the_same():
    others = [f"arm {i}" for i in range(36)]
    together = styles([*others, *MODES])
    assert {mode: together[mode] for mode in MODES} == {mode: style_of(mode) for mode in MODES}
    assert len(set(together.values())) == 41
    assert styles(others) == styles(tuple(others))
    # Colour, symbol and dash each suffice to tell the modes apart.
    for field in range(3):
        assert len({style_of(mode)[field] for mode in MODES}) == 5


@pytest.mark.parametrize("arm", [*MODES, *(f"arm {i}" for i in range(6))])
@pytest.mark.parametrize("kind", ["line", "dots", "bars"])
def test_plotly_and_matplotlib_know_every_style(arm, kind):
    style = styles([f"arm {i}" for i in range(6)] + MODES)[arm]
    shown = chart(Series(arm, style, [0], [1], kind))
    charts_html.figure(shown)
    charts_png.figure(shown)


def test_a_picture_is_a_picture(tmp_path):
    shown = chart(*(banded("line", arm=mode) for mode in MODES), caption="A caption. " * 20, reference=0.1)
    path = tmp_path / "a.png"
    charts_png.save(shown, path)
    pixels = imread(path)
    assert pixels.shape[:2] == (900, 1600)
    assert 5_000 < path.stat().st_size < 1_000_000
    assert len(np.unique(pixels[::4].sum(axis=2))) > 20
    edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
    # Nothing is cut off at the edges.
    assert (edge[:, :3] == 1).all()


def panels(columns, **more):
    upper = dataclasses.replace(chart(series(), series("all", y=(0.3, 0.2, 0.1)), **more), title="first")
    lower = dataclasses.replace(chart(series("all", y=(5, 6, 7)), series("layer"), **more), title="second")
    return Panels("two", "Two panels", [upper, lower], "A caption.", columns)


@pytest.mark.parametrize("columns", [1, 2])
def test_both_draw_the_same_panels(columns):
    shown = panels(columns)
    traces, figure = on_page(shown)
    picture = charts_png.figure(shown)
    first, second = picture.axes
    drawn = [line for axes in (first, second) for line in axes.get_lines()]
    for trace, line in zip(traces, drawn, strict=True):
        np.testing.assert_array_equal(values(trace["y"]), line.get_ydata())
    assert [trace["yaxis"] for trace in traces] == ["y", "y", "y2", "y2"]
    titles = [axes.get_title(loc="left") for axes in (first, second)]
    assert titles == [note["text"] for note in figure["layout"]["annotations"]] == ["first", "second"]
    # Each label is in the legend once.
    names = [text.get_text() for legend in picture.legends for text in legend.get_texts()]
    assert names == [trace["name"] for trace in traces if trace["showlegend"]] == ["none", "all", "layer"]
    # All panels share x, and panels beside each other share y.
    assert first.get_shared_x_axes().joined(first, second)
    assert first.get_shared_y_axes().joined(first, second) == (columns == 2)
    layout = figure["layout"]
    assert "matches" in layout["xaxis"] or "matches" in layout["xaxis2"]
    assert ("matches" in layout["yaxis"] or "matches" in layout["yaxis2"]) == (columns == 2)


def test_panels_below_each_other_get_a_higher_picture(tmp_path):
    for columns, height in ((1, 1.2 + 2 * 3.2), (2, 5.625)):
        assert charts_png.figure(panels(columns)).get_figheight() == pytest.approx(height)
    charts_png.save(panels(1, categories=["a", "b", "c", "d"]), tmp_path / "panels.png")
    edge = imread(tmp_path / "panels.png")[:, 0]
    # Nothing is cut off at the left.
    assert (edge[:, :3] == 1).all()


def test_both_draw_the_same_scale_with_both_signs():
    part = series(kind="joined", y=(-1, 0, 0.01), low=(-2, -0.01, 0), high=(-0.5, 0.01, 0.02))
    shown = chart(part, symlog=0.01, reference=0)
    (trace,), figure = on_page(shown)
    axes, _ = in_picture(shown)
    np.testing.assert_allclose(values(trace["y"]), np.arcsinh(np.array([-1, 0, 0.01]) / 0.01))
    np.testing.assert_array_equal(values(trace["y"]), axes.get_lines()[-1].get_ydata())
    ticks = figure["layout"]["yaxis"]
    assert [label.get_text() for label in axes.get_yticklabels()] == list(ticks["ticktext"])
    np.testing.assert_array_equal(axes.get_yticks(), values(ticks["tickvals"]))
    assert {"-1", "-0.1", "0", "0.01"} <= set(ticks["ticktext"])
    # Hovering tells the values, not the places.
    assert trace["hovertext"][0].endswith("val_accuracy: -1<br>from -2 to -0.5")


def test_joined_dots_have_a_thin_line_and_error_bars():
    shown = chart(banded("joined"))
    (trace,), _ = on_page(shown)
    axes, _ = in_picture(shown)
    assert trace["mode"] == "lines+markers"
    assert trace["line"]["width"] == axes.get_lines()[-1].get_linewidth() == 1
    np.testing.assert_allclose(values(trace["error_y"]["array"]), [0.1, 0.1, 0.1])


def test_a_thread_has_no_markers_and_keeps_its_gaps():
    shown = chart(series(kind="thread", y=(0.1, NAN, 0.3)))
    (trace,), _ = on_page(shown)
    (line,) = in_picture(shown)[0].get_lines()
    assert (trace["mode"], line.get_marker()) == ("lines", "None")
    assert (
        np.isnan(values(trace["y"])).tolist() == np.isnan(line.get_ydata()).tolist() == [False, True, False]
    )


def test_marks_are_vertical_lines_with_a_text():
    shown = chart(series(), marks=[(1.5, "TPE <begins>")])
    _, figure = on_page(shown)
    axes, _ = in_picture(shown)
    (line,) = figure["layout"]["shapes"]
    assert (line["x0"], line["x1"]) == (1.5, 1.5)
    (note,) = figure["layout"]["annotations"]
    assert note["text"] == "TPE &lt;begins&gt;"
    assert [text.get_text() for text in axes.texts] == ["TPE <begins>"]
    assert axes.get_lines()[0].get_xdata() == [1.5, 1.5]


def test_a_series_can_be_left_out_of_the_legend():
    shown = chart(series(), series("all", named=False))
    traces, _ = on_page(shown)
    assert [trace["showlegend"] for trace in traces] == [True, False]
    assert in_picture(shown)[1] == ["none"]


def test_hovering_can_have_a_text_of_its_own():
    (trace,), _ = on_page(chart(series(x=(1,), y=(2,), kind="dots", hover=["a\nb"], own_hover=True)))
    assert trace["hovertext"] == ["none<br>a<br>b"]


def test_a_page_needs_nothing_from_elsewhere():
    shown = chart(series())
    fragments = [charts_html.to_html(shown), charts_html.to_html(dataclasses.replace(shown, slug="two"))]
    assert all("http" not in fragment and "src=" not in fragment for fragment in fragments)
    assert 'id="a-chart"' in fragments[0]
    assert all('"showSendToCloud": false' in fragment for fragment in fragments)
    script = charts_html.plotly_script()
    assert not re.search(r"<(script|link)[^>]*(src|href)=", script[:200])
    assert len(script) > 1_000_000
    assert len("".join(fragments)) < 30_000


def test_texts_are_no_markup():
    evil = "<b>&x $a$ %{y}</script>"
    part = Series(evil, style_of("none"), [0], [1], "dots", hover=[evil])
    shown = Chart('a"b', evil, evil, evil, [part], caption=evil, categories=[evil])
    fragment = charts_html.to_html(shown)
    (trace,), figure = on_page(shown)
    escaped = "&lt;b&gt;&amp;x $a$ %{y}&lt;/script&gt;"
    assert trace["name"] == figure["layout"]["xaxis"]["title"]["text"] == escaped
    assert figure["layout"]["xaxis"]["ticktext"] == [escaped]
    assert trace["hovertext"][0].count(escaped) == 5
    assert figure["layout"]["title"]["text"] == f"<b>{escaped}</b>"
    assert f"<figcaption>{escaped}</figcaption>" in fragment
    assert fragment.count("</script>") == 1
    assert "<b>&" not in fragment.replace("\\u003c", "<")
    axes, names = in_picture(shown)
    # Matplotlib would read the text between dollar signs as a formula.
    assert names == [evil.replace("$", r"\$")]
    axes.figure.draw_without_rendering()

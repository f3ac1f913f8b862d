"""The figures of a report: charts made from the state of a sweep."""

import re
from dataclasses import replace

from sweeps.analysis.arms import arms_of, points_of
from sweeps.record.state import SweepState
from sweeps.report.charts import Chart
from sweeps.report.figures.arms import convergence, differences, hessian_traces, learning_curves, scores
from sweeps.report.figures.trials import importance, score_against_sigma, search_progress, trial_ends
from sweeps.report.styles import styles


def figures(state: SweepState) -> list[Chart]:
    """Return every chart that the sweep has data for."""
    spec = state.spec
    style_of = styles([str(arm) for arm in spec.arms])
    charts: list[Chart] = []
    for suffix, where in points_of(spec):
        if arms := arms_of(state, where):
            of_arms = (scores, differences, learning_curves, convergence, hessian_traces)
            made = [make(spec, arms, style_of) for make in of_arms]
            charts += [_at_point(chart, suffix) for chart in made if chart]
    if "sigma" in spec.search and all(where.keys() <= {"sigma"} for _, where in points_of(spec)):
        charts.append(score_against_sigma(state, style_of))
    if not spec.is_grid:
        of_search = (search_progress(state, style_of), trial_ends(state), importance(state, style_of))
        charts += [chart for chart in of_search if chart]
    return charts


def _at_point(chart: Chart, suffix: str) -> Chart:
    """Name a chart after its point of the grid."""
    if not suffix:
        return chart
    return replace(chart, slug=_slug(chart.slug, suffix), title=f"{chart.title} at {suffix}")


def _slug(name: str, suffix: str) -> str:
    """Return a file name that has no slash and so stays in its folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{name}-{suffix}").rstrip("-")

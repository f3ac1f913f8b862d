"""The figures of a report: charts made from the state of a sweep."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sweeps.analysis.arms import arms_of, points_of, title_of
from sweeps.record.state import SweepState
from sweeps.record.trials import SEARCH
from sweeps.report.arm_tables import FLATNESS
from sweeps.report.charts import Chart, Panels
from sweeps.report.figures.arms import convergence, differences, learning_curves, scores
from sweeps.report.figures.effects import effect_against_sigma
from sweeps.report.figures.flatness import flatness
from sweeps.report.figures.robustness import under_weight_noise
from sweeps.report.figures.sigma import means_against_sigma, trials_against_sigma
from sweeps.report.figures.trials import importance, search_progress, trial_ends
from sweeps.report.labels import slug_at
from sweeps.report.styles import Style, styles
from sweeps.spec.model import Spec
from sweeps.spec.sections import Scalar

Made = Chart | Panels | None


def all_figures(state: SweepState) -> list[Chart | Panels]:
    """Return every chart that the sweep has data for, in the order of the report."""
    return [*effect_figures(state), *figures(state)]


def effect_figures(state: SweepState) -> list[Chart | Panels]:
    """Return the effects against sigma, for each value of ``across``; empty if no sigmas are listed."""
    style_of = styles([str(arm) for arm in state.spec.arms])
    made = [(effect_against_sigma(state, each, style_of), title_of(each)) for each in state.spec.strata]
    return [_at_point(chart, title) for chart, title in made if chart]


def figures(state: SweepState) -> list[Chart | Panels]:
    """Return every other chart that the sweep has data for."""
    spec = state.spec
    style_of = styles([str(arm) for arm in spec.arms])
    made: list[tuple[Made, str]] = []
    for title, where in _shown_points(spec):
        made += [(chart, title) for chart in _of_arms(state, where, style_of)]
    if spec.is_grid:
        if "sigma" in spec.search and all(where.keys() <= {"sigma"} for _, where in points_of(spec)):
            made.append((means_against_sigma(state, style_of), ""))
    elif state.of_stage(SEARCH):
        for stratum in spec.strata:
            title = title_of(stratum)
            made += [(chart, title) for chart in _of_search(state, stratum, style_of)]
    return [_at_point(chart, title) for chart, title in made if chart]


def _shown_points(spec: Spec) -> list[tuple[str, dict[str, Any]]]:
    """List the points to draw the arms at: those that claims are about, or all if there are none.

    The effects against sigma show every point, and the tables list it.
    """
    points, claimed = points_of(spec), [claim.where for claim in spec.claims]
    return [point for point in points if spec.is_grid and point[1] in claimed] or points


def _of_arms(state: SweepState, where: Mapping[str, Scalar], style_of: Mapping[str, Style]) -> list[Made]:
    spec, arms = state.spec, arms_of(state, where)
    if not arms:
        return []
    of_arms = (scores, differences, learning_curves, convergence, under_weight_noise)
    measured: list[Made] = [make(spec, arms, style_of) for make in of_arms]
    return measured + [flatness(spec, arms, style_of, metric) for metric in FLATNESS]


def _of_search(state: SweepState, stratum: Mapping[str, Scalar], style_of: Mapping[str, Style]) -> list[Made]:
    sigma = trials_against_sigma(state, stratum) if "sigma" in state.spec.search else None
    progress, ends = search_progress(state, stratum, style_of), trial_ends(state, stratum)
    return [sigma, progress, ends, importance(state, stratum, style_of)]


def _at_point(chart: Chart | Panels, suffix: str) -> Chart | Panels:
    """Name a chart after its point of the grid."""
    if not suffix:
        return chart
    return replace(chart, slug=slug_at(chart.slug, suffix), title=f"{chart.title} at {suffix}")

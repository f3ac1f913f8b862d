"""The intervals that reports and the terminal show, of two seeds that are far apart: all reach a bound."""

import pytest

from sweeps.analysis.levels import difference_of, summary_of
from sweeps.analysis.stats import paired_difference, summarise
from sweeps.record.trials import CONFIRM
from sweeps.report.arm_tables import effect_tables, tables_at
from sweeps.report.figures import effect_figures, figures
from sweeps.report.overview import overview_table
from tests.made_sweeps import NOISY, MadeSweep, curve, grid, made_comparison, scored_under

# Of seeds 1 and 2, for arms with noise and without.
NOISY_SCORES, SCORES = (1.0, 0.1), (0.9, 0.99)


def score_of(arm, index):
    return SCORES[index] if arm == "none" else NOISY_SCORES[index]


@pytest.fixture(scope="module")
def sweep():
    made = made_comparison(stages=scored_under(0.1, seeds=2, at={"sigma": [0.01]}), only=0)
    for point in made.state.to_confirm:
        for index, seed in enumerate(made.spec.replicates):
            score = score_of(point["noise"], index)
            last = {"test_accuracy": score, "test_accuracy_under_0.1": score, "test_loss": 1 - score}
            made.trial(point, seed, curve(score, hessian_trace=index, **last), stage=CONFIRM)
    return made


def panels(charts):
    return {(chart.slug, panel.slug): panel for chart in charts for panel in chart.panels}


def ends_of(panel):
    series = [each for each in panel.series if each.low]
    return min(min(each.low) for each in series), max(max(each.high) for each in series)


def test_intervals_of_figures_lie_within_the_bounds(sweep):
    found = panels([*effect_figures(sweep.state), *figures(sweep.state)])
    scores = [("scores", "scores"), ("learning-curves", "scores"), ("weight-noise", "scores")]
    assert [ends_of(found[name]) for name in scores] == [(0, 1)] * 3
    differences = ["differences", "learning-curves", "weight-noise"]
    assert [ends_of(found[name, "differences"]) for name in differences] == [(-1, 1)] * 3
    assert ends_of(found["effect", "effect"]) == (-1, 1)


def test_intervals_of_other_metrics_are_not_cut(sweep):
    found = panels(figures(sweep.state))
    expected = summarise([0.0, 1.0])
    assert ends_of(found["hessian-trace", "values"]) == (expected.low, expected.high)


def test_intervals_of_a_grid_lie_within_the_bounds():
    made = MadeSweep(grid(seeds=2))
    for index in range(2):
        made.trial({"noise": "none"}, index, curve(score_of("none", index)))
        for arm in NOISY:
            made.trial({"noise": arm, "sigma": 0.1}, index, curve(score_of(arm, index)))
    assert ends_of(panels(figures(made.state))["sigma", "sigma"]) == (0, 1)


def test_intervals_of_tables_lie_within_the_bounds(sweep):
    arms, noise = tables_at(sweep.state, "", {})[0], tables_at(sweep.state, "", {})[-1]
    (effects,) = effect_tables(sweep.state)
    mean, difference = "mean test_accuracy [95% interval]", "mean difference from none [95% interval]"
    for table in (arms, noise):
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        assert {row[mean] for row in rows[1:]} == {"0.6 [0.0, 1.0]"}
        assert rows[0][mean].endswith(", 1.00]")
    for table in (arms, noise, effects):
        last = dict(zip(table.columns, table.rows[-1], strict=True))
        # Two seeds exclude nothing, so the digits are not those of the interval's width.
        assert last[difference] == last["typical difference [95% interval]"] == "-0.395 [-1, 1]"


def test_intervals_of_the_overview_lie_within_the_bounds(sweep):
    table = overview_table([sweep.state])
    (row,) = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    assert row["layer"] == "0.6 [0.0, 1.0]"


def test_the_level_is_that_of_the_number_of_seeds(sweep, monkeypatch):
    told = []
    monkeypatch.setattr("sweeps.analysis.levels.error_of", lambda spec, seeds: told.append(seeds) or 0.2)
    summary = summary_of(sweep.spec, "test_loss", [0.1, 0.2, 0.4])
    assert summary == summarise([0.1, 0.2, 0.4], error=0.2)
    # A seed that only one has does not count.
    first, second = {1: 0.1, 2: 0.2, 3: 0.7, 4: 0.9}, {3: 0.1, 2: 0.3, 1: 0.5}
    expected = paired_difference([0.1, 0.2, 0.7], [0.5, 0.3, 0.1], error=0.2)
    assert difference_of(sweep.spec, "test_loss", first, second) == expected
    assert told == [3, 3]

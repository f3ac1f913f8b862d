"""The effect of each arm by sigma: its numbers, its figure and its table."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.analysis.arms import arms_of
from sweeps.analysis.effects import difference_from, effects_of, find_reference
from sweeps.record.trials import CONFIRM
from sweeps.report.arm_tables import effect_tables, tables_at
from sweeps.report.figures import effect_figures
from sweeps.report.labels import typical
from sweeps.report.points import drawable
from sweeps.report.scale import beyond, fence, scaled, symlog_width, ticks
from tests.made_sweeps import TRUTH, MadeSweep, comparison, confirm_at, made_grid, search
from tests.reports import Report

SIGMAS = [0.003, 0.01, 0.03]
AT = {"sigma": SIGMAS, "sigma_schedule": ["constant", "cosine"]}


@pytest.fixture(autouse=True)
def sketches(monkeypatch):
    """Replace each picture by a stub: drawing takes most of a report's time."""
    monkeypatch.setattr("sweeps.report.page.save", lambda chart, path: path.write_bytes(b"\x89PNG"))


def collapsing(hyperparameters):
    """``after_all`` falls with sigma if that is constant; nothing happens to the other arms."""
    if hyperparameters.noise != "after_all" or hyperparameters.sigma_schedule == "cosine":
        return 0.9
    return 0.9 - 25 * hyperparameters.sigma


def confirmed(score=collapsing, seeds=8, diverged=None, **changes):
    stages = {"search": {"trials_per_arm": 5}, "confirm": {"seeds": seeds, "at": AT}}
    sweep = MadeSweep(comparison(**{"stages": stages} | changes))
    search(sweep, TRUTH)
    return confirm_at(sweep, score, **{"diverged": diverged} if diverged else {})


def scores(sweep, arm, **values):
    trials = [trial for trial in sweep.state.of_stage(CONFIRM, arm)]
    chosen = [t for t in trials if values.items() <= t.hyperparameters.items() and t.status == "finished"]
    return {trial.seed: trial.last["test_accuracy"] for trial in chosen}


# Numbers


def test_every_arm_is_compared_with_none_at_every_listed_sigma_and_as_chosen():
    sweep = confirmed()
    effects = effects_of(sweep.state, {})
    # Four noisy arms at three sigmas with two schedules, and as the search chose them.
    assert len(effects) == 4 * (3 * 2 + 1)
    none = scores(sweep, "none")
    for effect in effects:
        own = scores(sweep, effect.arm.name, **effect.at)
        expected = np.mean([own[seed] - none[seed] for seed in none])
        assert effect.difference.mean == pytest.approx(expected)
        assert effect.difference.n == 8
    chosen = {effect.arm.name: effect.sigma for effect in effects if effect.chosen}
    selected = {point["noise"]: point["sigma"] for point in sweep.state.selected}
    assert chosen == {arm: sigma for arm, sigma in selected.items() if arm != "none"}


def test_a_seed_that_diverged_ranks_as_worst():
    sweep = confirmed(diverged=lambda hp, seed: hp.noise == "layer" and hp.sigma == 0.03 and seed < 3)
    lost = [e for e in effects_of(sweep.state, {}) if e.arm.diverged]
    assert [(e.arm.name, e.sigma, e.arm.diverged) for e in lost] == [("layer", 0.03, 2)] * 2
    for effect in lost:
        assert (effect.difference.n, effect.finished.n) == (8, 6)
        assert effect.difference.mean == -math.inf
        assert math.isfinite(effect.finished.mean)


def test_the_worst_loss_is_the_largest():
    sweep = confirmed(
        diverged=lambda hp, seed: hp.noise == "layer" and seed == 1,
        objective={"metric": "val_loss", "mode": "min"},
    )
    spec, arms = sweep.spec, arms_of(sweep.state, {})
    layer = next(arm for arm in arms if arm.name == "layer")
    assert difference_from(spec, layer, find_reference(spec, arms), "test_loss").mean == math.inf


def test_a_grid_has_effects_at_its_sigmas_and_no_choice():
    effects = effects_of(made_grid().state, {})
    assert {(e.arm.name, e.sigma, e.chosen) for e in effects} == {
        (arm, sigma, False) for arm in TRUTH if arm != "none" for sigma in (0.01, 0.1)
    }
    layer = next(e for e in effects if e.arm.name == "layer" and e.sigma == 0.1)
    assert layer.difference.mean == pytest.approx(-0.04, abs=0.005)


def test_without_listed_sigmas_there_is_no_curve():
    sweep = confirmed(stages={"search": {"trials_per_arm": 5}, "confirm": {"seeds": 3}})
    assert effects_of(sweep.state, {}) == effect_figures(sweep.state) == effect_tables(sweep.state) == []


def test_strata_have_their_own_effects():
    sweep = MadeSweep(
        comparison(
            across={"model": ["shallow", "deep"]},
            stages={
                "confirm": {
                    "seeds": 6,
                    "at": {"sigma": [0.01]},
                    "configurations": {"none": {}, "layer": {"sigma": 0.1}},
                }
            },
            compare={"noise": ["none", "layer"]},
            search={},
        )
    )
    confirm_at(sweep, lambda hp: 0.9 + (0.05 if hp.noise == "layer" and hp.model == "deep" else 0))
    means = [
        [round(effect.difference.mean, 2) for effect in effects_of(sweep.state, stratum)]
        for stratum in sweep.spec.strata
    ]
    # At the listed sigma, and at the given one.
    assert means == [[0.0, 0.0], [0.05, 0.05]]
    assert [chart.slug for chart in effect_figures(sweep.state)] == [
        "effect-model-shallow",
        "effect-model-deep",
    ]
    assert [table.title[-13:] for table in effect_tables(sweep.state)] == ["model shallow", "at model deep"]


# The figure


def test_the_figure_has_a_panel_a_schedule_and_marks_what_the_search_chose():
    (figure,) = effect_figures(confirmed().state)
    assert [panel.title for panel in figure.panels] == ["sigma_schedule constant", "sigma_schedule cosine"]
    constant, cosine = ([series for series in panel.series if len(series.x)] for panel in figure.panels)
    assert [series.label for series in cosine] == ["all", "layer", "after_all", "after_layer"]
    # The search had the constant schedule.
    stars = [series for series in constant if series.style.symbol == "star"]
    assert [series.label for series in stars] == ["all", "layer", "after_all", "after_layer"]
    assert not any(series.named for series in stars)
    assert "Stars: at the sigma that the search chose." in figure.caption
    assert "Above zero is better than none." in figure.caption
    assert len({panel.symlog for panel in figure.panels}) == 1


def test_a_collapsed_arm_does_not_hide_what_happens_to_the_others():
    def small_and_large(hp):
        small = 0.01 if hp.noise == "layer" else 0.0
        return collapsing(hp) + small

    (figure,) = effect_figures(confirmed(small_and_large, seeds=20).state)
    drawn = [points for points in drawable(figure.panels[0]) if points.series.kind == "joined"]
    places = {points.series.label: points.y for points in drawn}
    whole = max(y.max() for y in places.values()) - min(y.min() for y in places.values())
    # On a linear axis 0.01 would be a seventy-fifth of its height.
    assert (places["layer"] - places["all"]).min() > 0.15 * whole


def test_seeds_that_diverged_are_seen():
    def diverged(hp, seed):
        all_of_them = hp.noise == "after_all" and hp.sigma == 0.03
        return all_of_them or (hp.noise == "layer" and hp.sigma == 0.03 and seed == 1)

    (figure,) = effect_figures(confirmed(diverged=diverged).state)
    parts = [series for series in figure.panels[0].series if len(series.x)]
    (cross,) = [series for series in parts if series.style.symbol == "x"]
    lowest = min(min(series.y) for series in parts if series is not cross)
    assert cross.label == "after_all"
    assert cross.y[0] < lowest
    assert [series.label for series in parts if series.hollow] == ["layer"]
    assert "Open markers: some seeds diverged" in figure.caption
    assert "Crosses at the edge: every seed diverged." in figure.caption


def test_an_effect_on_a_loss_is_better_below_zero():
    sweep = confirmed(objective={"metric": "val_loss", "mode": "min"})
    assert "Below zero is better than none." in effect_figures(sweep.state)[0].caption


# The scale


@given(st.floats(1e-6, 1e3), st.lists(st.floats(-1e6, 1e6, allow_subnormal=False), min_size=2, max_size=20))
def test_the_scale_keeps_signs_and_order(width, values):
    array = np.sort(np.array(values))
    places = scaled(array, width)
    assert (places * array >= 0).all()
    assert (np.diff(places) >= 0).all()


def test_the_scale_is_linear_near_zero_and_logarithmic_beyond():
    near = scaled(np.array([0.01, 0.02]), 1.0)
    assert near[1] / near[0] == pytest.approx(2, rel=1e-3)
    far = scaled(np.array([1e3, 1e4, 1e5]), 1.0)
    assert np.diff(far) == pytest.approx([math.log(10)] * 2, rel=1e-3)


@pytest.mark.parametrize(("low", "high"), [(-0.8, 0.01), (-0.001, 0.9), (-50, 70), (0.0, 1e-3)])
def test_ticks_are_round_numbers_at_their_places(low, high):
    width = 1e-3
    places, texts = ticks(scaled(np.array([low, high]), width), width)
    assert places == sorted(places)
    assert 0.0 in places
    assert len(places) <= 12
    assert np.sinh(places) * width == pytest.approx([float(text) for text in texts])
    assert min(map(float, texts)) >= 1.3 * low
    assert max(map(float, texts)) <= 1.3 * high


def test_a_scale_is_logarithmic_only_where_it_must_be():
    assert symlog_width([0.01, -0.02], [0.004, 0.005]) is None
    # A wide interval of the collapsed arm changes nothing.
    assert symlog_width([0.01, -0.8], [0.004, 0.006, 0.008, 0.3]) == pytest.approx(0.0055)
    # Nothing is known before a second seed.
    assert symlog_width([0.01, -0.8], [float("nan"), 0.0]) is None
    assert symlog_width([], []) is None


def test_the_edge_is_beyond_all_values():
    for width in (None, 0.01):
        assert beyond([-3, 0.5, float("nan")], above=False, width=width) < -3
        assert beyond([-3, 0.5, math.inf], above=True, width=width) > 0.5
    assert beyond([], above=True) == 0


def test_far_out_is_three_interquartile_ranges_away():
    values = [1.0, 2.0, 3.0, 4.0, 5.0]
    assert fence(values, larger_is_better=True) == 2 - 3 * 2
    assert fence(values, larger_is_better=False) == 4 + 3 * 2


# The table


def test_the_table_marks_the_choice_and_counts_what_diverged(tmp_path):
    lost = lambda hp, seed: hp.noise == "layer" and hp.sigma == 0.03 and seed == 1  # noqa: E731
    sweep = confirmed(diverged=lost)
    rows = Report(sweep, tmp_path).tables["Effect by sigma on test_accuracy"]
    layer = [row for row in rows if row["noise"] == "layer"]
    assert [row["chosen"] for row in layer] == ["by the search", *[""] * 6]
    assert [row["sigma"] for row in layer[1:]] == ["0.003", "0.01", "0.03"] * 2
    effect = next(e for e in effects_of(sweep.state, {}) if e.arm.diverged)
    (row, other) = [row for row in layer if row["sigma"] == "0.03"]
    assert row["diverged"] == other["diverged"] == "1"
    assert row["mean difference from none [95% interval]"].endswith("<br>1 of 8 seeds diverged")
    assert row["typical difference [95% interval]"] == typical(effect.difference)


def test_if_all_seeds_diverged_the_table_says_so_in_words():
    sweep = confirmed(diverged=lambda hp, seed: hp.noise == "after_all" and hp.sigma == 0.03)
    (table,) = effect_tables(sweep.state)
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    lost = next(row for row in rows if row["diverged"] == "8")
    assert lost["mean difference from none [95% interval]"] == "8 of 8 seeds diverged"
    assert lost["typical difference [95% interval]"] == "too many seeds diverged"


def test_the_figure_comes_before_all_others(tmp_path):
    report = Report(confirmed(), tmp_path)
    pictures = [line for line in report.markdown.splitlines() if line.startswith("![")]
    assert pictures[0] == "![Effect against sigma: difference from none](effect.png)"
    assert report.html.index('id="effect"') < report.html.index('id="scores"')


# Flatness


def test_flatness_is_compared_seed_by_seed():
    sweep = confirmed(stages={"search": {"trials_per_arm": 5}, "confirm": {"seeds": 8}})
    table = next(table for table in tables_at(sweep.state, "", {}) if table.title == "Flatness of the arms")
    rows = {row[0]: dict(zip(table.columns, row, strict=True)) for row in table.rows}
    none, layer = scores(sweep, "none"), scores(sweep, "layer")
    # In these sweeps sharpness is 2 minus the score.
    expected = np.mean([none[seed] - layer[seed] for seed in none])
    told = rows["layer"]["sharpness: mean difference from none"].split(" ")[0]
    assert float(told) == pytest.approx(expected, abs=6e-5)
    assert rows["none"]["sharpness: mean difference from none"] == ""

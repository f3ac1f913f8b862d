"""The figures of arms and of a search show what they say."""

import itertools
import math

import numpy as np
import pytest

from sweeps.analysis.arms import arms_of
from sweeps.analysis.stats import reached_by, summarise
from sweeps.record.trials import CONFIRM
from sweeps.report.figures import figures
from sweeps.search.optuna import starting_points
from sweeps.spec.load import load_spec
from sweeps.spec.starting import n_starting_points
from tests.made_sweeps import (
    MODES,
    NOISY,
    MadeSweep,
    comparison,
    curve,
    joint,
    made_comparison,
    scored_under,
)

NAN = float("nan")
LOST = [{"train_loss": NAN, "val_loss": NAN, "val_accuracy": NAN}]


def charts_of(sweep):
    return {chart.slug: chart for chart in figures(sweep.state)}


def by_label(chart):
    return {series.label: series for series in chart.series}


# Arms


def test_thin_lines_join_the_scores_of_a_seed():
    sweep = made_comparison(seeds=4, diverged={"layer": [2]})
    (threads,) = [series for series in charts_of(sweep)["scores"].series if series.kind == "thread"]
    finished = [trial for trial in sweep.state.of_stage(CONFIRM) if trial.status == "finished"]
    last = {(trial.arm, trial.seed): trial.last["test_accuracy"] for trial in finished}
    lines = [list(part) for gap, part in itertools.groupby(threads.y, math.isnan) if not gap]
    # The seed that diverged in one arm has a gap there.
    second = [[last["none", 2], last["all", 2]], [last["after_all", 2], last["after_layer", 2]]]
    whole = [[last[arm, seed] for arm in MODES] for seed in (1, 3, 4)]
    assert sorted(lines) == sorted([*second, *whole])
    # They end where the dots of the seeds are.
    dots = by_label(charts_of(sweep)["scores"])["none: each seed"]
    assert set(zip(dots.x, dots.y, strict=True)) <= set(zip(threads.x, threads.y, strict=True))


def test_scores_under_weight_noise_have_a_panel_of_paired_differences():
    # The sigmas are in order, whatever the order in the YAML.
    sweep = made_comparison(stages=scored_under(0.5, 0.1), diverged={"layer": [3]})
    scores, differences = charts_of(sweep)["weight-noise"].panels
    trials = {arm: [t for t in sweep.state.of_stage(CONFIRM, arm) if t.status == "finished"] for arm in MODES}
    for index, metric in enumerate(["test_accuracy_under_0.1", "test_accuracy_under_0.5"]):
        layer, none = ({t.seed: t.last[metric] for t in trials[arm]} for arm in ("layer", "none"))
        expected = summarise([layer[seed] - none[seed] for seed in layer])
        shown = by_label(differences)["layer"]
        assert (shown.y[index], shown.low[index], shown.high[index]) == pytest.approx(
            (expected.mean, expected.low, expected.high)
        )
        assert by_label(scores)["layer"].y[index] == pytest.approx(np.mean(list(layer.values())))
    assert by_label(scores).keys() == {*MODES}
    assert by_label(differences).keys() == {*NOISY}
    assert by_label(scores)["layer"].x == pytest.approx([0.1, 0.5], rel=0.06)
    # No two arms are drawn at one place.
    assert len({series.x[0] for series in scores.series}) == len(MODES)


def test_without_scores_under_weight_noise_there_is_no_figure_of_them():
    assert "weight-noise" not in charts_of(made_comparison())


def test_learning_curves_have_a_panel_of_paired_differences():
    sweep = made_comparison(diverged={"layer": [3]})
    scores, differences = charts_of(sweep)["learning-curves"].panels
    trials = {arm: [t for t in sweep.state.of_stage(CONFIRM, arm) if t.status == "finished"] for arm in MODES}
    layer, none = ({t.seed: t.epochs[2]["val_accuracy"] for t in trials[arm]} for arm in ("layer", "none"))
    expected = summarise([layer[seed] - none[seed] for seed in layer])
    shown = by_label(differences)["layer"]
    assert (shown.y[1], shown.low[1], shown.high[1]) == pytest.approx(
        (expected.mean, expected.low, expected.high)
    )
    assert by_label(scores)["layer"].y[1] == pytest.approx(np.mean(list(layer.values())))
    assert "none" not in by_label(differences)
    assert differences.reference == 0


def test_convergence_shows_the_bounds_of_each_fraction():
    sweep = made_comparison()
    shown = by_label(charts_of(sweep)["convergence"])["layer"]
    arms = arms_of(sweep.state)
    target = min(score for arm in arms for score in arm.final("val_accuracy").values())
    layer = next(arm for arm in arms if arm.name == "layer")
    times = layer.reaching("val_accuracy", target, larger_is_better=True)
    expected = reached_by(list(times.values()), 6)
    assert (shown.low, shown.high) == (expected.low, expected.high)


def test_flatness_has_a_panel_of_paired_differences():
    sweep = made_comparison()
    values, differences = charts_of(sweep)["hessian-trace"].panels
    traces = {(t.arm, t.seed): t.last["hessian_trace"] for t in sweep.state.of_stage(CONFIRM)}
    seeds = sweep.spec.replicates
    expected = [traces["layer", seed] - traces["none", seed] for seed in seeds]
    shown = by_label(differences)
    assert list(shown["layer minus none: each seed"].y) == pytest.approx(expected)
    assert shown["layer minus none: mean of 10 seeds"].y == pytest.approx([np.mean(expected)])
    assert not any(label.startswith("none") for label in shown)
    assert list(by_label(values)["none: each seed"].y) == [traces["none", seed] for seed in seeds]


# Trials of a search against sigma


def searched(*trials):
    """Make a search of ``layer`` with the given (sigma, lr, score, status), and one trial of ``none``."""
    sweep = MadeSweep(comparison())
    sweep.trial({"noise": "none", "lr": 0.01}, 0, curve(0.93))
    for sigma, lr, score, status in trials:
        epochs = LOST if status == "diverged" else curve(score)[: 2 if status == "stopped" else None]
        sweep.trial({"noise": "layer", "sigma": sigma, "lr": lr}, 0, epochs, status=status)
    return sweep


def test_only_trials_that_finished_are_shown_against_sigma_coloured_by_learning_rate():
    sweep = searched(
        (0.001, 0.002, 0.90, "finished"),
        (0.002, 0.01, 0.91, "finished"),
        (0.003, 0.05, 0.92, "finished"),
        (0.004, 0.05, 0.92, "stopped"),
        (0.2, 0.05, NAN, "diverged"),
    )
    (panel,) = charts_of(sweep)["sigma"].panels
    shown = {label: (list(part.x), list(part.y)) for label, part in by_label(panel).items() if len(part.x)}
    crosses = shown.pop("diverged")
    assert shown == {
        "none, best trial": ([0.001, 0.2], [0.93, 0.93]),
        "lr 0.001 to 0.00464": ([0.001], [pytest.approx(0.90)]),
        "lr 0.00464 to 0.0215": ([0.002], [pytest.approx(0.91)]),
        "lr 0.0215 to 0.1": ([0.003], [pytest.approx(0.92)]),
    }
    # Crosses are visible: just below everything else.
    assert crosses[0] == [0.2]
    assert 0.88 < crosses[1][0] < 0.90
    looks = {(part.style.color, part.style.symbol) for part in panel.series}
    assert len(looks) == len(panel.series)


def test_a_collapsed_trial_does_not_rule_the_axis():
    near = [(0.001 * n, 0.01, 0.90 + 0.002 * n, "finished") for n in range(1, 9)]
    (panel,) = charts_of(searched(*near, (0.3, 0.01, 0.1, "finished")))["sigma"].panels
    far = by_label(panel)["worse than the axis shows"]
    assert list(far.x) == [0.3]
    assert 0.88 < far.y[0] < 0.9
    assert "val_accuracy: 0.1" in far.hover[0]


def test_a_search_over_few_learning_rates_names_them():
    search = {"sigma": {"log_uniform": [1e-4, 0.3], "when": "noisy"}, "lr": [0.1, 0.01]}
    sweep = MadeSweep(comparison(search=search))
    for lr in (0.1, 0.01):
        sweep.trial({"noise": "layer", "sigma": lr, "lr": lr}, 0, curve(0.9))
    (panel,) = charts_of(sweep)["sigma"].panels
    assert {label for label, part in by_label(panel).items() if len(part.x)} == {"lr 0.01", "lr 0.1"}


def test_without_a_searched_learning_rate_there_is_one_colour():
    sweep = MadeSweep(joint(search={"noise": MODES, "sigma": {"log_uniform": [1e-4, 0.3], "when": "noisy"}}))
    sweep.trial({"noise": "layer", "sigma": 0.1}, 0, curve(0.9))
    (panel,) = charts_of(sweep)["sigma"].panels
    assert [label for label, part in by_label(panel).items() if len(part.x)] == ["finished"]


# The progress of a search


@pytest.mark.parametrize("trials", [3, 12, 20, 30, 50])
@pytest.mark.parametrize(
    "more",
    [
        {},
        {"momentum": {"uniform": [0.0, 0.9]}},
        {"sigma_schedule": {"choice": ["constant", "cosine"], "when": "noisy"}},
    ],
    ids=["two", "three", "two only with noise"],
)
def test_the_starting_points_are_counted_without_being_drawn(trials, more):
    search = {
        "sigma": {"log_uniform": [1e-4, 0.3], "when": "noisy"},
        "lr": {"log_uniform": [1e-3, 0.1]},
        **more,
    }
    spec = load_spec(comparison(search=search, stages={"search": {"trials_per_arm": trials}}))
    for tuned in spec.tuned:
        assert n_starting_points(spec, tuned) == len(starting_points(spec, tuned))


def test_progress_marks_where_tpe_begins():
    sweep = made_comparison(stages={"search": {"trials_per_arm": 24}})
    chart = charts_of(sweep)["search"]
    counts = {str(each["noise"]): n_starting_points(sweep.spec, each) for each in sweep.spec.tuned}
    assert counts["none"] < counts["layer"]
    assert sorted(chart.marks) == [
        (counts["none"] + 0.5, "TPE begins: none"),
        (counts["layer"] + 0.5, "TPE begins"),
    ]
    assert "starting points that were fixed beforehand" in chart.caption


def test_progress_says_if_tpe_never_chose():
    sweep = made_comparison(stages={"search": {"trials_per_arm": 1}})
    chart = charts_of(sweep)["search"]
    assert chart.marks == []
    assert "TPE never chose any" in chart.caption
    assert "flat" not in chart.caption


def test_progress_counts_every_trial_of_an_arm():
    sweep = MadeSweep(comparison())
    for score in (NAN, 0.8, NAN, 0.7, 0.9):
        epochs, status = (LOST, "diverged") if math.isnan(score) else (curve(score), "finished")
        sweep.trial({"noise": "layer", "sigma": 0.1, "lr": 0.01}, 0, epochs, status=status)
    layer = by_label(charts_of(sweep)["search"])["layer"]
    assert list(layer.x) == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(layer.y, [NAN, 0.8, 0.8, 0.8, 0.9])


def test_arms_on_the_same_scores_can_be_told_apart():
    sweep = MadeSweep(comparison())
    for arm in MODES:
        sweep.trial({"noise": arm, "lr": 0.01} | ({"sigma": 0.1} if arm in NOISY else {}), 0, curve(0.9))
    widths = [series.width for series in charts_of(sweep)["search"].series]
    assert widths == sorted(widths, reverse=True)
    assert len(set(widths)) == 5


def test_how_trials_ended_is_counted():
    sweep = MadeSweep(comparison())
    for status in ("finished", "stopped", "diverged", "failed"):
        for arm in MODES:
            point = {"noise": arm, "lr": 0.01} | ({"sigma": 0.1} if arm in NOISY else {})
            sweep.trial(point, 0, curve(0.9)[: None if status == "finished" else 2], status=status)
    chart = charts_of(sweep)["stopped"]
    assert chart.title == "Trials stopped by ASHA"
    counts = {series.label: list(series.y) for series in chart.series}
    assert counts == dict.fromkeys(["stopped after epoch 2", "finished", "diverged", "failed"], [1] * 5)


# Importance


def test_importance_takes_twenty_trials_and_says_which_arms_have_fewer():
    sweep = MadeSweep(comparison())
    rng = np.random.default_rng(0)
    for arm, n in (("layer", 20), ("all", 19)):
        for _ in range(n):
            lr, sigma = float(10 ** rng.uniform(-3, -1)), float(10 ** rng.uniform(-4, -0.6))
            sweep.trial(
                {"noise": arm, "lr": lr, "sigma": sigma}, 0, curve(0.9 - 0.1 * abs(math.log10(lr) + 2))
            )
    chart = charts_of(sweep)["importance"]
    assert [series.label for series in chart.series if len(series.x)] == ["layer"]
    assert chart.caption.endswith("none, all, after_all, after_layer.")
    assert "at least 20 finished trials" in chart.caption


# Strata


def test_each_stratum_has_its_own_search():
    sweep = MadeSweep(comparison(across={"model": ["shallow", "deep"]}))
    for model, score in (("shallow", 0.8), ("deep", 0.9)):
        sweep.trial({"noise": "layer", "model": model, "sigma": 0.1, "lr": 0.01}, 0, curve(score))
    charts = charts_of(sweep)
    for model, score in (("shallow", 0.8), ("deep", 0.9)):
        assert list(by_label(charts[f"search-model-{model}"])["layer"].y) == pytest.approx([score])
        (panel,) = charts[f"sigma-model-{model}"].panels
        assert list(by_label(panel)["lr 0.00464 to 0.0215"].y) == pytest.approx([score])

"""Verdicts of made sweeps against the truth that they were made with."""

import itertools
import math

import numpy as np
import pytest

from sweeps.analysis.advice import too_few_seeds_note
from sweeps.analysis.arms import arms_of, is_judgeable
from sweeps.analysis.claims import judge_claims
from sweeps.analysis.verdicts import Verdict
from sweeps.record.state import SweepState
from sweeps.record.trials import CONFIRM
from sweeps.spec.load import load_spec
from tests.made_sweeps import (
    NOISY,
    TRUTH,
    MadeSweep,
    comparison,
    curve,
    draws,
    grid,
    made_comparison,
    made_grid,
    search,
)

SUPPORTED, REFUTED, REVERSED, UNDECIDED = Verdict
SAME = dict.fromkeys(TRUTH, 0.9)


def order(better, worse, metric="test_accuracy", **more):
    name = f"{better} over {worse} by {metric} {more}"
    return {"name": name, "metric": metric, "better": better, "worse": worse, **more}


def same(arms, within, metric="test_accuracy", **more):
    return {"name": f"{arms} alike", "metric": metric, "equal": arms, "within": within, **more}


def verdict(claim, sweep=made_comparison, **changes):
    (judged,) = judge_claims(sweep(claim, **changes).state)
    return judged


# Verdicts


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (order("layer", "none"), SUPPORTED),
        (order("none", "layer"), REVERSED),
        (order("none", "all"), UNDECIDED),
        (order(["none", "layer"], ["after_all", "after_layer"]), SUPPORTED),
        (order("layer", ["none", "after_all"]), SUPPORTED),
        # One reversed pair is enough to reverse a claim, and one open pair keeps it open.
        (order("none", ["layer", "after_all"]), REVERSED),
        (order("none", ["all", "after_all"]), UNDECIDED),
        (same(["none", "all"], 0.01), SUPPORTED),
        (same(["none", "after_all"], 0.01), REFUTED),
        (same(["none", "all", "after_all"], 0.01), REFUTED),
        (same(["none", "all"], 0.001), UNDECIDED),
        (order("layer", "none", "val_accuracy"), SUPPORTED),
        # A lower loss is better.
        (order("layer", "none", "test_loss"), SUPPORTED),
        (order("none", "layer", "val_loss"), REVERSED),
        (order("layer", "none", "hessian_trace"), SUPPORTED),
        (order("layer", "none", "val_loss", epoch=1), SUPPORTED),
    ],
    ids=str,
)
def test_the_verdict_is_the_truth(claim, expected):
    assert verdict(claim).judgement.verdict is expected


@pytest.mark.parametrize(("by", "expected"), [(0.001, SUPPORTED), (0.01, SUPPORTED), (0.1, REFUTED)], ids=str)
def test_an_advantage_that_is_too_small_to_matter_is_refuted(by, expected):
    judged, plain = verdict(order("layer", "none", by=by)), verdict(order("layer", "none"))
    assert judged.judgement.verdict is expected
    assert judged.comparisons == plain.comparisons == ["layer over none"]
    assert judged.differences == plain.differences


def test_an_advantage_is_positive_where_the_first_is_better():
    by_score = verdict(order("layer", "none"))
    by_loss = verdict(order("layer", "none", "test_loss"))
    (score,), (loss,) = by_score.differences, by_loss.differences
    assert score.mean == pytest.approx(loss.mean) == pytest.approx(0.01, abs=0.004)
    assert by_score.comparisons == ["layer over none"]
    assert (by_score.unit, by_loss.unit) == ("test_accuracy", "test_loss")


def test_equal_compares_all_pairs_and_keeps_the_sign_of_what_has_no_direction():
    judged = verdict(same(["none", "all", "layer"], 0.01))
    pairs = ["none and all", "none and layer", "all and layer"]
    assert judged.comparisons == pairs
    sweep = MadeSweep(comparison(same(["none", "all"], 5.0, "param_l2"), seeds=6))
    search(sweep, TRUTH)
    for point in sweep.select():
        for seed in range(1, 7):
            norm = {"none": 8.0, "all": 5.0}.get(point["noise"], 1.0) + 0.01 * seed
            sweep.trial(point, seed, curve(0.9, param_l2=norm), stage=CONFIRM)
    (judged,) = judge_claims(sweep.state)
    assert judged.differences[0].mean == pytest.approx(3.0)
    assert judged.judgement.verdict is SUPPORTED


def test_a_claim_can_be_about_an_epoch_before_the_last():
    # The arm is ahead after the second epoch and behind after the last.
    sweep = made_swapped(order("all", "none", "val_accuracy", epoch=2), order("all", "none", "val_accuracy"))
    early, late = judge_claims(sweep.state)
    assert early.judgement.verdict is SUPPORTED
    assert early.differences[0].mean == pytest.approx(0.2, abs=0.01)
    assert late.judgement.verdict is REVERSED


def made_swapped(*claims):
    sweep = MadeSweep(comparison(*claims, seeds=8))
    search(sweep, TRUTH)
    rng = np.random.default_rng(0)
    for point in sweep.select():
        for seed in range(1, 9):
            early, late = {"all": (0.7, 0.8)}.get(point["noise"], (0.5, 0.9))
            scores = [0.3, early, late, late, late, late] + 0.003 * rng.standard_normal(6)
            sweep.trial(point, seed, [{"val_accuracy": score} for score in scores], stage=CONFIRM)
    return sweep


# Speed


def made_speeds(claim, epochs, last=6):
    """Each arm reaches 0.8 after so many epochs, by seed; None never does."""
    sweep = MadeSweep(comparison(claim, seeds=len(epochs["none"])))
    search(sweep, TRUTH)
    for point in sweep.select():
        for index, reached in enumerate(epochs.get(point["noise"], epochs["none"])):
            scores = [0.8 if reached and epoch >= reached else 0.4 for epoch in range(1, last + 1)]
            metrics = [{"val_accuracy": score, "val_loss": 1 - score} for score in scores]
            sweep.trial(point, 1 + index, metrics, stage=CONFIRM)
    return sweep


def test_first_epoch_that_reaches_a_target():
    def reaching(scores, target, status="finished", *, larger_is_better=True):
        sweep = MadeSweep(grid())
        sweep.trial({"noise": "none"}, 0, [{"val_accuracy": score} for score in scores], status=status)
        (arm,) = arms_of(sweep.state)
        return arm.reaching("val_accuracy", target, larger_is_better=larger_is_better)

    assert reaching([0.1, math.nan, 0.5, 0.4, 0.9], 0.5) == {0: 3}
    assert reaching([3, 2, 1], 2, larger_is_better=False) == {0: 2}
    assert reaching([math.nan, 0.2], 0.5) == {0: None}
    assert reaching([], 0.5) == {0: None}
    assert reaching([0.9], 0.5, "diverged") == {0: None}
    assert reaching([0.9], 0.5, "failed") == reaching([0.9], 0.5, "running") == {}


@pytest.mark.parametrize("reach", [0.8, "common"])
def test_speed_is_epochs_saved(reach):
    epochs = {"none": [4, 5, 4, 5, 4, 5], "layer": [2, 2, 3, 2, 3, 3]}
    (judged,) = judge_claims(made_speeds(order("layer", "none", "val_accuracy", reach=reach), epochs).state)
    assert judged.judgement.verdict is SUPPORTED
    assert judged.unit == "epochs"
    assert judged.differences[0].mean == 2.0
    (judged,) = judge_claims(made_speeds(order("none", "layer", "val_accuracy", reach=reach), epochs).state)
    assert judged.judgement.verdict is REVERSED


def test_speed_of_a_loss_is_how_soon_it_is_low():
    epochs = {"none": [4, 5, 4, 5, 4, 5], "layer": [2, 2, 3, 2, 3, 3]}
    (judged,) = judge_claims(made_speeds(order("layer", "none", "val_loss", reach=0.2), epochs).state)
    assert judged.judgement.verdict is SUPPORTED


def test_what_never_reaches_counts_as_the_epoch_after_the_last():
    epochs = {"none": [None, 6, None, None, 6, None], "layer": [5] * 6}
    (judged,) = judge_claims(made_speeds(order("layer", "none", "val_accuracy", reach=0.8), epochs).state)
    assert judged.judgement.verdict is SUPPORTED
    assert judged.differences[0].mean == pytest.approx((2 + 1 + 2 + 2 + 1 + 2) / 6)
    assert judged.differences[0].n == 6


def test_common_is_what_the_worst_seed_ends_with():
    # After the last epoch none has 0.9, and layer 0.8, but 0.75 with its last seed. none reaches 0.75 sooner.
    claim = order("none", "layer", "val_accuracy", reach="common")
    sweep = MadeSweep(comparison(claim, seeds=6))
    search(sweep, TRUTH)
    for point in sweep.select():
        scores = [0.2, 0.4, 0.6, 0.7, 0.75, 0.8] if point["noise"] == "layer" else [0.5, 0.85, *[0.9] * 4]
        for seed in range(1, 7):
            last = 0.75 if (point["noise"], seed) == ("layer", 6) else scores[-1]
            metrics = [{"val_accuracy": score} for score in [*scores[:-1], last]]
            sweep.trial(point, seed, metrics, stage=CONFIRM)
    (judged,) = judge_claims(sweep.state)
    assert judged.judgement.verdict is SUPPORTED
    # none passes 0.75 between its first two epochs: 0.25 of 0.35 after the first.
    assert judged.differences[0].mean == pytest.approx(5 - (1 + 0.25 / 0.35))


def test_two_arms_that_never_reach_a_score_are_not_known_to_be_equal():
    epochs = {"none": [None] * 6}
    claim = same(["none", "layer"], 1, "val_accuracy", reach=0.8)
    (judged,) = judge_claims(made_speeds(claim, epochs).state)
    assert judged.judgement.verdict is UNDECIDED
    assert judged.remark == "it would be supported, but some seeds of none and layer never reached the score"
    (judged,) = judge_claims(made_speeds(claim, {"none": [4] * 6}).state)
    assert (judged.judgement.verdict, judged.remark) == (SUPPORTED, "")


def test_a_diverged_run_never_reached_the_score():
    claim = order("none", "layer", "val_accuracy", reach=0.5)
    judged = verdict(claim, truth=SAME, diverged={"layer": range(1, 11)})
    assert judged.judgement.verdict is SUPPORTED
    assert judged.differences[0].n == 10
    # However late: its time is infinite.
    assert judged.differences[0].mean == math.inf


# In a grid


def test_where_names_the_point_and_none_is_at_every_one():
    ahead = {"all": 0.9, "layer": 0.93, "after_all": 0.9, "after_layer": 0.9}
    behind = {**ahead, "layer": 0.87}
    claims = [order("layer", "none", "val_accuracy", where={"sigma": sigma}) for sigma in (0.01, 0.1)]
    low, high = judge_claims(made_grid(*claims, truth={None: {"none": 0.9}, 0.01: ahead, 0.1: behind}).state)
    assert low.judgement.verdict is SUPPORTED
    assert high.judgement.verdict is REVERSED
    assert [each.differences[0].n for each in (low, high)] == [10, 10]


def test_arms_of_a_point_are_its_own():
    state = made_grid().state
    arms = arms_of(state, {"sigma": 0.1})
    assert [arm.name for arm in arms] == ["none", *NOISY]
    assert all(len(arm.trials) == 10 for arm in arms)
    assert {trial.hyperparameters["sigma"] for arm in arms[1:] for trial in arm.trials} == {0.1}


@pytest.mark.parametrize("reach", [0.8, "common"])
def test_a_grid_that_has_just_begun_decides_nothing(reach):
    claim = order("layer", "none", "val_accuracy", reach=reach, where={"sigma": 0.01})
    (judged,) = judge_claims(MadeSweep(grid(claim)).state)
    assert judged.judgement.verdict is UNDECIDED
    assert judged.remark == "layer, none: no seed has finished"


# Seeds


def test_pairs_are_by_seed_and_not_by_order():
    sweep = made_comparison(order("layer", "none"), order("none", "all"))
    expected = judge_claims(sweep.state)
    starts = {event["trial"]: event for event in sweep.events if event["event"] == "start"}
    names = [name for name, event in starts.items() if event["stage"] == CONFIRM]
    numbers = np.random.default_rng(0).permutation(len(names)) + 1000
    for name, number in zip(names, numbers, strict=True):
        starts[name]["number"] = int(number)
    assert judge_claims(sweep.state) == expected


def test_a_seed_that_one_arm_lacks_is_dropped():
    sweep = made_comparison(order("layer", "none"))
    scores = {arm.name: arm.final("test_accuracy") for arm in arms_of(sweep.state)}
    lost = next(
        event["trial"]
        for event in sweep.events
        if event["event"] == "start" and (event["arm"], event["seed"], event["stage"]) == ("none", 4, CONFIRM)
    )
    next(e for e in sweep.events if e["event"] == "end" and e["trial"] == lost)["status"] = "failed"
    (judged,) = judge_claims(sweep.state)
    seeds = [seed for seed in range(1, 11) if seed != 4]
    expected = [scores["layer"][seed] - scores["none"][seed] for seed in seeds]
    (found,) = judged.differences
    assert found.n == 9
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.std == pytest.approx(np.std(expected, ddof=1))


# Divergence and arms that are missing


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        (order("layer", "none"), UNDECIDED),
        # The tests reverse the next claim, but layer has lost seeds. The last one is about other arms.
        (order("none", "layer"), UNDECIDED),
        (order("none", "after_all"), SUPPORTED),
    ],
    ids=str,
)
def test_diverged_seeds_never_help_an_arm(claim, expected):
    judged = verdict(claim, diverged={"layer": [2]})
    assert judged.judgement.verdict is expected
    if expected is UNDECIDED:
        assert judged.remark == "some seeds of layer diverged, which ranks as worst"


def test_diverged_seeds_of_the_worse_arm_take_nothing_from_the_better():
    judged = verdict(order("layer", "after_all"), diverged={"after_all": [2, 3]})
    assert judged.judgement.verdict is SUPPORTED
    assert judged.differences[0].n == 10


def test_equality_needs_every_seed():
    judged = verdict(same(["none", "all"], 0.01), diverged={"all": [5]})
    assert judged.judgement.verdict is UNDECIDED


def test_a_score_that_is_not_finite_ranks_as_worst():
    sweep = made_comparison(order("layer", "none", "test_loss"))
    name = next(t.id for t in sweep.state.of_stage(CONFIRM) if (t.arm, t.seed) == ("layer", 3))
    last = [event for event in sweep.events if event["event"] == "epoch" and event["trial"] == name][-1]
    last["metrics"]["test_loss"] = math.inf
    (judged,) = judge_claims(sweep.state)
    assert judged.judgement.verdict is UNDECIDED
    assert judged.differences[0].mean == -math.inf


def test_an_arm_that_was_not_confirmed_decides_nothing_and_says_so():
    claims = [order("layer", ["none", "after_all"]), order("layer", "none"), order("none", "after_all")]
    first, second, third = judge_claims(made_comparison(*claims, left_out=["after_all"]).state)
    assert second.judgement.verdict is SUPPORTED
    for judged in (first, third):
        assert judged.judgement.verdict is UNDECIDED
        assert judged.remark == "after_all: not confirmed, as no trial of the search had a score"


@pytest.mark.parametrize(
    ("claim", "expected", "remark"),
    [
        (order("none", "after_all"), SUPPORTED, ""),
        (order("after_all", "none"), REVERSED, ""),
        (same(["none", "after_all"], 0.01), REFUTED, ""),
        # Two arms that diverged are not known to be equal.
        (
            same(["after_layer", "after_all"], 0.01),
            UNDECIDED,
            "it would be supported, but some seeds of after_layer and after_all diverged",
        ),
    ],
    ids=str,
)
def test_an_arm_that_always_diverged_is_the_worst(claim, expected, remark):
    lost = {"after_all": range(1, 11), "after_layer": range(1, 11)}
    judged = verdict(claim, diverged=lost)
    assert (judged.judgement.verdict, judged.remark) == (expected, remark)


def test_a_metric_that_was_not_measured_decides_nothing_and_says_so():
    sweep = made_comparison(order("layer", "none", "hessian_trace"))
    for event in sweep.events:
        event.get("metrics", {}).pop("hessian_trace", None)
    (judged,) = judge_claims(sweep.state)
    assert judged.remark == "layer, none: no hessian_trace"


def test_before_a_seed_has_finished_nothing_is_decided():
    sweep = MadeSweep(comparison(order("layer", "none")))
    search(sweep, TRUTH)
    assert not is_judgeable(sweep.state)
    point = sweep.select()[0]
    sweep.trial(point, 1, curve(0.9)[:2], stage=CONFIRM, status="running")
    assert is_judgeable(sweep.state)
    (judged,) = judge_claims(sweep.state)
    assert judged.judgement.verdict is UNDECIDED
    assert judged.remark == "layer, none: no seed has finished"


# Several claims, few seeds, several configurations


def test_claims_without_hope_can_cost_another_its_verdict():
    # The smallest p-value of six seeds, 2 / 2^6 = 0.031, is enough for a single claim but not for one of two.
    one = [order("none", "after_all")]
    (alone,) = judge_claims(made_comparison(*one, seeds=6).state)
    assert alone.judgement.verdict is SUPPORTED
    assert alone.judgement.p_value == pytest.approx(2 / 2**6)
    among, _ = judge_claims(made_comparison(*one, order("none", "all"), seeds=6).state)
    assert among.judgement.verdict is UNDECIDED
    assert among.judgement.p_value == pytest.approx(4 / 2**6)


@pytest.mark.parametrize(
    ("seeds", "claims", "note"),
    [
        (5, 1, "with 5 seeds no result can decide a claim: use at least 6"),
        (6, 1, ""),
        (6, 2, "with 6 seeds no result can decide 2 claims: use at least 7"),
        # Ten seeds are enough for 25 claims: 25 * 2 / 2^10 < 0.05.
        (10, 25, ""),
        (10, 26, "with 10 seeds no result can decide 26 claims: use at least 11"),
        (5, 0, ""),
    ],
)
@pytest.mark.parametrize("form", [comparison, grid])
def test_too_few_seeds_are_told(form, seeds, claims, note):
    at = {"where": {"sigma": 0.01}} if form is grid else {}
    ordered = [{**order("layer", "none", "val_accuracy", **at), "name": f"claim {n}"} for n in range(claims)]
    content = form(*ordered, seeds=seeds)
    assert too_few_seeds_note(load_spec(content)) == note


@pytest.mark.parametrize("mode", ["max", "min"])
def test_of_the_top_configurations_validation_picks_and_never_the_test_split(mode):
    objective = {"metric": "val_accuracy" if mode == "max" else "val_loss", "mode": mode}
    sweep = MadeSweep(comparison(order("layer", "none"), top=2, seeds=6, objective=objective))
    search(sweep, TRUTH)
    points = sweep.select()
    assert len(points) == 10
    # The second configuration of each arm is better on validation and worse on the test split.
    for index, point in enumerate(points):
        second = index >= 5
        for seed in range(1, 7):
            last = {"test_accuracy": 0.5 if second else 0.9, "test_loss": 0.5 if second else 0.1}
            sweep.trial(point, seed, curve(0.95 if second else 0.85, **last), stage=CONFIRM)
    arms = arms_of(sweep.state)
    assert [dict(arm.point) for arm in arms] == points[5:]
    assert all(set(arm.final("test_accuracy").values()) == {0.5} for arm in arms)


def test_without_a_difference_few_studies_have_any_verdict():
    # With two claims about different arms, Holm's method keeps the chance of any false verdict at 5%.
    studies, seeds, false = 200, 8, 0
    spec = load_spec(comparison(order("layer", "none"), order("all", "after_all"), seeds=seeds))
    points = [{"noise": arm, "sigma": 0.1, "lr": 0.01} for arm in ("none", "all", "layer", "after_all")]
    known = [spec.hyperparameters(point).model_dump() for point in points]
    points = [spec.searched_of(found) for found in known]
    rng = np.random.default_rng(5)
    for _ in range(studies):
        sweep = MadeSweep(spec)
        sweep.events.append({"event": "select", "time": 0, "points": points})
        drawn = draws([point["noise"] for point in points], seeds, rng)
        for index, (point, found) in itertools.product(range(seeds), zip(points, known, strict=True)):
            last = {"test_accuracy": 0.9 + drawn[point["noise"]][index]}
            sweep.trial(point, 1 + index, [last], stage=CONFIRM, hyperparameters=found)
        judged = judge_claims(SweepState(spec, sweep.events))
        assert all(each.differences[0].n == seeds for each in judged)
        false += any(each.judgement.verdict is not UNDECIDED for each in judged)
    assert 0 < false / studies <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / studies)


# Results that would look better than they are


def test_an_arm_that_trains_longer_gains_no_speed_by_that():
    claim = {"name": "sooner", "metric": "val_accuracy", "reach": 0.8, "better": 4, "worse": 10}
    sweep = MadeSweep(grid(claim, seeds=6, compare={"epochs": [4, 10]}, fixed={}, search={}))
    for epochs in (4, 10):
        for seed in range(6):
            sweep.trial({"epochs": epochs}, seed, [{"val_accuracy": 0.5, "val_loss": 0.5}] * epochs)
    (judged,) = judge_claims(sweep.state)
    # Both arms count as reaching the score in the epoch after the fourth.
    assert judged.differences[0].mean == 0
    assert judged.remark.startswith("no seed of 4, 10 reached the score")


def test_what_few_seeds_show_is_not_equal_where_one_is_far_off():
    sweep = made_comparison(same(["none", "all"], 0.01))
    assert judge_claims(sweep.state)[0].judgement.verdict is SUPPORTED
    far = next(
        event
        for event in reversed(sweep.events)
        if event["event"] == "epoch"
        and "test_accuracy" in event["metrics"]
        and event["trial"] in all_of(sweep)
    )
    far["metrics"]["test_accuracy"] -= 0.5
    (judged,) = judge_claims(sweep.state)
    assert judged.judgement.verdict is UNDECIDED
    assert judged.remark in ("", "it would be supported, but an interval reaches beyond the margin")


def all_of(sweep, arm="all"):
    return {
        event["trial"]
        for event in sweep.events
        if event["event"] == "start" and event["stage"] == CONFIRM and event["arm"] == arm
    }


@pytest.mark.parametrize("candidates", [1, 2])
def test_arms_are_picked_from_as_many_configurations_each(candidates):
    sweep = MadeSweep(comparison(order("layer", "none"), top=2, seeds=6))
    search(sweep, TRUTH)
    points = sweep.select()
    kept = [point for point in points if point["noise"] != "none"]
    kept += [point for point in points if point["noise"] == "none"][:candidates]
    sweep.events[-1]["points"] = kept
    for rank, point in enumerate(kept):
        for seed in range(1, 7):
            sweep.trial(point, seed, curve(0.5 + 0.01 * rank), stage=CONFIRM)
    layer = next(arm for arm in arms_of(sweep.state) if arm.name == "layer")
    ranked = [point for point in kept if point["noise"] == "layer"]
    # The second candidate looks better, but counts only if every arm has a second.
    assert layer.point == ranked[candidates - 1]


def test_seeds_that_failed_do_not_help_their_arm():
    sweep = made_comparison(order("layer", "none"))
    assert judge_claims(sweep.state)[0].judgement.verdict is SUPPORTED
    failing = sorted(all_of(sweep, "layer"))[:2]
    for event in sweep.events:
        if event["event"] == "end" and event["trial"] in failing:
            event["status"] = "failed"
    (judged,) = judge_claims(sweep.state)
    assert judged.judgement.verdict is UNDECIDED
    assert judged.remark == "it would be supported, but some seeds of layer failed"


def test_a_study_is_not_complete_before_its_best_are_selected():
    sweep = MadeSweep(comparison())
    search(sweep, TRUTH)
    assert (sweep.state.searched, sweep.state.selected, sweep.state.complete) == (True, None, False)


def test_a_trial_that_was_stopped_early_is_not_selected_before_one_that_finished():
    sweep = MadeSweep(comparison())
    search(sweep, TRUTH)
    state = sweep.state
    stopped = next(trial for trial in state.of_stage("search") if trial.status == "stopped")
    stopped.epochs[max(stopped.epochs)]["val_accuracy"] = 0.999
    ranked = state.ranked(state.of_stage("search", stopped.arm))
    statuses = [trial.status for trial in ranked]
    # "finished" sorts before "stopped".
    assert statuses == sorted(statuses)
    assert state.select()[0] != stopped.hyperparameters
    assert ranked[statuses.index("stopped")] is stopped

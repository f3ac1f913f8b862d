"""The best configuration is that of the best mean, and what is said of its arm contradicts no verdict."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wilcoxon

from sweeps.analysis.arms import arms_of
from sweeps.analysis.best import best_of
from sweeps.analysis.claims import judge_claims
from sweeps.analysis.significance import told_apart
from sweeps.record.trials import CONFIRM
from sweeps.report.summary import summary_lines
from tests.made_sweeps import (
    MODES,
    NOISY,
    MadeSweep,
    comparison,
    confirm_at,
    curve,
    grid,
    joint,
    made_comparison,
    made_grid,
    search,
)

NOT_APART = "no arm can be told from none"
LAYER = "shown to be better than none: layer"
LEVEL = [0.900, 0.905, 0.895, 0.902, 0.898, 0.901, 0.899]


def above(*leads):
    """Return seven scores, each above that of its seed in ``LEVEL`` by a lead, or all by one lead."""
    return [base + lead for base, lead in zip(LEVEL, leads * (len(LEVEL) // len(leads)), strict=True)]


def ahead(number, **changes):
    """Claim that an arm, ``layer`` unless changed, is better than another one."""
    return {
        "name": f"claim {number}",
        "metric": "test_accuracy",
        "better": "layer",
        "worse": "none",
    } | changes


def confirmed(scores, *claims, tests=None, statuses=None, **changes):
    """Confirm one configuration of each arm with these scores by seed.

    The scores on the test split are the same or given, as are statuses by arm and seed.
    """
    seeds = max(map(len, scores.values()))
    base = comparison(*claims, seeds=seeds, **{"compare": {"noise": list(scores)}, **changes})
    sweep = MadeSweep(base)
    points = [{"noise": arm, "lr": 0.1, "sigma": 0.0 if arm == "none" else 0.01} for arm in scores]
    sweep.events.append({"event": "select", "time": 0, "points": points})
    for point in points:
        validation = scores[point["noise"]]
        test = (tests or {}).get(point["noise"], validation)
        for index, (score, on_test) in enumerate(zip(validation, test, strict=True), start=1):
            status = (statuses or {}).get((point["noise"], index), "finished")
            last = curve(score, test_accuracy=on_test, test_loss=1 - on_test)
            epochs = last if status == "finished" else last[:1]
            sweep.trial(point, index, epochs, stage=CONFIRM, status=status)
    return sweep.state


def test_the_luckiest_seed_does_not_win():
    lucky = [0.7] * 6 + [0.99]
    best = best_of(confirmed({"none": LEVEL, "all": lucky}))
    assert (best.arm, best.point) == ("none", {"noise": "none", "lr": 0.1, "sigma": 0.0})
    assert best.mean == pytest.approx(np.mean(LEVEL))
    assert (best.trial.seed, best.trial.last["val_accuracy"]) == (2, pytest.approx(0.905))
    assert [trial.seed for trial in best.trials] == [1, 2, 3, 4, 5, 6, 7]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=3, max_size=3), st.booleans())
def test_it_has_the_best_mean(scores, larger):
    objective = {"metric": "val_accuracy", "mode": "max"} if larger else {"metric": "val_loss", "mode": "min"}
    state = confirmed(dict(zip(("none", "all", "layer"), scores, strict=True)), objective=objective)
    best, means = best_of(state), np.mean(scores, axis=1)
    expected = means.max() if larger else 1 - means.max()
    assert best.mean == pytest.approx(expected)
    of_seeds = [trial.last[objective["metric"]] for trial in best.trials]
    assert best.trial.last[objective["metric"]] == (max if larger else min)(of_seeds)


def test_seeds_that_diverged_count_before_the_mean_and_the_number_of_seeds_does_not():
    for status in ("diverged", "failed"):
        state = confirmed({"none": LEVEL, "layer": above(0.05)}, statuses={("layer", 3): status})
        assert best_of(state).arm == "none"
    assert best_of(confirmed({"none": LEVEL, "layer": above(0.05)[:5]})).arm == "layer"
    # An arm of which no seed has ended has no mean.
    statuses = {("none", 1): "diverged", ("layer", 1): "running"}
    best = best_of(confirmed({"none": LEVEL, "layer": LEVEL[:1]}, statuses=statuses))
    assert (best.arm, len(best.trials)) == ("none", 6)


def test_each_arm_has_a_best():
    state = made_comparison(top=2).state
    for arm in state.arms():
        best = best_of(state, arm)
        means = [
            np.mean([t.last["val_accuracy"] for t in state.confirmed(p)])
            for p in state.selected
            if p["noise"] == arm
        ]
        assert best.arm == arm
        assert best.mean == pytest.approx(max(means))


# What is known about its arm


def test_the_tests_are_those_of_scipy_corrected_by_holm():
    state = made_comparison(seeds=8).state
    arms = {arm.name: list(arm.final("test_accuracy").values()) for arm in arms_of(state)}
    none = arms.pop("none")
    p_values = {name: wilcoxon(scores, none, method="exact").pvalue for name, scores in arms.items()}
    expected = {}
    for index, name in enumerate(sorted(p_values, key=p_values.get)):
        if p_values[name] * (len(arms) - index) > 0.05:
            break
        expected[name] = bool(np.mean(arms[name]) > np.mean(none))
    assert told_apart(state, [{}]) == [expected]
    assert set(expected.values()) == {True, False}
    # Two points have twice as many tests.
    assert told_apart(state, [{}, {}]) == [{}, {}]


def test_an_arm_that_is_ahead_with_every_seed_is_better():
    best = best_of(confirmed({"none": LEVEL, "layer": above(0.01)}))
    assert (best.arm, best.winner, best.standing.text) == ("layer", "layer", LAYER)


def test_an_arm_that_is_ahead_by_chance_has_not_won():
    best = best_of(confirmed({"none": LEVEL, "layer": above(*[0.02, -0.01, 0.01, -0.01, 0.02, 0.01, 0.01])}))
    assert (best.arm, best.winner, best.standing.text) == ("layer", NOT_APART, NOT_APART)


def test_an_undecided_claim_is_not_contradicted():
    scores = {"none": LEVEL, "layer": above(0.01)}
    # For one of four claims, the smallest p-value of seven seeds is too large: 4 x 0.0156 > 0.05.
    best = best_of(confirmed(scores, *map(ahead, range(4))))
    assert (best.arm, best.winner) == ("layer", "no arm is shown to be better than none")
    # One that is about both directions.
    behind = [ahead(n, better="none", worse="layer") for n in range(4)]
    assert (
        best_of(confirmed({"none": above(0.01), "layer": LEVEL}, *behind)).winner
        == "no arm is shown to be better than none"
    )


@pytest.mark.parametrize(
    "other", [{"metric": "val_loss"}, {"epoch": 1}, {"reach": 0.5}, {"metric": None, "area": "val_accuracy"}]
)
def test_a_claim_about_something_else_does_not_count(other):
    claims = [ahead(number, **{"metric": "val_accuracy", **other}) for number in range(4)]
    claims = [{key: value for key, value in claim.items() if value is not None} for claim in claims]
    arms, sigma = {"noise": ["none", "layer"]}, {"sigma": {"grid": [0.01], "when": "noisy"}}
    sweep = MadeSweep(grid(*claims, compare=arms, search=sigma, seeds=7))
    for seed, score in enumerate(LEVEL):
        sweep.trial({"noise": "none"}, seed, curve(score))
        sweep.trial({"noise": "layer", "sigma": 0.01}, seed, curve(score + 0.01))
    assert not any(judged.judgement.verdict == "supported" for judged in judge_claims(sweep.state))
    assert best_of(sweep.state).winner == "layer"


def test_a_supported_claim_counts_where_the_test_of_all_arms_decides_nothing():
    scores = {"none": LEVEL, "layer": above(0.01)} | dict.fromkeys(("all", "after_all", "after_layer"), LEVEL)
    assert best_of(confirmed(scores)).winner == NOT_APART
    best = best_of(confirmed(scores, ahead(1)))
    assert (best.winner, best.standing.text) == ("layer", LAYER)


def test_a_supported_claim_that_the_reference_is_better_tells_arms_apart():
    lower = dict.fromkeys(("all", "layer", "after_all", "after_layer"), LEVEL)
    scores = {"none": above(0.01)} | lower
    claim = ahead(1, better="none", worse="layer")
    assert best_of(confirmed(scores, claim)).winner == "no arm is shown to be better than none"
    assert best_of(confirmed(scores, ahead(1))).winner == "no arm is shown to be better than none"


def test_one_supported_claim_is_enough():
    other = ahead(2, where={}, worse=["none", "all"])
    scores = {"none": LEVEL, "layer": above(0.01), "all": above(0.02)}
    for claims in ([ahead(1), other], [other, ahead(1)]):
        best = best_of(confirmed(scores, *claims))
        assert best.standing.text == "shown to be better than none: layer, all"
    assert best_of(confirmed(scores, other)).standing.text == "shown to be better than none: all"


def test_an_arm_is_not_better_by_seeds_that_failed():
    scores = {"none": [*LEVEL, 0.9], "layer": [*above(0.01), 0.9]}
    statuses = {("layer", 8): "failed"}
    assert best_of(confirmed(scores), "layer").winner == "layer"
    assert best_of(confirmed(scores, statuses=statuses), "layer").winner == NOT_APART


def test_a_listed_point_can_be_the_best():
    stages = comparison()["stages"]
    at = {**stages, "confirm": {**stages["confirm"], "at": {"sigma": [0.01, 0.03]}}}
    sweep = MadeSweep(comparison(stages=at))
    search(sweep, dict.fromkeys(MODES, 0.9))
    state = confirm_at(sweep, lambda hp: 0.95 if (hp.noise, hp.sigma) == ("layer", 0.03) else 0.9).state
    best = best_of(state)
    assert (best.arm, best.point["sigma"], best.winner) == ("layer", 0.03, "layer")
    assert best_of(state, "all").winner == LAYER


def test_the_best_on_validation_may_be_the_reference():
    tests = {"none": LEVEL, "layer": above(0.01)}
    best = best_of(confirmed({"none": above(0.02), "layer": LEVEL}, tests=tests))
    assert (best.arm, best.winner) == ("none", LAYER)


def test_arms_that_are_only_worse():
    best = best_of(confirmed({"none": LEVEL, "layer": above(-0.01)}))
    assert (best.arm, best.winner) == ("none", "no arm is shown to be better than none")


def test_a_grid_names_the_point():
    state = made_grid().state
    best = best_of(state)
    assert (best.arm, best.point["sigma"], best.winner) == ("layer", 0.01, "layer")
    # At a sigma of 0.1, layer is worse than none.
    assert best_of(state, "none").winner == LAYER
    claim = ahead(1, metric="val_accuracy", where={"sigma": 0.1}, better="none", worse="layer")
    assert best_of(made_grid(claim).state).standing.text == LAYER


def test_an_arm_that_a_claim_puts_below_another_has_not_won():
    scores = {"none": LEVEL, "all": above(0.02), "layer": above(0.01)}
    tests = {"all": above(0.01), "layer": above(0.03)}
    best = best_of(confirmed(scores, ahead(1, worse="all"), tests=tests))
    assert (best.arm, best.standing.better) == ("all", ["all", "layer"])
    assert best.winner == "shown to be better than none: all, layer; layer is better than all"


def test_of_an_arm_that_claims_are_about_the_claims_decide():
    lead = {None: {"none": 0.9}, 0.01: {"layer": 0.91}, 0.1: {"layer": 0.85}}
    truth = {sigma: dict.fromkeys(NOISY, 0.9) | own for sigma, own in lead.items()}
    claims = [ahead(n, metric="val_accuracy", where={"sigma": 0.01}) for n in range(30)]
    assert best_of(made_grid(truth=truth).state).winner == "layer"
    assert best_of(made_grid(*claims, truth=truth, seeds=8).state).winner != "layer"
    assert best_of(made_grid(claims[0], truth=truth).state).winner == "layer"


def test_without_several_seeds_it_is_the_best_trial():
    sweep = MadeSweep(joint())
    assert best_of(sweep.state) is None
    search(sweep, dict.fromkeys(MODES, 0.9))
    best, trial = best_of(sweep.state), sweep.state.best()
    assert (best.trial, best.trials, best.mean) == (trial, [trial], trial.last["val_accuracy"])
    assert (best.winner, best.standing.text) == (trial.arm, "")
    one_arm = grid(compare=None, fixed={"epochs": 6, "noise": "layer"}, search={"sigma": {"grid": [0.1]}})
    one_arm = MadeSweep({key: value for key, value in one_arm.items() if value is not None})
    one_arm.trial({"sigma": 0.1}, 0, curve(0.9))
    assert best_of(one_arm.state).winner == "layer"
    one_seed = MadeSweep(grid(seeds=1))
    one_seed.trial({"noise": "layer", "sigma": 0.1}, 0, curve(0.9))
    assert best_of(one_seed.state).winner == "layer"


def test_before_the_confirm_stage_nothing_is_known():
    sweep = MadeSweep(comparison())
    search(sweep, dict.fromkeys(MODES, 0.9))
    best = best_of(sweep.state)
    assert (best.trial, best.winner) == (sweep.state.best(), NOT_APART)


def test_the_terminal_has_a_line(tmp_path):
    sweep = made_grid(name="line")
    first, *_ = summary_lines(sweep.write(tmp_path))
    best = best_of(sweep.state)
    score = f"mean val_accuracy {best.mean:.4f} over 10 seeds"
    assert first == f"best: layer sigma=0.01, {score}; {LAYER}"
    one = MadeSweep(joint())
    one.trial({"noise": "none", "lr": 0.1}, 0, curve(0.9))
    assert summary_lines(one.write(tmp_path)) == ["best: none lr=0.1, val_accuracy 0.9000"]

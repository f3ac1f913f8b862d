"""What claims compare: times and areas, falls within an arm, interactions, ranges of a hyperparameter."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.analysis.claims import judge_claims
from sweeps.analysis.drops import best_and_last
from sweeps.analysis.stats import paired_difference
from sweeps.analysis.verdicts import Verdict
from sweeps.record.trials import CONFIRM
from tests.made_sweeps import MadeSweep, comparison, curve, grid

SUPPORTED, REFUTED, REVERSED, UNDECIDED = Verdict
ORDER = {"metric": "val_accuracy", "better": "layer", "worse": "none"}


def claim(**changes):
    return {
        "name": str(changes),
        **{key: value for key, value in (ORDER | changes).items() if value is not None},
    }


def confirmed(claims, curves, seeds=10, **changes):
    """Make a comparison with a curve of validation accuracy for each (point, seed); None: it diverged."""
    arms = {"compare": {"noise": ["none", "all", "layer"]}}
    given = {
        arm: {"lr": 0.1} | ({"sigma": 0.01} if arm != "none" else {}) for arm in arms["compare"]["noise"]
    }
    stages = {"confirm": {"seeds": seeds, "configurations": given} | changes.pop("confirm", {})}
    sweep = MadeSweep(comparison(*claims, **arms | {"search": {}, "stages": stages} | changes))
    sweep.select()
    for point in sweep.state.to_confirm:
        for seed in sweep.spec.replicates:
            scores = curves(point, seed)
            epochs = [{"val_accuracy": x, "val_loss": 1 - x} for x in scores or [0.1]]
            status = "finished" if scores else "diverged"
            sweep.trial(point, seed, epochs, stage=CONFIRM, status=status)
    return sweep


def noise(*key):
    """Return a small number that is the same for the same key."""
    return 0.01 * np.random.default_rng(list(repr(key).encode())).standard_normal()


# Times


def test_an_arm_that_a_claim_does_not_name_does_not_move_its_target():
    def curves(point, seed):
        if point["noise"] == "all":
            return [0.1] * 6
        speed = 2 if point["noise"] == "layer" else 1
        return [0.9 * (1 - 2.0 ** (-speed * epoch)) + 0.001 * seed for epoch in range(1, 7)]

    named, everyone = judge_claims(
        confirmed([claim(reach="common"), claim(reach="common", worse=["none", "all"])], curves).state
    )
    assert named.judgement.verdict is SUPPORTED
    # none comes to its last score, 0.886, in the last epoch, and layer in half the time.
    assert named.differences[0].mean == pytest.approx(3, abs=0.3)
    # The collapsed arm ends with 0.1, which all arms have after the first epoch.
    assert [pair.mean for pair in everyone.differences] == [0, 0]


def test_a_difference_of_less_than_an_epoch_is_seen():
    # Both arms pass 0.5 between the first and the second epoch, layer 0.1 epochs sooner.
    def curves(point, seed):
        start = 0.24 if point["noise"] == "layer" else 0.2
        return [start + 0.001 * seed, start + 0.4 + 0.001 * seed, 0.9, 0.9, 0.9, 0.9]

    (judged,) = judge_claims(confirmed([claim(reach=0.5)], curves).state)
    assert judged.judgement.verdict is SUPPORTED
    assert judged.differences[0].mean == pytest.approx(0.1)


@pytest.mark.parametrize("reach", [0.5, "common"])
def test_a_run_that_diverged_is_slower_than_one_that_never_reached(reach):
    def curves(point, seed):
        return None if point["noise"] == "none" else [0.5] if seed == 1 and reach == "common" else [0.4] * 6

    (judged,) = judge_claims(confirmed([claim(reach=reach)], curves).state)
    assert judged.judgement.verdict is SUPPORTED
    assert judged.differences[0].mean == math.inf


# Areas


def test_an_area_is_the_mean_up_to_an_epoch():
    def curves(point, seed):
        # layer is ahead up to the third epoch, and behind after it.
        return [0.4, 0.6, 0.8, 0.5, 0.5, 0.5] if point["noise"] == "layer" else [0.2, 0.4, 0.8, 0.9, 0.9, 0.9]

    early = claim(metric=None, area="val_accuracy", until=3)
    late, loss = {**early, "name": "late", "until": 6}, {**early, "name": "loss", "area": "val_loss"}
    early, late, loss = judge_claims(confirmed([early, late, loss], curves).state)
    assert (early.judgement.verdict, late.judgement.verdict) == (SUPPORTED, REVERSED)
    # By the trapezoidal rule: (0.4 + 2 * 0.6 + 0.8) / 4 = 0.6 and (0.2 + 2 * 0.4 + 0.8) / 4 = 0.45.
    assert early.differences[0].mean == pytest.approx(0.15)
    assert loss.differences[0].mean == pytest.approx(0.15)
    assert (early.unit, loss.unit) == ("val_accuracy", "val_loss")


def test_the_area_of_a_run_that_diverged_is_the_worst():
    def curves(point, seed):
        return None if point["noise"] == "none" else [0.0] * 6

    (judged,) = judge_claims(confirmed([claim(metric=None, area="val_accuracy", until=3)], curves).state)
    assert judged.judgement.verdict is SUPPORTED


# Means


def test_a_few_seeds_that_are_far_off_leave_a_claim_undecided():
    def curves(point, seed):
        lead = 0.1 + 0.001 * seed if seed <= 18 else -10
        return [0.5] * 5 + [lead if point["noise"] == "layer" else 0.0]

    (judged,) = judge_claims(confirmed([claim()], curves, seeds=20).state)
    assert judged.differences[0].mean == pytest.approx(-0.9, abs=0.02)
    assert judged.judgement.verdict is UNDECIDED
    assert judged.remark == (
        "it would be supported, but the mean difference does not agree with its test: a few seeds are far off"
    )


# Falls within an arm


@given(st.lists(st.lists(st.floats(-1, 1), min_size=4, max_size=4), min_size=2, max_size=16))
def test_a_fifth_of_the_seeds_choose_the_best_epoch_of_the_others(rows):
    best, last = best_and_last(dict(enumerate(rows)))
    n = max(1, len(rows) // 5)
    choosing, tested = rows[:n], dict(enumerate(rows[n:], start=n))
    means = [math.fsum(column) / n for column in zip(*choosing, strict=True)][:-1]
    epochs = [epoch for epoch, mean in enumerate(means) if max(means) - mean < 1e-9]
    assert any(best == {seed: row[epoch] for seed, row in tested.items()} for epoch in epochs)
    assert last == {seed: row[-1] for seed, row in tested.items()}


def test_a_single_seed_has_no_best_epoch():
    assert best_and_last({3: [0.1, 0.2]}) == best_and_last({}) == ({}, {})


def test_seeds_that_diverged_choose_no_epoch_unless_all_did():
    lost, whole = [0.3, 0.2, -math.inf, -math.inf], [0.1, 0.2, 0.5, 0.2]
    ten = dict.fromkeys(range(10), whole)
    assert best_and_last({**ten, 0: lost})[0] == dict.fromkeys(range(2, 10), 0.5)
    assert best_and_last({**ten, 9: lost})[0] == {**dict.fromkeys(range(2, 9), 0.5), 9: -math.inf}
    # The best mean of two that diverged is before they did.
    assert best_and_last({**ten, 0: lost, 1: lost})[0] == dict.fromkeys(range(2, 10), 0.1)


def p_values_of_drops(seeds, epochs, studies, shared, own_best):
    """Return the p-values for a fall of curves that are flat, with noise that epochs share to this degree."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(studies):
        curves = rng.standard_normal((seeds, epochs))
        for epoch in range(1, epochs):
            curves[:, epoch] = shared * curves[:, epoch - 1] + (1 - shared**2) ** 0.5 * curves[:, epoch]
        best, last = curves[:, :-1].max(axis=1), curves[:, -1]
        if not own_best:
            scores = best_and_last(dict(enumerate(curves)))
            best, last = (np.array(list(each.values())) for each in scores)
        found.append(paired_difference(best, last).p_greater)
    return np.array(found)


@pytest.mark.parametrize("shared", [0.0, 0.8])
def test_a_flat_curve_does_not_fall(shared):
    # At this level 5% of the studies may be wrong: 0.05 and three standard errors.
    studies = 1000
    bound = 0.05 + 3 * (0.05 * 0.95 / studies) ** 0.5
    assert np.mean(p_values_of_drops(10, 8, studies, shared, own_best=False) <= 0.05) <= bound
    # By the best epoch of each seed, nearly every flat curve would fall.
    assert np.mean(p_values_of_drops(10, 8, 100, shared, own_best=True) <= 0.05) > 0.7


def falling(point, seed):
    """none rises, all rises and falls, layer rises and diverges."""
    if point["noise"] == "layer" and seed > 5:
        return None
    last = 0.7 if point["noise"] == "all" else 0.95
    return [x + noise(point["noise"], seed, i) for i, x in enumerate([0.3, 0.8, 0.9, 0.9, 0.9, last])]


@pytest.mark.parametrize(
    ("arms", "metric", "expected"),
    [
        ("all", "val_accuracy", SUPPORTED),
        ("all", "val_loss", SUPPORTED),
        ("none", "val_accuracy", REVERSED),
        # Each arm must fall.
        (["all", "none"], "val_accuracy", REVERSED),
    ],
)
def test_an_arm_falls_from_its_best_to_its_last(arms, metric, expected):
    fall = {"name": "falls", "metric": metric, "drops": arms}
    (judged,) = judge_claims(confirmed([fall], falling).state)
    assert judged.judgement.verdict is expected
    names = arms if isinstance(arms, list) else [arms]
    assert judged.comparisons == [f"{arm} at its best epoch over its last" for arm in names]
    fell = 0.2 if names[0] == "all" else -0.05
    assert judged.differences[0].mean == pytest.approx(fell, abs=0.02)


def test_an_arm_whose_seeds_diverge_in_the_end_falls():
    sweep = MadeSweep(comparison({"name": "falls", "metric": "val_accuracy", "drops": "all"}))
    sweep.events.append({"event": "select", "time": 0, "points": [{"noise": "all", "sigma": 0.1, "lr": 0.1}]})
    for seed in sweep.spec.replicates:
        point = sweep.state.selected[0]
        sweep.trial(point, seed, curve(0.9)[:5], stage=CONFIRM, status="diverged")
    (judged,) = judge_claims(sweep.state)
    assert judged.judgement.verdict is SUPPORTED
    # Two of ten seeds choose the epoch.
    assert judged.differences[0].n == 8


# Interactions


MODELS = {"shallow": 0.0, "deep": 0.1}


def of_models(claims, leads, **changes):
    """Make a comparison across two models: all arms gain by depth, and layer leads by so much."""

    def curves(point, seed):
        lead = leads[point["model"]] if point["noise"] == "layer" else 0.0
        shared = MODELS[point["model"]] + noise(point["model"], seed)
        return [0.5] * 5 + [0.6 + shared + lead + 0.1 * noise(point["noise"], point["model"], seed)]

    across = {"across": {"model": list(MODELS)}}
    return confirmed(claims, curves, **across, **changes)


INTERACTION = {"where": {"model": "deep"}, "than": {"model": "shallow"}}


@pytest.mark.parametrize(
    ("leads", "expected"),
    [
        ({"shallow": 0.01, "deep": 0.05}, SUPPORTED),
        ({"shallow": 0.05, "deep": 0.01}, REVERSED),
        # layer is better in both, but not more so in one of them.
        ({"shallow": 0.05, "deep": 0.05}, UNDECIDED),
    ],
)
def test_an_interaction_compares_an_advantage_with_that_elsewhere(leads, expected):
    (judged,) = judge_claims(of_models([claim(**INTERACTION)], leads).state)
    assert judged.judgement.verdict is expected
    assert judged.comparisons == ["layer over none, model deep over model shallow"]
    assert judged.differences[0].mean == pytest.approx(leads["deep"] - leads["shallow"], abs=0.003)


def test_an_interaction_is_paired_by_seed():
    # Two seeds that one of the four cells lacks do not count.
    sweep = of_models([claim(**INTERACTION)], {"shallow": 0.0, "deep": 0.05})
    lost = [
        event["trial"]
        for event in sweep.events
        if event["event"] == "start"
        and event["seed"] in (2, 3)
        and (event["hyperparameters"]["model"], event["arm"]) == ("shallow", "none")
    ]
    for event in sweep.events:
        if event["event"] == "end" and event["trial"] in lost:
            event["status"] = "failed"
    (judged,) = judge_claims(sweep.state)
    assert judged.differences[0].n == 8
    assert judged.remark == "it would be supported, but some seeds of none failed"


def test_the_arms_are_compared_in_each_stratum():
    claims = [claim(where={"model": model}) for model in MODELS]
    shallow, deep = judge_claims(of_models(claims, {"shallow": -0.05, "deep": 0.05}).state)
    assert (shallow.judgement.verdict, deep.judgement.verdict) == (REVERSED, SUPPORTED)


# Points of the confirm stage, and ranges


def of_sigmas(*claims):
    """layer is ahead at 0.003 and 0.03, and behind at 0.1; all is ahead only where it was tuned."""

    def curves(point, seed):
        leads = {"layer": {0.003: 0.02, 0.03: 0.03, 0.1: -0.05}, "all": {0.01: 0.02}}.get(point["noise"], {})
        lead = 0.0 if point["noise"] == "none" else leads.get(point["sigma"], -0.02)
        return [0.5] * 5 + [0.8 + lead + noise(seed) + 0.1 * noise(point["noise"], seed)]

    return confirmed(claims, curves, confirm={"at": {"sigma": [0.003, 0.03, 0.1]}})


def test_a_claim_is_about_a_point_of_the_confirm_stage():
    places = [{}, {"sigma": 0.003}, {"sigma": 0.1}]
    claims = [claim(where=where, better=arm) for arm in ("layer", "all") for where in places]
    judged = judge_claims(of_sigmas(*claims).state)
    expected = [REVERSED, SUPPORTED, REVERSED, SUPPORTED, REVERSED, REVERSED]
    assert [each.judgement.verdict for each in judged] == expected
    assert judged[1].comparisons == ["layer over none, sigma 0.003"]


@pytest.mark.parametrize(
    ("low", "high", "expected", "n"),
    [(0.003, 0.03, SUPPORTED, 2), (0.003, 0.1, REVERSED, 3), (0.01, 0.05, SUPPORTED, 1)],
)
def test_a_claim_about_a_range_holds_at_each_listed_value(low, high, expected, n):
    (judged,) = judge_claims(of_sigmas(claim(where={"sigma": {"between": [low, high]}})).state)
    assert judged.judgement.verdict is expected
    sigmas = [sigma for sigma in (0.003, 0.03, 0.1) if low <= sigma <= high]
    assert judged.comparisons == [f"layer over none, sigma {sigma}" for sigma in sigmas]
    assert len(judged.differences) == n
    if expected is SUPPORTED:
        # The p-value is the largest of the pairs', of two sides.
        largest = max(pair.p_greater for pair in judged.differences)
        assert judged.judgement.p_value == pytest.approx(2 * largest)


def test_an_arm_without_the_hyperparameter_is_compared_with_itself_once():
    where = {"sigma": {"between": [0.003, 0.1]}}
    fall = {"name": "falls", "metric": "val_accuracy", "drops": ["none", "layer"], "where": where}
    (judged,) = judge_claims(of_sigmas(fall).state)
    layers = [f"layer at its best epoch over its last, sigma {sigma}" for sigma in (0.003, 0.03, 0.1)]
    assert judged.comparisons == ["none at its best epoch over its last", *layers]


def test_arms_are_compared_at_the_values_that_both_have():
    by_arm = {"all": [0.01, 0.1], "layer": [0.01, 0.03]}
    where = {"sigma": {"between": [0.01, 0.1]}}
    claims = [claim(where=where), claim(where=where, worse="all"), claim(where=where, better="all")]
    arms = {"noise": ["none", "all", "layer"]}
    sweep = MadeSweep(grid(*claims, compare=arms, search={"sigma": {"grid_by_arm": by_arm}}))
    layer, both, all_ = judge_claims(sweep.state)
    assert layer.comparisons == ["layer over none, sigma 0.01", "layer over none, sigma 0.03"]
    assert both.comparisons == ["layer over all, sigma 0.01"]
    assert all_.comparisons == ["all over none, sigma 0.01", "all over none, sigma 0.1"]


def test_a_point_without_results_is_named():
    sweep = of_sigmas(claim(where={"sigma": {"between": [0.003, 0.03]}}))
    lost = {
        event["trial"]
        for event in sweep.events
        if event["event"] == "start" and event["hyperparameters"]["sigma"] == 0.03 and event["arm"] == "layer"
    }
    sweep.events = [event for event in sweep.events if event.get("trial") not in lost]
    (judged,) = judge_claims(sweep.state)
    assert judged.judgement.verdict is UNDECIDED
    assert judged.remark == "layer at sigma 0.03: no seed has finished"


def test_the_target_of_each_value_in_a_range_is_its_own():
    def curves(point, seed):
        top = 0.5 if point.get("sigma") == 0.1 else 0.9
        steps = {"none": 1, "layer": 2}.get(point["noise"], 1)
        return [top * (1 - 2.0 ** (-steps * epoch)) for epoch in range(1, 7)]

    where = {"sigma": {"between": [0.03, 0.1]}}
    at = {"at": {"sigma": [0.03, 0.1]}}
    (judged,) = judge_claims(confirmed([claim(reach="common", where=where)], curves, confirm=at).state)
    # At 0.03 none ends with 0.886, which layer has after its third epoch. At 0.1 layer ends with 0.5, which
    # none passes in its second epoch.
    assert [round(pair.mean, 1) for pair in judged.differences] == [3.0, -4.8]

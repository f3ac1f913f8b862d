"""Looks: their shares of alpha, what the first can decide, and the checks of a spec."""

import math
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps import runner
from sweeps.analysis.advice import check_first_look
from sweeps.analysis.stats import paired_difference
from sweeps.errors import SpecError
from sweeps.record.folder import create_sweep
from sweeps.spec.load import load_spec
from sweeps.spec.looks import ALPHA, Look, can_decide, fewest_seeds, n_choosing, share_out
from sweeps.spec.model import LAST_SEED
from tests.made_sweeps import comparison, grid, joint

ascending = st.lists(st.integers(1, 200), min_size=1, max_size=8).map(lambda steps: list(accumulate(steps)))
LOOKS = [13, 20, 40, 80, 160]


# Shares


@given(ascending)
def test_shares_sum_to_1_and_are_as_the_roots_of_the_seeds(seeds):
    looks = share_out(seeds)
    assert [look.seeds for look in looks] == seeds
    assert math.fsum(look.share for look in looks) == pytest.approx(1)
    for look in looks:
        assert (look.share / looks[0].share) ** 2 == pytest.approx(look.seeds / seeds[0])
        assert look.error == pytest.approx(ALPHA * math.sqrt(look.seeds) / sum(n**0.5 for n in seeds))


def test_a_plain_number_of_seeds_is_one_look_that_spends_all():
    assert share_out([10]) == [Look(10, 1.0)]


@given(ascending, ascending, st.integers(0, 8))
def test_looks_that_were_taken_keep_their_shares_and_the_others_have_what_is_left(seeds, steps, n):
    taken = share_out(seeds)[:n]
    later = [(taken[-1].seeds if taken else 0) + step for step in steps]
    looks = share_out([*(look.seeds for look in taken), *later], taken)
    assert looks[: len(taken)] == taken
    left, new = 1 - math.fsum(look.share for look in taken), looks[len(taken) :]
    assert [look.seeds for look in new] == later
    assert math.fsum(look.share for look in new) == pytest.approx(left, abs=1e-12)
    for look in new:
        assert look.share * later[0] ** 0.5 == pytest.approx(new[0].share * look.seeds**0.5, abs=1e-12)


def test_the_same_looks_are_shared_out_as_before_once_some_are_taken():
    declared = share_out(LOOKS)
    again = share_out(LOOKS, declared[:2])
    assert [look.share for look in again] == pytest.approx([look.share for look in declared])


# What a look can decide


@pytest.mark.parametrize("tests", [1, 2, 3, 6, 18, 25, 26])
def test_a_look_can_decide_if_seeds_that_all_agree_are_significant(tests):
    def decides(n):
        p_value = paired_difference(range(1, n + 1), [0] * n).p_value
        return p_value * tests <= ALPHA

    n = fewest_seeds(tests)
    assert decides(n)
    assert not decides(n - 1)
    assert can_decide(Look(n, 1.0), tests)
    assert not can_decide(Look(n - 1, 1.0), tests)


def test_the_fewest_seeds_of_a_first_look_depend_on_the_later_ones():
    assert fewest_seeds(18, LOOKS[1:]) == 13
    assert can_decide(share_out(LOOKS)[0], 18)
    assert not can_decide(share_out([12, *LOOKS[1:]])[0], 18)
    # A look alone spends all of alpha, and one that is not later does not count.
    assert fewest_seeds(18) == 10
    assert fewest_seeds(18, [2, 3]) == 10


def test_a_fifth_of_the_seeds_choose_the_best_epoch():
    assert [n_choosing(n) for n in (1, 4, 5, 9, 10, 13)] == [1, 1, 1, 1, 2, 2]


# Checks


def claim(name="layer is ahead", better="layer", worse="none", **more):
    return {"name": name, "metric": "test_accuracy", "better": better, "worse": worse, **more}


def staged(*claims, **confirm):
    content = comparison(*claims)
    content["stages"]["confirm"] = confirm
    return content


def gridded(*claims, **changes):
    content = grid(*claims, **changes)
    if "looks" in changes:
        del content["seeds"]
    return content


def mistakes(content):
    with pytest.raises(SpecError) as caught:
        check_first_look(load_spec(content))
    return str(caught.value)


SIX = {"better": ["none", "all", "layer"], "worse": ["after_all", "after_layer"]}
THREE = [claim(), claim("b", ["none", "layer"], "all"), claim("c", **SIX)]


def test_looks_that_can_decide_are_valid():
    assert load_spec(staged(*THREE, looks=LOOKS)).n_seeds == LOOKS
    in_grid = claim(metric="val_accuracy", where={"sigma": 0.1})
    spec = load_spec(gridded(in_grid, looks=[7, 12], seed=5))
    assert (spec.n_seeds, spec.replicates) == ([7, 12], range(5, 17))


@pytest.mark.parametrize(
    ("confirm", "message"),
    [
        ({}, "stages.confirm: must have seeds, such as 10, or looks, such as [13, 20, 40], one of them"),
        (
            {"seeds": 10, "looks": [13, 20]},
            "stages.confirm: must have seeds, such as 10, or looks, such as [13, 20, 40], one of them",
        ),
        ({"looks": [13, 13]}, "stages.confirm.looks: must ascend, such as [13, 20, 40], got [13, 13]"),
        ({"looks": [20, 13]}, "stages.confirm.looks: must ascend, such as [13, 20, 40], got [20, 13]"),
        ({"looks": []}, "stages.confirm.looks: must have at least one value, got []"),
        (
            {"looks": [13, 20], "top": 2},
            "stages.confirm.top: leave it out beside looks: the seeds that choose the best of several must "
            "not also judge it",
        ),
        (
            {"looks": [12, *LOOKS[1:]]},
            "stages.confirm.looks: 12 seeds at the first look cannot decide the claim 'c' (6 tests; "
            "3 claims in all): begin with 13",
        ),
    ],
    ids=str,
)
def test_mistakes_in_looks_are_told(confirm, message):
    assert message in mistakes(staged(*THREE, **confirm))


def test_looks_need_claims():
    message = "stages.confirm.looks: needs claims to judge: give seeds instead"
    assert message in mistakes(staged(looks=[13, 20]))


@pytest.mark.parametrize("first", range(6, 12))
@pytest.mark.parametrize("later", [[], [40], [20, 40, 80]])
def test_the_advice_for_a_first_look_holds_for_every_claim(first, later):
    same = {"name": "same", "metric": "test_accuracy", "equal": ["none", "all"], "within": 0.01}
    fall = {"name": "falls", "metric": "val_accuracy", "drops": "all"}
    content = staged(claim(), same, fall, looks=[first, *later])

    def is_enough(n):
        # A fifth of the seeds choose the epoch of a fall; equivalence has two tests.
        share = n**0.5 / (n**0.5 + sum(look**0.5 for look in later))
        return 2 ** (1 - n) * 3 * 2 <= ALPHA * share and 2 ** (1 - (n - n // 5)) * 3 <= ALPHA * share

    enough = next(n for n in range(5, 40) if is_enough(n))
    if first >= enough:
        check_first_look(load_spec(content))
    else:
        message = f"looks: {first} seeds at the first look cannot decide the claim "
        told = mistakes(content)
        assert message in told
        assert told.endswith(f": begin with {enough}")


def test_equivalence_has_two_tests_of_each_pair():
    same = {"name": "same", "metric": "test_accuracy", "equal": ["none", "all"], "within": 0.01}
    # 2 / 2^6 is significant for one test, not for two.
    check_first_look(load_spec(staged(claim(), looks=[6])))
    assert "the claim 'same' (2 tests; 1 claim in all): begin with 7" in mistakes(staged(same, looks=[6]))
    three = {**same, "equal": ["none", "all", "layer"]}
    assert "the claim 'same' (6 tests; 1 claim in all): begin with 8" in mistakes(staged(three, looks=[7]))


def test_the_last_look_has_seeds():
    last = {"seed": LAST_SEED - 15}
    assert load_spec(staged(claim(), looks=[7, 15]) | last).replicates[-1] == LAST_SEED
    message = f"stages.confirm.looks: must be at most 15, as the last seed is {LAST_SEED}, got 16"
    assert message in mistakes(staged(claim(), looks=[7, 16]) | last)
    in_grid = claim(metric="val_accuracy", where={"sigma": 0.1})
    assert load_spec(gridded(in_grid, looks=[7, 16], **last)).replicates[-1] == LAST_SEED
    assert "looks: must be at most 16" in mistakes(gridded(in_grid, looks=[7, 17], **last))


def test_each_value_in_a_range_is_a_test():
    wide = claim(metric="val_accuracy", where={"sigma": {"between": [0.001, 1]}})
    narrow = claim(metric="val_accuracy", where={"sigma": 0.1})
    check_first_look(load_spec(gridded(narrow, looks=[7, 20])))
    message = "looks: 7 seeds at the first look cannot decide the claim 'layer is ahead' (2 tests"
    assert message in mistakes(gridded(wide, looks=[7, 20]))


def test_looks_have_their_place():
    in_grid = claim(metric="val_accuracy", where={"sigma": 0.1})
    both = grid(in_grid, looks=[7, 12])
    assert "looks: must not be beside seeds: keep one of them" in mistakes(both)
    assert "looks: put it in stages.confirm" in mistakes(staged(claim(), seeds=10) | {"looks": [7, 12]})
    sampled = joint(looks=[7, 12])
    assert "looks: is for a grid, which runs every point with every seed" in mistakes(sampled)


def test_seeds_with_known_results_are_told(tmp_path):
    """A second sweep of a study may not pass for fresh seeds."""
    content = staged(claim(), looks=[13, 20])
    spec = load_spec(content)
    assert runner._known_seeds_note([], spec) == ""
    folder = create_sweep(tmp_path, spec)
    assert runner._known_seeds_note([folder], spec).endswith("set seed to 21")
    assert runner._known_seeds_note([folder], load_spec(content | {"seed": 19})).endswith("set seed to 21")
    assert runner._known_seeds_note([folder], load_spec(content | {"seed": 21})) == ""

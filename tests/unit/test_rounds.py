"""Sweeps that are looked at several times: what each look trains, when they are complete, and resuming."""

import itertools

import pytest

from sweeps.analysis.claims import closing_event, judge_claims, undecided_points
from sweeps.analysis.stats import detectable
from sweeps.analysis.verdicts import Verdict
from sweeps.record.state import SweepState
from sweeps.record.trials import CONFIRM, SEARCH
from sweeps.search.configuration import TRIAL
from sweeps.search.history import listed_trials
from sweeps.spec.claim import Claim
from sweeps.spec.looks import share_out
from tests.made_sweeps import MadeSweep, comparison, grid, search, take_looks, train_round

LOOKS = [9, 14, 20]
ARMS = {"noise": ["none", "all", "layer"]}
TRUTH = {"none": 0.9, "all": 0.9, "layer": 0.93}
# layer is far ahead, and none and all are equal.
AHEAD = {"name": "layer is ahead", "metric": "test_accuracy", "better": "layer", "worse": "none", "by": 0.01}
OPEN = {"name": "none over all", "metric": "test_accuracy", "better": "none", "worse": "all"}


def staged(*claims, looks=LOOKS, **changes):
    """A comparison of three arms whose search has ended and chosen."""
    content = comparison(*claims, compare=ARMS, **changes)
    content["stages"]["confirm"] = {"looks": looks}
    sweep = MadeSweep(content)
    search(sweep, TRUTH)
    sweep.select()
    return sweep


def gridded(*claims, looks=LOOKS):
    """A grid of the three arms at one sigma."""
    at = [{**claim, "metric": "val_accuracy", "where": {"sigma": 0.01}} for claim in claims]
    content = grid(*at, compare=ARMS, looks=looks, search={"sigma": {"grid": [0.01], "when": "noisy"}})
    del content["seeds"]
    return MadeSweep(content)


BOTH = pytest.mark.parametrize("made", [staged, gridded])


def trained(state):
    """Return the seeds of every arm in the stage that is looked at."""
    trials = state.of_stage(state.looked_stage)
    return {arm: [trial.seed for trial in trials if trial.arm == arm] for arm in TRUTH}


# Rounds


@BOTH
def test_looks_train_what_is_undecided_until_the_last(made):
    sweep = made(AHEAD, OPEN)
    searched = len(sweep.state.of_stage(SEARCH)) if sweep.spec.confirms else 0
    seeds = sweep.spec.replicates

    def numbers():
        state = sweep.state
        rounds = [
            (sorted(point["noise"] for point in each.points.values()), each.seeds) for each in state.rounds
        ]
        return rounds, [look.seeds for look in state.taken], state.n_trials - searched, state.complete

    first = (["all", "layer", "none"], seeds[:9])
    assert numbers() == ([first], [], 27, False)
    train_round(sweep, TRUTH, only=26)
    assert numbers() == ([first], [], 27, False)
    train_round(sweep, TRUTH)
    # All trials of the look have ended: it is taken, before the driver has closed it.
    assert numbers() == ([first], [9], 27, False)
    assert sweep.close_look()
    second = (["all", "none"], seeds[9:14])
    assert numbers() == ([first, second], [9], 27 + 10, False)
    take_looks(sweep, TRUTH, looks=1)
    third = (["all", "none"], seeds[14:20])
    assert numbers() == ([first, second, third], [9, 14], 27 + 10 + 12, False)
    take_looks(sweep, TRUTH)
    assert numbers() == ([first, second, third], LOOKS, 27 + 10 + 12, True)
    assert not sweep.close_look()
    assert trained(sweep.state) == {
        "none": list(seeds),
        "all": list(seeds),
        "layer": list(seeds[:9]),
    }


@BOTH
def test_a_sweep_whose_claims_are_decided_is_complete_before_the_last_look(made):
    sweep = made(AHEAD)
    train_round(sweep, TRUTH)
    assert not sweep.state.complete
    assert undecided_points(sweep.state) == []
    assert not sweep.close_look()
    state = sweep.state
    assert state.complete
    assert [look.seeds for look in state.taken] == [9]
    # all, which no claim names, was trained for the first look and no further.
    assert {arm: len(seeds) for arm, seeds in trained(state).items()} == dict.fromkeys(TRUTH, 9)
    (judged,) = judge_claims(state)
    # Two configurations of 20 seeds, less the nine of each that were trained.
    assert (judged.spent, judged.spared) == (18, 22)


def test_a_look_is_closed_when_all_its_trials_have_ended_and_only_once():
    sweep = staged(AHEAD, OPEN)
    assert closing_event(sweep.state) is None
    train_round(sweep, TRUTH, only=26)
    assert closing_event(sweep.state) is None
    train_round(sweep, TRUTH)
    event = closing_event(sweep.state)
    assert (event["event"], event["seeds"]) == ("look", 9)
    assert event["share"] == share_out(LOOKS)[0].share
    assert sorted(point["noise"] for point in event["points"]) == ["all", "none"]
    sweep.close_look()
    assert closing_event(sweep.state) is None


@BOTH
def test_a_round_that_is_cut_short_is_balanced(made):
    sweep = made(AHEAD, OPEN)
    for _ in range(27):
        train_round(sweep, TRUTH, only=1)
        counts = [len(seeds) for seeds in trained(sweep.state).values()]
        assert max(counts) - min(counts) <= 1


def test_a_look_leaves_out_the_trials_of_later_seeds():
    state = take_looks(staged(AHEAD, OPEN), TRUTH).state
    for look in state.looks:
        view = state.at_look(look)
        seeds = {trial.seed for trial in view.of_stage(CONFIRM)}
        assert seeds == set(range(1, look.seeds + 1))
        assert view.of_stage(SEARCH) == state.of_stage(SEARCH)
    assert len(state.of_stage(CONFIRM)) == 9 + 20 + 20


def test_a_plain_number_of_seeds_is_one_look():
    content = comparison(AHEAD, OPEN, compare=ARMS, seeds=9)
    sweep = MadeSweep(content)
    search(sweep, TRUTH)
    sweep.select()
    train_round(sweep, TRUTH, only=26)
    assert (sweep.state.taken, sweep.state.complete) == ([], False)
    train_round(sweep, TRUTH)
    # The claim that is undecided gets no more.
    assert (sweep.state.complete, closing_event(sweep.state)) == (True, None)
    assert [(look.seeds, look.share) for look in sweep.state.taken] == [(9, 1.0)]


# Verdicts


@BOTH
def test_earlier_seeds_are_used_again_and_later_ones_are_new(made):
    sweep = made(AHEAD, OPEN)
    seen = {}
    for n in LOOKS:
        take_looks(sweep, TRUTH, looks=1)
        seen[n] = set(trained(sweep.state)["none"])
        ahead, open_ = judge_claims(sweep.state)
        assert open_.differences[0].n == n
        # A claim that is decided keeps the look that decided it, with its seeds and its p-value.
        assert (ahead.judgement.verdict, ahead.look.seeds, ahead.differences[0].n) == (
            Verdict.SUPPORTED,
            9,
            9,
        )
    for before, after in itertools.pairwise(LOOKS):
        assert seen[before] < seen[after]
        assert min(seen[after] - seen[before]) > max(seen[before])
    # The search's seed is not among them.
    if sweep.spec.confirms:
        assert sweep.spec.seed not in seen[20]


def test_each_look_is_shown_with_its_own_level():
    sweep = staged(AHEAD, OPEN)
    assert {claim.look for claim in judge_claims(sweep.state)} == {None}
    shares = [n**0.5 / sum(each**0.5 for each in LOOKS) for n in LOOKS]
    for n, share in zip(LOOKS, shares, strict=True):
        take_looks(sweep, TRUTH, looks=1)
        ahead, open_ = judge_claims(sweep.state)
        assert (open_.look.seeds, open_.differences[0].error) == (n, pytest.approx(0.05 * share))
        assert ahead.differences[0].error == pytest.approx(0.05 * shares[0])
    assert (ahead.next_look, open_.next_look) == (None, None)


# Resuming


def identifiers(state):
    trials = listed_trials(state)
    assert len({trial[TRIAL] for trial in trials}) == len(trials)
    return {(trial["noise"], trial["seed"]): trial[TRIAL] for trial in trials}


@BOTH
def test_trials_have_the_same_ids_however_often_the_driver_is_replaced(made):
    sweep = take_looks(made(AHEAD, OPEN), TRUTH)
    final = identifiers(sweep.state)
    ran = {(trial.arm, trial.seed): trial.id for trial in sweep.state.of_stage(sweep.state.looked_stage)}
    assert final == ran
    first = next((i for i, event in enumerate(sweep.events) if event["event"] == "select"), 0) + 1
    for n in range(first, len(sweep.events), 7):
        listed = identifiers(SweepState(sweep.spec, sweep.events[:n]))
        assert listed.items() <= final.items()
    # They are numbered without gaps, from the end of the search.
    searched = len(sweep.state.trials) - len(ran)
    assert list(map(int, final.values())) == list(range(searched + 1, len(sweep.state.trials) + 1))


# Claims made post hoc


def with_post_hoc(sweep, *claims):
    sweep.add(
        {"event": "claims", "claims": [Claim(**claim).model_dump(exclude_none=True) for claim in claims]}
    )
    return sweep


def test_post_hoc_claims_change_nothing_for_those_made_in_advance():
    plain, more = (take_looks(staged(AHEAD, OPEN), TRUTH, looks=1) for _ in range(2))
    late = [{**OPEN, "name": f"late {n}", "better": "all", "worse": "none"} for n in range(5)]
    with_post_hoc(more, *late)
    before, judged = judge_claims(plain.state), judge_claims(more.state)
    assert judged[:2] == before
    assert [claim.post_hoc for claim in judged] == [False] * 2 + [True] * 5
    # Each kind is corrected for its own number.
    assert [claim.claims for claim in judged] == [2] * 2 + [5] * 5


def test_a_post_hoc_claim_is_judged_as_it_would_be_with_others_of_its_kind_alone():
    early = take_looks(staged(OPEN), TRUTH, looks=1)
    with_post_hoc(early, AHEAD)
    alone = take_looks(staged(AHEAD), TRUTH, looks=1)
    (late,) = judge_claims(early.state)[1:]
    (expected,) = judge_claims(alone.state)
    assert late.post_hoc
    assert late.judgement == expected.judgement
    assert late.differences == expected.differences


def test_a_look_without_new_seeds_of_a_claim_does_not_judge_it_again():
    sweep = staged(AHEAD, OPEN)
    train_round(sweep, TRUTH)
    # The smallest p-value of nine seeds is not enough for so many claims at the share of the first look.
    with_post_hoc(sweep, *({**AHEAD, "name": f"late {n}"} for n in range(5)))
    first = judge_claims(sweep.state)[2]
    share = share_out(LOOKS)[0].share
    assert first.judgement.p_value == pytest.approx(5 * 2 * 2**-9 / share)
    assert first.judgement.verdict is Verdict.UNDECIDED
    # At the share of the third look, the same nine seeds would decide.
    assert 5 * 2 * 2**-9 / share_out(LOOKS)[2].share < 0.05
    take_looks(sweep, TRUTH)
    last = judge_claims(sweep.state)[2]
    assert (last.differences[0].n, last.look.seeds) == (9, 9)
    assert last.judgement.verdict is Verdict.UNDECIDED
    assert last.judgement.p_value == first.judgement.p_value


def test_what_a_look_can_detect_is_in_the_unit_of_the_claim():
    sweep = take_looks(staged(AHEAD, OPEN), TRUTH, looks=1)
    _, open_ = judge_claims(sweep.state)
    look = open_.next_look
    assert look == share_out(LOOKS)[1]
    # Of two claims, each has half of the look's part of alpha.
    expected = detectable(14, look.error / 2) * open_.differences[0].std
    assert open_.detectable(look) == pytest.approx(expected)


def test_a_post_hoc_claim_keeps_no_arm_going():
    sweep = staged(AHEAD)
    train_round(sweep, TRUTH)
    with_post_hoc(sweep, OPEN)
    assert judge_claims(sweep.state)[1].judgement.verdict is Verdict.UNDECIDED
    assert undecided_points(sweep.state) == []
    sweep.close_look()
    assert sweep.state.complete

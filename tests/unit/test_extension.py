"""Extensions of a sweep: which are permitted, what they cost, and what follows from them."""

import math

import pytest

from sweeps.analysis.claims import judge_claims
from sweeps.analysis.extension import extension
from sweeps.errors import SweepError
from sweeps.record.state import SweepState
from sweeps.record.trials import CONFIRM, SEARCH
from sweeps.search.configuration import OBJECTIVE, split_config
from sweeps.search.history import known_trials, listed_trials
from sweeps.search.searcher import build_searcher
from sweeps.spec.looks import ALPHA, share_out
from tests.made_sweeps import MadeSweep, comparison, curve, joint, search, take_looks, train_round
from tests.unit.test_rounds import AHEAD, ARMS, LOOKS, OPEN, TRUTH, gridded, identifiers, staged


def extended(sweep, looks=None, trials_per_arm=None):
    """Return the sweep as its next driver finds it."""
    plan = extension(sweep.state, looks, trials_per_arm)
    after = MadeSweep(plan.spec)
    after.events = [*sweep.events]
    after.add(*plan.events)
    return after


def refusal(sweep, looks=None, trials_per_arm=None):
    with pytest.raises(SweepError) as caught:
        extension(sweep.state, looks, trials_per_arm)
    return str(caught.value)


def after_looks(n, *claims, **changes):
    return take_looks(staged(*(claims or (AHEAD, OPEN)), **changes), TRUTH, looks=n)


# Looks


@pytest.mark.parametrize("made", [staged, gridded])
@pytest.mark.parametrize("is_closed", [True, False])
def test_looks_that_were_taken_keep_their_share(made, is_closed):
    sweep = made(AHEAD, OPEN)
    train_round(sweep, TRUTH)
    if is_closed:
        sweep.close_look()
    before = judge_claims(sweep.state)
    after = extended(sweep, [9, 30, 60])
    state = after.state
    assert state.looks[0] == share_out(LOOKS)[0]
    assert math.fsum(look.share for look in state.looks) == pytest.approx(1)
    assert [look.seeds for look in state.looks] == [9, 30, 60]
    # Their shares are as the roots of the seeds that they test, which have no results yet.
    assert [look.n_tested for look in state.looks] == [9, 21, 51]
    assert state.looks[2].share / state.looks[1].share == pytest.approx((51 / 21) ** 0.5)
    # What was judged stays, and the next look trains the new seeds.
    assert [claim.judgement for claim in judge_claims(state)] == [claim.judgement for claim in before]
    first = sweep.spec.replicates[0]
    assert state.rounds[1].seeds == range(first + 9, first + 30)
    assert not state.complete
    take_looks(after, TRUTH, looks=1)
    assert judge_claims(after.state)[1].differences[0].n == 21


def test_looks_can_be_extended_again_and_never_spend_more_than_alpha():
    sweep = after_looks(1)
    first = extended(sweep, [9, 14, 20, 40])
    take_looks(first, TRUTH, looks=1)
    second = extended(first, [9, 14, 50])
    looks = second.state.looks
    assert looks[:2] == first.state.looks[:2]
    assert math.fsum(look.error for look in looks) == pytest.approx(ALPHA)
    assert len(second.state.extensions) == 2
    assert second.state.extensions[0]["changes"] == [["looks", LOOKS, [9, 14, 20, 40]]]
    assert [event["looks_taken"] for event in second.state.extensions] == [1, 2]


def test_before_the_first_look_all_of_alpha_is_left():
    sweep = staged(AHEAD, OPEN)
    assert extended(sweep, [12, 30]).state.looks == share_out([12, 30])


@pytest.mark.parametrize("only", [1, 7])
def test_looks_to_come_test_no_seed_that_has_a_result(only):
    sweep = after_looks(0)
    train_round(sweep, TRUTH, only=27)
    sweep.close_look()
    train_round(sweep, TRUTH, only=only)
    known = sweep.state.n_known
    # Two configurations go on.
    assert known == 9 + math.ceil(only / 2)
    rule = f"{known} seeds have results, or will soon: the looks to come must have more"
    assert rule in refusal(sweep, [9, known, 40])
    after = extended(sweep, [9, known + 8, 40])
    assert [look.known for look in after.state.looks] == [0, known, known]
    take_looks(after, TRUTH, looks=1)
    seeds = after.state.at_look(after.state.looks[1]).of_stage(CONFIRM)
    first = sweep.spec.replicates[0]
    assert {trial.seed for trial in seeds} == set(range(first + known, first + known + 8))


def test_an_extension_says_what_it_costs():
    plan = extension(after_looks(1).state, [9, 14, 30], None)
    left = 1 - share_out(LOOKS)[0].share
    later = [left * n**0.5 / (5**0.5 + 21**0.5) for n in (5, 21)]
    assert plan.cost == [
        # Those of none and all, from 20 to 30 seeds.
        "at most 20 more trainings, of 2 undecided configurations",
        "the looks to come test the seeds after the first 9, whose results may be known",
        f"the look at 14 seeds tests 5, has intervals of {100 * (1 - 0.05 * later[0]):.4g}%, and may decide "
        "nothing, as it tests too few seeds",
        f"the look at 30 seeds tests 21, has intervals of {100 * (1 - 0.05 * later[1]):.4g}%",
    ]


@pytest.mark.parametrize(
    ("sweep", "looks", "message"),
    [
        (
            lambda: after_looks(3),
            [9, 14, 20, 40],
            "its last declared look, at 20 seeds, has been taken, and all of alpha is spent",
        ),
        (lambda: after_looks(2), [9, 15, 20], "looks that have been taken stay: begin with 9, 14, and add"),
        (lambda: after_looks(2), [14, 20], "looks that have been taken stay: begin with 9, 14, and add"),
        (lambda: after_looks(2), [9, 14], "looks that have been taken stay: begin with 9, 14, and add"),
        (lambda: after_looks(1, AHEAD), [9, 14, 40], "no claim of it can be decided by more seeds"),
        (lambda: MadeSweep(joint()), [9, 14], "it has no claims to look at"),
        (lambda: MadeSweep(comparison()), [9, 14], "it has no claims to look at"),
        (lambda: after_looks(1), LOOKS, "9, 14, 20 are its looks"),
        (lambda: after_looks(1), [9, 40, 20], "cannot be extended: stages.confirm.looks: must ascend"),
    ],
)
def test_looks_that_would_spend_too_much_are_refused(sweep, looks, message):
    assert message in refusal(sweep(), looks)


def test_looks_before_the_first_are_checked_as_those_of_a_new_study():
    sweep = staged(AHEAD, OPEN)
    assert "8 seeds at the first look cannot decide the claim" in refusal(sweep, [8, 14, 20])
    content = comparison(AHEAD, compare=ARMS, top=2)
    searching = MadeSweep(content)
    search(searching, TRUTH)
    assert "stages.confirm.top: leave it out beside looks" in refusal(searching, [9, 14])
    # One that has been taken keeps its share, with which it could decide.
    assert "9 seeds at the first look cannot decide the claim" in refusal(sweep, [9, 14, 20, 40, 80])
    taken = extended(take_looks(sweep, TRUTH, looks=1), [9, 14, 20, 40, 80]).state
    assert taken.looks[0] == share_out(LOOKS)[0]


def test_there_is_something_to_extend():
    assert refusal(after_looks(1)) == "nothing to extend: give --looks or --trials-per-arm"


# The search


def test_a_larger_search_keeps_its_trials_and_is_searched_further():
    sweep = after_looks(1)
    before = sweep.state
    plan = extension(before, None, 8)
    # Five trials were the budget of all and layer, and four of none, which has no sigma.
    assert plan.cost[0] == "8 more trials of the search"
    after = extended(sweep, trials_per_arm=8)
    state = after.state
    assert (state.searched, state.selected, state.rounds, state.complete) == (False, None, [], False)
    assert state.trials == before.trials
    assert state.extensions[0]["changes"] == [["trials_per_arm", 5, 8]]


def search_on(sweep, score):
    """Run the rest of a search with its real searcher, where every new trial has this score."""
    state = sweep.state
    searcher = build_searcher(sweep.spec, known_trials(state), max(map(int, state.trials)))
    names = []
    while isinstance(configuration := searcher.suggest(str(len(names))), dict):
        name, point, seed = split_config(configuration)
        sweep.trial(point, seed, curve(score), name=name)
        searcher.on_trial_complete(str(len(names)), {"epoch": 6, OBJECTIVE: score})
        names.append(name)
    return names


@pytest.mark.parametrize(("score", "is_better"), [(0.99, True), (0.1, False)])
def test_selection_and_confirm_follow_the_larger_search(score, is_better):
    sweep = after_looks(1)
    chosen, confirmed = sweep.state.selected, sweep.state.of_stage(CONFIRM)
    after = extended(sweep, trials_per_arm=10)
    names = search_on(after, score)
    # Numbers go on after those of the confirm stage.
    last = max(int(trial.id) for trial in confirmed)
    assert sorted(map(int, names)) == list(range(last + 1, last + 1 + len(names)))
    assert after.state.searched
    again = after.select()
    assert (again != chosen) == is_better
    state = after.state
    ids = identifiers(state)
    if is_better:
        # All is trained anew, under numbers that no trial has.
        assert not set(ids.values()) & set(sweep.state.trials)
        assert not state.taken
        take_looks(after, TRUTH, looks=1)
        assert {claim.differences[0].n for claim in judge_claims(after.state)} == {9}
    else:
        # What is trained already is kept: the first look is taken at once.
        assert set(ids.values()) == {trial.id for trial in confirmed if trial.seed <= 9}
        assert [look.seeds for look in state.taken] == [9]
        before = [claim.judgement for claim in judge_claims(sweep.state)]
        assert [claim.judgement for claim in judge_claims(state)] == before
    take_looks(after, TRUTH)
    assert after.state.complete
    assert len(after.state.trials) == len({trial.number for trial in after.state.trials.values()})
    assert {trial.stage for trial in after.state.trials.values()} == {SEARCH, CONFIRM}


def test_an_arm_with_another_choice_has_trials_of_its_own_beside_those_that_are_kept():
    sweep = after_looks(1)
    after = extended(sweep, trials_per_arm=6)
    for arm, score in (("none", 0.1), ("all", 0.99), ("layer", 0.1)):
        after.trial({"noise": arm, "lr": 0.01}, 0, curve(score), name=f"{900 + len(arm):04d}")
    kept = {trial.id for trial in sweep.state.of_stage(CONFIRM) if trial.arm != "all"}
    after.select()
    ids = [configuration["trial"] for configuration in listed_trials(after.state)]
    assert len(ids) == len(set(ids)) == 27
    assert len({*ids} & kept) == 18
    take_looks(after, TRUTH)
    assert after.state.complete


def test_a_larger_search_of_a_sweep_that_searches_still():
    sweep = MadeSweep(comparison(AHEAD, compare=ARMS))
    search(sweep, TRUTH)
    after = extended(sweep, trials_per_arm=10)
    assert not after.state.searched
    assert listed_trials(after.state) == []


@pytest.mark.parametrize("trials", [3, 5])
def test_a_search_cannot_shrink(trials):
    assert refusal(after_looks(1), trials_per_arm=trials) == (
        "made-comparison: --trials-per-arm must be more than its 5, as trials that exist are kept, "
        f"got {trials}"
    )


@pytest.mark.parametrize(
    "sweep",
    [
        lambda: MadeSweep(joint()),
        lambda: gridded(AHEAD),
        lambda: MadeSweep(comparison(stages={"search": {"epochs_per_arm": 60}, "confirm": {"seeds": 2}})),
    ],
)
def test_only_a_search_with_a_budget_in_trials_can_grow(sweep):
    assert "has no search stage with trials_per_arm to extend" in refusal(sweep(), trials_per_arm=50)


def test_the_state_of_an_extended_sweep_is_rebuilt_from_its_journal():
    sweep = extended(after_looks(1), [9, 14, 30], 8)
    search_on(sweep, 0.1)
    sweep.select()
    take_looks(sweep, TRUTH)
    step = SweepState(sweep.spec)
    for event in sweep.events:
        step.apply(event)
    assert (step.looks, step.taken, step.rounds) == (sweep.state.looks, sweep.state.taken, sweep.state.rounds)
    assert judge_claims(step) == judge_claims(sweep.state)

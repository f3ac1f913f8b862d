"""Verdicts on claims: tests longhand, looks against a second implementation, and simulated truth.

Simulations fix their number of draws and seed; a rate is held to within three standard errors of its truth.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from sweeps.analysis.stats import paired_difference
from sweeps.analysis.verdicts import Case, Evidence, Verdict, equivalence, judge, superiority
from sweeps.spec.looks import ALPHA
from tests.rates import standard_error

pytestmark = pytest.mark.filterwarnings("error")

SUPPORTED, REFUTED, REVERSED, UNDECIDED = Verdict


def arms(rng, n, *means):
    """A pair per mean: normal differences of variance 1 on seeds whose scores vary a lot."""
    pairs = []
    for mean in means:
        seeds = rng.normal(0, 5, n)
        pairs.append((seeds + rng.normal(mean, 1, n), seeds))
    return pairs


def one_look(evidence, **doubt):
    """Return the case of a study with a fixed number of seeds."""
    return Case([evidence], [np.ones(len(evidence.p_values))], **doubt)


def rate(verdict, draws, make):
    """How often the verdict on the only claim is this."""
    return np.mean([judge([one_look(make())])[0].verdict is verdict for _ in range(draws)])


def p_of(differences, alternative):
    return scipy_stats.wilcoxon(differences, alternative=alternative).pvalue


# Evidence


@pytest.mark.parametrize("by", [0.0, 0.2, 1.0, 4.0])
def test_superiority_longhand(by):
    pairs = arms(np.random.default_rng(2), 8, 0.5, 1.5, -0.3)
    evidence = superiority(pairs, by)
    assert evidence.p_values.shape == evidence.excess.shape == (3, 3)
    for (a, b), p_values, excess in zip(pairs, evidence.p_values, evidence.excess, strict=True):
        # An advantage supports, one below the amount refutes, and the opposite reverses.
        expected = [p_of(a - b, "greater"), p_of(a - b - by, "less"), p_of(a - b, "less")]
        assert p_values == pytest.approx(expected)
        mean = np.mean(a - b)
        assert excess == pytest.approx([mean, by - mean, -mean])


@pytest.mark.parametrize("margin", [0.2, 1.0, 4.0])
def test_equivalence_longhand(margin):
    pairs = arms(np.random.default_rng(1), 8, 0.2, 2.5)
    evidence = equivalence(pairs, margin)
    expected = [
        [p_of(sign * (a - b) + margin, "greater"), p_of(sign * (a - b) + margin, "less"), 1]
        for a, b in pairs
        for sign in (1, -1)
    ]
    assert evidence.p_values == pytest.approx(np.array(expected))
    means = np.array([sign * np.mean(a - b) + margin for a, b in pairs for sign in (1, -1)])
    assert evidence.excess[:, 0] == pytest.approx(means)
    assert evidence.excess[:, 1] == pytest.approx(-means)


def test_differences_of_just_the_margin_or_the_amount_are_neither():
    # 0.3 - 0.2 - 0.1 is not 0 in floating point.
    pair = ([0.3, 0.4, 0.9], [0.2, 0.3, 0.8])
    for first, second in equivalence([pair], 0.1).p_values[:, :2]:
        assert (first, second) in ((1, 1), (1 / 8, 1))
    assert equivalence([pair], 0.1).p_values[1, :2].tolist() == [1, 1]
    assert superiority([pair], 0.1).p_values[0].tolist() == [1 / 8, 1, 1]


def test_claims_without_pairs_or_margin_are_refused():
    with pytest.raises(ValueError, match="at least one pair"):
        superiority([])
    with pytest.raises(ValueError, match="margin must be above 0, not 0"):
        equivalence([([1], [1])], 0)
    with pytest.raises(ValueError, match="of one length"):
        equivalence([([1], [1, 2])], 1)


# One look


def evidence_of(*tests):
    """Evidence with these p-values (support, refute, reverse) of each test, with which the means agree."""
    p_values = np.array(tests, float)
    return Evidence(p_values, np.ones(p_values.shape))


def test_judge_by_hand():
    claims = [evidence_of((0.004, 0.9, 0.9)), evidence_of((0.9, 0.006, 0.9)), evidence_of((0.02, 1, 1))]
    first, second, third = judge([one_look(each) for each in claims])
    # 2 * 0.004 * 3, 2 * 0.006 * 2, and 2 * 0.02.
    assert [first.verdict, second.verdict, third.verdict] == [SUPPORTED, REFUTED, SUPPORTED]
    assert [first.p_value, second.p_value, third.p_value] == pytest.approx([0.024, 0.024, 0.04])
    assert {first.look, second.look, third.look} == {0}
    (alone,) = judge([one_look(evidence_of((0.03, 1, 1)))])
    assert (alone.verdict, alone.p_value, alone.look) == (UNDECIDED, pytest.approx(0.06), 0)
    assert judge([]) == []


def test_all_tests_support_a_claim_and_one_refutes_or_reverses_it():
    (judged,) = judge([one_look(evidence_of((0.01, 1, 1), (0.02, 1, 1)))])
    assert (judged.verdict, judged.p_value) == (SUPPORTED, pytest.approx(0.04))
    (judged,) = judge([one_look(evidence_of((0.01, 1, 1), (0.03, 1, 1)))])
    assert judged.verdict is UNDECIDED
    # The smallest p-value, times the number of tests, times two.
    (judged,) = judge([one_look(evidence_of((0.01, 1, 1), (1, 0.01, 1)))])
    assert (judged.verdict, judged.p_value) == (REFUTED, pytest.approx(0.04))
    (judged,) = judge([one_look(evidence_of((0.01, 1, 1), (1, 0.013, 1)))])
    assert judged.verdict is UNDECIDED


def test_reversed_comes_before_refuted_and_refuted_before_supported():
    def verdict(*test):
        return judge([one_look(evidence_of(test))])[0].verdict

    assert verdict(0.001, 0.001, 0.001) is REVERSED
    assert verdict(1, 0.001, 0.02) is REVERSED
    assert verdict(1, 0.001, 0.03) is REFUTED
    # An advantage that is there, but too small to matter.
    assert verdict(0.001, 0.02, 1) is REFUTED
    assert verdict(0.001, 0.03, 1) is SUPPORTED


def test_before_the_first_look_nothing_is_decided():
    (judged,) = judge([Case([], [])])
    assert (judged.verdict, judged.p_value, judged.look) == (UNDECIDED, 1, None)


# Several looks

# No product of these with whole numbers is alpha, so that rounding does not decide.
dyadic = st.integers(0, 1024).map(lambda k: k / 1024) | st.integers(0, 64).map(lambda k: k / 2**16)
parts = st.sampled_from([0.0, 0.125, 0.25, 0.5, 1.0])


@st.composite
def many_cases(draw):
    """Draw for each claim the p-values by look, test and side, and the shares by look and test."""
    cases = []
    for _ in range(draw(st.integers(1, 4))):
        looks, tests = draw(st.integers(0, 4)), draw(st.integers(1, 3))
        p_values = [[[draw(dyadic) for _ in range(3)] for _ in range(tests)] for _ in range(looks)]
        shares = [[draw(parts) for _ in range(tests)] for _ in range(looks)]
        cases.append((p_values, shares))
    return cases


def case_of(p_values, shares, **doubt):
    return Case([evidence_of(*tests) for tests in p_values], [np.array(each) for each in shares], **doubt)


def sides_longhand(p_values, shares, look):
    """Return the p-values of a claim's three sides after a look, from those of its tests at all looks."""
    if not p_values:
        return [1.0, 1.0, 1.0]
    tests = range(len(p_values[0]))
    seen = range(min(look, len(p_values) - 1) + 1)

    def smallest(test, side):
        return min(1.0, *(p_values[k][test][side] / shares[k][test] for k in seen if shares[k][test]), 1.0)

    supported = max(smallest(test, 0) for test in tests)
    others = [min(1.0, len(tests) * min(smallest(test, side) for test in tests)) for side in (1, 2)]
    return [supported, *others]


def holm_longhand(p_values, i):
    """Adjust a p-value by closed testing: the largest of all groups it is in, each by Bonferroni's test."""
    others = [j for j in range(len(p_values)) if j != i]
    groups = [(i, *g) for n in range(len(p_values)) for g in itertools.combinations(others, n)]
    return min(1.0, max(len(g) * min(p_values[j] for j in g) for g in groups))


def judge_longhand(cases):
    """Return the verdict on each claim, the look that it is from, and its p-value."""
    judged = [(UNDECIDED, None, 1.0) for _ in cases]
    for look in range(max(len(p_values) for p_values, _ in cases)):
        sides = [sides_longhand(*case, look) for case in cases]
        own = [min(1.0, 2 * min(supported, refuted)) for supported, refuted, _ in sides]
        for i, (p_values, _) in enumerate(cases):
            if judged[i][0] is UNDECIDED and look < len(p_values):
                adjusted = holm_longhand(own, i)
                # The sides that are not the smallest are corrected like it.
                corrected = [2 * side * (adjusted / own[i] if own[i] else 1) for side in sides[i]]
                held = dict(zip((SUPPORTED, REFUTED, REVERSED), corrected, strict=True))
                holding = [verdict for verdict in (REVERSED, REFUTED, SUPPORTED) if held[verdict] <= ALPHA]
                verdict = holding[0] if holding and adjusted <= ALPHA else UNDECIDED
                judged[i] = (verdict, look, adjusted)
    return judged


@given(many_cases())
@settings(max_examples=200, deadline=None)
def test_looks_are_judged_as_longhand(cases):
    judged, expected = judge([case_of(*case) for case in cases]), judge_longhand(cases)
    assert [(each.verdict, each.look) for each in judged] == [each[:2] for each in expected]
    assert [each.p_value for each in judged] == pytest.approx([p_value for *_, p_value in expected])


@given(many_cases())
@settings(max_examples=100, deadline=None)
def test_one_look_is_the_rule_for_a_fixed_number_of_seeds(cases):
    """With one look, a claim's p-value is Holm's of twice that of its stronger side (longhand)."""
    cases = [(p_values[:1], [[1.0] * len(p_values[0])]) for p_values, _ in cases if p_values]
    own = []
    for (tests,), _ in cases:
        supported, refuted, _ = zip(*tests, strict=True)
        own.append(min(1.0, 2 * min(max(supported), min(1.0, len(tests) * min(refuted)))))
    order = sorted(range(len(own)), key=own.__getitem__)
    largest = 0.0
    judged = judge([case_of(*case) for case in cases])
    for rank, i in enumerate(order):
        largest = min(1.0, max(largest, (len(own) - rank) * own[i]))
        assert judged[i].p_value == pytest.approx(largest)
        assert (judged[i].verdict is UNDECIDED) == (largest > ALPHA)


def looks_of(*looks, **doubt):
    """Return the case of a claim with one test, given (p-values, share) of each look."""
    return case_of([[p_values] for p_values, _ in looks], [[share] for _, share in looks], **doubt)


def test_the_sequential_p_value_is_the_smallest_share_so_far():
    looks = [((0.02, 1, 1), 0.25), ((0.05, 1, 1), 0.5), ((0.01, 1, 1), 0.25)]
    # 2 * 0.02 / 0.25, then the same as 2 * 0.05 / 0.5 is larger, then 2 * 0.01 / 0.25.
    expected = [0.16, 0.16, 0.08]
    for n, p_value in enumerate(expected, start=1):
        (judged,) = judge([looks_of(*looks[:n])])
        assert (judged.verdict, judged.look) == (UNDECIDED, n - 1)
        assert judged.p_value == pytest.approx(p_value)


def test_a_verdict_stands_although_later_looks_disagree():
    looks = [((0.001, 1, 1), 0.25), ((1, 1e-6, 1e-6), 0.25), ((1, 1e-9, 1e-9), 0.5)]
    for n in (1, 2, 3):
        (judged,) = judge([looks_of(*looks[:n])])
        assert (judged.verdict, judged.look, judged.p_value) == (SUPPORTED, 0, pytest.approx(0.008))


def test_a_test_without_new_seeds_does_not_count():
    # At the second look, 0.002 would decide, but nothing was looked at.
    decisive, open_ = (0.002, 1, 1), (0.2, 1, 1)
    (judged,) = judge([looks_of((open_, 0.5), (decisive, 0.0))])
    assert (judged.verdict, judged.p_value) == (UNDECIDED, pytest.approx(0.8))
    (judged,) = judge([looks_of((open_, 0.5), (decisive, 0.5))])
    assert (judged.verdict, judged.look) == (SUPPORTED, 1)
    # Each test has its own share: that of the first look lasts for the one that stops.
    p_values = [[(0.001, 1, 1), (0.2, 1, 1)], [(1, 1, 1), (0.001, 1, 1)]]
    (judged,) = judge([case_of(p_values, [[0.5, 0.5], [0.0, 0.5]])])
    assert (judged.verdict, judged.look, judged.p_value) == (SUPPORTED, 1, pytest.approx(0.004))


def test_a_claim_that_is_decided_relaxes_the_level_of_the_rest_at_every_look():
    late = looks_of(((0.5, 1, 1), 0.5), ((0.006, 1, 1), 0.5))
    decided = looks_of(((0.001, 1, 1), 0.5), ((1, 1, 1), 0.0))
    never = looks_of(((0.5, 1, 1), 0.5), ((0.5, 1, 1), 0.5))
    # Alone among open claims it must be corrected for both: 2 * 2 * 0.006 / 0.5 = 0.048.
    assert judge([late, never])[0].p_value == pytest.approx(0.048)
    assert judge([late, decided])[0].p_value == pytest.approx(0.024)
    first, second, third = judge([late, decided, never])
    assert [first.verdict, second.verdict, third.verdict] == [SUPPORTED, SUPPORTED, UNDECIDED]
    assert (first.look, second.look, third.look) == (1, 0, 1)
    assert second.p_value == pytest.approx(3 * 2 * 0.001 / 0.5)


def test_a_doubt_lasts_for_its_look_and_weaker_verdicts_get_their_chance():
    decisive = (0.001, 1, 1)
    doubts = {(0, SUPPORTED): "some seeds failed"}
    case = looks_of((decisive, 0.5), (decisive, 0.5), doubt=lambda *key: doubts.get(key, ""))
    (judged,) = judge([Case(case.evidence[:1], case.shares[:1], case.doubt)])
    assert (judged.verdict, judged.doubt, judged.doubted) == (UNDECIDED, "some seeds failed", SUPPORTED)
    (judged,) = judge([case])
    assert (judged.verdict, judged.look, judged.doubt, judged.doubted) == (SUPPORTED, 1, "", None)
    # What is not known to be reversed may be refuted all the same.
    both = looks_of(((1, 0.001, 0.001), 1.0), doubt=lambda _, verdict: "no" if verdict is REVERSED else "")
    assert judge([both])[0].verdict is REFUTED
    none = looks_of(((1, 0.001, 0.001), 1.0), doubt=lambda _, verdict: f"not {verdict}")
    (judged,) = judge([none])
    assert (judged.verdict, judged.doubt, judged.doubted) == (UNDECIDED, "not reversed", REVERSED)


# Simulated truth


def test_a_difference_of_just_the_amount_is_rarely_refuted_and_a_smaller_one_is():
    draws, rng = 400, np.random.default_rng(4)
    assert rate(REFUTED, draws, lambda: superiority(arms(rng, 10, 3), 3.0)) <= ALPHA / 2 + 3 * (
        standard_error(ALPHA / 2, draws)
    )
    # An advantage of at least the amount is supported, and one below it refuted although it is there.
    assert rate(SUPPORTED, 100, lambda: superiority(arms(rng, 10, 8), 3.0)) > 0.95
    assert rate(REFUTED, 100, lambda: superiority(arms(rng, 10, 3), 8.0)) > 0.95
    assert rate(REFUTED, 100, lambda: superiority(arms(rng, 10, 0), 4.0)) > 0.95
    assert rate(REVERSED, 100, lambda: superiority(arms(rng, 10, -4), 4.0)) > 0.95


@pytest.mark.slow
def test_one_claim_errs_as_often_as_it_may():
    draws, rng = 2000, np.random.default_rng(0)
    wrong = 1 - rate(UNDECIDED, draws, lambda: superiority(arms(rng, 10, 0)))
    # Of the signed-rank statistic's values, the two-sided level next below 0.05 is 50 / 1024 at n = 10.
    assert abs(wrong - 50 / 1024) < 3 * standard_error(0.05, draws)


@pytest.mark.slow
def test_any_false_verdict_among_claims_is_as_rare_as_of_one():
    draws, n, rng = 600, 10, np.random.default_rng(0)
    wrong = 0
    for _ in range(draws):
        claims = [
            superiority(arms(rng, n, 0)),
            # Only one of the two pairs differs.
            superiority(arms(rng, n, 0, 3)),
            # A true claim that is found relaxes Holm's levels for the rest.
            superiority(arms(rng, n, 4)),
            # The difference is just the margin.
            equivalence(arms(rng, n, 1), 1.0),
        ]
        verdicts = [judgement.verdict for judgement in judge([one_look(each) for each in claims])]
        wrong += any(verdicts[i] is not UNDECIDED for i in (0, 1, 3)) or verdicts[2] in (REFUTED, REVERSED)
    assert wrong / draws <= ALPHA + 3 * standard_error(ALPHA, draws)
    assert wrong > 0


def test_superiority_of_all_is_rarely_supported_where_one_is_level():
    draws, rng = 300, np.random.default_rng(0)
    supported = rate(SUPPORTED, draws, lambda: superiority(arms(rng, 10, 5, 0)))
    assert abs(supported - 25 / 1024) < 3 * standard_error(0.025, draws)


def test_equivalence_at_the_margins_edge_is_rarely_supported():
    draws, rng = 300, np.random.default_rng(0)
    supported = rate(SUPPORTED, draws, lambda: equivalence(arms(rng, 10, 3), 3.0))
    assert abs(supported - 25 / 1024) < 3 * standard_error(0.025, draws)


def test_precise_arms_are_found_equivalent_and_different_ones_not():
    rng = np.random.default_rng(0)
    assert rate(SUPPORTED, 100, lambda: equivalence(arms(rng, 10, 0, 0.1), 3.0)) > 0.95
    assert rate(REFUTED, 100, lambda: equivalence(arms(rng, 10, 0, -5), 3.0)) > 0.95


def test_power_rises_with_seeds():
    rng = np.random.default_rng(0)
    found = [rate(SUPPORTED, 200, lambda n=n: superiority(arms(rng, n, 0.8))) for n in (5, 10, 20, 40)]
    # Five seeds can support nothing: the smallest p-value is 2 / 2^5 > 0.05.
    assert found[0] == 0
    assert found[0] < found[1] < found[2] < found[3]
    assert found[3] > 0.95


# Tests and means that disagree

DISAGREES = "mean difference does not agree with its test: a few seeds are far off"


def judged_by(*differences, margin=None, by=0.0):
    """The judgement of a claim about pairs with these differences."""
    pairs = [(each, np.zeros(len(each))) for each in differences]
    evidence = superiority(pairs, by) if margin is None else equivalence(pairs, margin)
    return judge([one_look(evidence)])[0]


def test_a_verdict_does_not_disagree_with_its_mean():
    # The case that was supported with a mean of -0.9 points.
    collapsing = np.array([0.1] * 18 + [-10.0] * 2)
    judgement = judged_by(collapsing)
    assert (judgement.verdict, judgement.doubt) == (UNDECIDED, f"the {DISAGREES}")
    assert (judgement.doubted, judgement.p_value <= ALPHA) == (SUPPORTED, True)
    against = judged_by(-collapsing)
    assert (against.verdict, against.doubt, against.doubted) == (UNDECIDED, f"the {DISAGREES}", REVERSED)
    # All pairs must support a claim.
    assert judged_by(collapsing, [0.1] * 20).doubt == f"a {DISAGREES}"
    level = judged_by([0.1] * 18 + [-0.9] * 2)
    assert level.doubt == f"the {DISAGREES}"
    agreeing = judged_by([0.1] * 18 + [-0.8] * 2)
    assert (agreeing.verdict, agreeing.doubt) == (SUPPORTED, "")


def test_one_pair_whose_mean_agrees_reverses_a_claim():
    collapsing = [-0.1] * 19 + [10.0]
    assert judged_by(collapsing, [-0.1] * 20).verdict is REVERSED
    # The pair with the smallest p-value does not agree, but another that is significant does.
    weaker = [-0.1] * 18 + [0.3] * 2
    assert paired_difference(collapsing, [0] * 20).p_less < paired_difference(weaker, [0] * 20).p_less
    assert judged_by(collapsing, weaker).verdict is REVERSED
    # A mean that agrees does not count where its test is not significant.
    insignificant = [-1.0] * 3 + [0.1] * 17
    assert np.mean(insignificant) < 0
    assert judged_by(collapsing, insignificant).doubt == f"a {DISAGREES}"


def test_what_refutes_agrees_with_its_mean():
    # The typical difference is below 1, the mean above it.
    far_above = np.array([0.5] * 18 + [10.0] * 2)
    assert paired_difference(far_above, np.zeros(20)).mean == pytest.approx(1.45)
    # Not refuted, but it is supported: both its typical difference and its mean are above 0.
    assert judged_by(far_above, by=1.0).verdict is SUPPORTED
    assert judged_by(far_above, by=1.5).verdict is REFUTED
    # Nothing else is left of one that is below 0, except for its mean.
    below = np.array([-0.5] * 18 + [10.0] * 2)
    assert judged_by(below, by=0.5).doubt == f"the {DISAGREES}"
    # The mean is above 0, so it is not reversed, but it is below the amount.
    judgement = judged_by(below, by=0.6)
    assert (np.mean(below) > 0, judgement.verdict) == (True, REFUTED)


def test_equivalence_agrees_with_its_mean():
    assert judged_by([0.0] * 18 + [30.0] * 2, margin=1.0).doubt == f"a {DISAGREES}"
    assert judged_by([0.0] * 18 + [5.0] * 2, margin=1.0).verdict is SUPPORTED
    assert judged_by([2.0] * 18 + [-15.0] * 2, margin=1.0).doubt == f"a {DISAGREES}"
    assert judged_by([2.0] * 18 + [-5.0] * 2, margin=1.0).verdict is REFUTED


def test_verdicts_on_seeds_that_diverge():
    # All seeds of the worse arm diverged.
    assert judged_by([math.inf] * 8, by=1.0).verdict is SUPPORTED
    assert judged_by([-math.inf] * 8, by=1.0).verdict is REVERSED
    assert judged_by([-math.inf] * 8, margin=1.0).verdict is REFUTED
    assert judged_by([0.1] * 18 + [-math.inf] * 2).doubt == f"the {DISAGREES}"
    assert judged_by([0.1] * 18 + [-math.inf] * 2, margin=1.0).doubt == f"a {DISAGREES}"
    undefined = judged_by([0.1] * 17 + [math.inf, math.inf, -math.inf])
    assert undefined.doubt == "the mean difference is undefined: seeds of both arms diverged"


def test_collapses_that_are_seen_in_the_mean_support_nothing():
    # The true mean is 0: a tenth of the seeds collapse, and the rest gain a little.
    draws, n, rng = 400, 20, np.random.default_rng(0)
    before = after = 0
    for _ in range(draws):
        differences = np.where(rng.random(n) < 0.1, -0.9, 0.1)
        before += paired_difference(differences, np.zeros(n)).p_greater <= ALPHA / 2
        after += judged_by(differences).verdict is SUPPORTED
    # The ranks alone support the claim with at most two collapses, and the means with fewer than two.
    chance = scipy_stats.binom(n, 0.1).cdf
    assert abs(before / draws - chance(2)) < 3 * standard_error(chance(2), draws)
    assert abs(after / draws - chance(1)) < 3 * standard_error(chance(1), draws)

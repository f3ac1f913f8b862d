"""Statistics against scipy, longhand and simulated truth.

Simulations fix their number of draws and seed; a rate is held to within three standard errors of its truth.
"""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from sweeps.analysis.stats import (
    ALPHA,
    area_under,
    crossing_time,
    detectable,
    holm,
    one_sided_tests,
    paired_difference,
    reached_by,
    summarise,
)
from tests.rates import standard_error

pytestmark = pytest.mark.filterwarnings("error")

# A grid of a thousandth, as accuracies have: ties and zeros are frequent.
scores = st.lists(st.tuples(*[st.integers(0, 1000).map(lambda k: k / 1000)] * 2), min_size=1, max_size=9)
few_scores = st.lists(st.tuples(*[st.integers(0, 5).map(lambda k: k / 1000)] * 2), min_size=1, max_size=9)
# 1 minus the level of an interval.
errors = st.sampled_from([0.001, 0.01, 0.05, 0.2])
p_values = st.lists(st.floats(0, 1), min_size=1, max_size=6)
reaching = st.lists(st.none() | st.integers(4, 80).map(lambda k: k / 4), min_size=1, max_size=12)
# Differences in thousandths; a seed that diverged makes one infinite.
thousandths = st.lists(st.integers(-9, 9), min_size=1, max_size=12)
infinite = st.sampled_from([-math.inf, math.inf])
diverging = st.lists(st.integers(-9, 9) | infinite, min_size=1, max_size=12)
# A curve: scores in hundredths at epochs that ascend from 1.
curves = st.lists(st.tuples(st.integers(1, 4), st.integers(-100, 100)), min_size=1, max_size=8).map(
    lambda steps: (
        [1 + sum(step for step, _ in steps[:k]) for k in range(len(steps))],
        [score / 100 for _, score in steps],
    )
)


# Summaries and differences


def test_summary_is_scipys_t_interval():
    values = [0.91, 0.93, 0.88, 0.95, 0.90]
    interval = scipy_stats.ttest_1samp(values, 0).confidence_interval(0.95)
    summary = summarise(values)
    assert (summary.n, summary.mean) == (5, pytest.approx(0.914))
    assert summary.std == pytest.approx(np.std(values, ddof=1))
    assert (summary.low, summary.high) == pytest.approx((interval.low, interval.high))


def test_summary_of_few_or_equal_values():
    none = summarise([])
    assert all(map(math.isnan, (none.mean, none.std, none.low, none.high)))
    one = summarise([0.3])
    assert (one.n, one.mean) == (1, 0.3)
    assert all(map(math.isnan, (one.std, one.low, one.high)))
    assert tuple(vars(summarise([0.1] * 7)).values()) == (7, 0.1, 0.0, 0.1, 0.1, ALPHA)


@pytest.mark.parametrize(
    ("values", "mean"),
    [
        ([0.5, math.inf], math.inf),
        ([-math.inf] * 3, -math.inf),
        ([-math.inf], -math.inf),
        ([math.inf, 1, -math.inf], math.nan),
    ],
)
def test_summary_of_infinite_values(values, mean):
    summary = summarise(values)
    assert summary.mean == pytest.approx(mean, nan_ok=True)
    assert all(map(math.isnan, (summary.std, summary.low, summary.high)))


@given(scores, errors)
def test_intervals_of_fractions_lie_within_the_bounds_and_are_otherwise_those_of_scipy(pairs, error):
    first, second = np.array(pairs).T
    summary = summarise(first, error=error, bounds=(0, 1))
    difference = paired_difference(first, second, error=error, bounds=(-1, 1))
    assert summary.error == difference.error == error
    assert -1 <= difference.typical_low <= difference.typical <= difference.typical_high <= 1
    if len(pairs) > 1 and summary.std > 0 and difference.std > 0:
        assert 0 <= summary.low <= summary.mean <= summary.high <= 1
        assert -1 <= difference.low <= difference.mean <= difference.high <= 1
        for found, values, bounds in ((summary, first, (0, 1)), (difference, first - second, (-1, 1))):
            whole = scipy_stats.ttest_1samp(values, 0).confidence_interval(1 - error)
            cut = np.clip((whole.low, whole.high), *bounds)
            assert (found.low, found.high) == pytest.approx(tuple(cut), abs=1e-9)


def test_two_seeds_give_no_fraction_above_1():
    summary = summarise([0.99, 1.0], bounds=(0, 1))
    # Before it is cut, the interval is 0.995 -+ 12.706 * 0.005.
    assert (summary.low, summary.high) == (pytest.approx(0.93147, abs=1e-5), 1)
    difference = paired_difference([0.99, 1.0], [0.01, 0.0], bounds=(-1, 1))
    assert difference.high == difference.typical_high == 1


@given(scores)
def test_a_wider_level_contains_a_narrower_one(pairs):
    first, second = np.array(pairs).T
    for bounds in ((-math.inf, math.inf), (-1, 1)):
        wide, narrow = (paired_difference(first, second, error=e, bounds=bounds) for e in (0.01, 0.05))
        assert wide.typical_low <= narrow.typical_low <= narrow.typical_high <= wide.typical_high
        if len(pairs) > 1:
            assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_a_value_beyond_the_bounds_takes_their_place():
    summary = summarise([0.5, 1.1], bounds=(0, 1))
    assert (summary.low, summary.high) == (0, 1.1)
    # That seeds diverge is possible too, on their side.
    few = paired_difference([-math.inf, 0.5, 0.6], [0.4, 0.4, 0.4], bounds=(-1, 1))
    assert (few.typical_low, few.typical_high) == (-math.inf, 1)


def by_enumeration(differences):
    """Signed-rank p-values by all sign flips, after Pratt."""
    ranks = scipy_stats.rankdata(np.abs(differences)) * (differences != 0)
    flips = np.array(list(itertools.product((0, 1), repeat=len(ranks)))) @ ranks
    observed = ranks @ (differences > 0)
    return np.mean(flips >= observed - 1e-9), np.mean(flips <= observed + 1e-9)


@given(few_scores)
@settings(max_examples=60, deadline=None)
def test_p_values_are_exact_with_ties_and_zeros(pairs):
    first, second = np.array(pairs).T
    thousandths = np.rint(1000 * first) - np.rint(1000 * second)
    result = paired_difference(first, second)
    assert (result.p_greater, result.p_less) == pytest.approx(by_enumeration(thousandths))


@pytest.mark.parametrize("n", [1, 5, 10, 40])
def test_p_values_are_scipys_without_ties(n):
    first, second = np.random.default_rng(n).normal(size=(2, n))
    result = paired_difference(first, second)
    greater = scipy_stats.wilcoxon(first, second, alternative="greater", method="exact").pvalue
    less = scipy_stats.wilcoxon(first, second, alternative="less", method="exact").pvalue
    both = scipy_stats.wilcoxon(first, second, method="exact").pvalue
    assert (result.p_greater, result.p_less, result.p_value) == pytest.approx((greater, less, both))


def test_difference_of_few_or_equal_scores():
    empty = paired_difference([], [])
    assert math.isnan(empty.mean)
    assert (empty.n, empty.p_greater, empty.p_less, empty.p_value) == (0, 1, 1, 1)
    equal = paired_difference([0.5, 0.6, 0.7], [0.5, 0.6, 0.7])
    assert (equal.mean, equal.std, equal.effect_size, equal.p_greater, equal.p_less) == (0, 0, 0, 1, 1)
    one = paired_difference([0.5], [0.4])
    assert (one.n, one.p_greater, one.p_less) == (1, 0.5, 1)
    # In floating point, 0.3 - 0.2, 0.2 - 0.1 and 0.8 - 0.7 are three numbers.
    shifted = paired_difference([0.3, 0.2, 0.8], [0.2, 0.1, 0.7])
    assert (shifted.std, shifted.effect_size, shifted.p_greater) == (0, math.inf, 0.125)


def test_seeds_that_diverge_rank_as_worst():
    infinity = math.inf
    # The differences are 0.1, 0.2, 0 as both diverged, and inf twice.
    first, second = [0.5, 0.7, -infinity, 0.1, 0.9], [0.4, 0.5, -infinity, -infinity, -infinity]
    result = paired_difference(first, second)
    finite = paired_difference([0.1, 0.2, 0, 7, 7], [0] * 5)
    assert (result.n, result.mean, result.p_greater, result.p_less) == (5, infinity, 1 / 16, 1)
    assert (result.p_greater, result.p_less) == (finite.p_greater, finite.p_less)
    assert all(map(math.isnan, (result.std, result.low, result.high, result.effect_size)))
    assert paired_difference([infinity, 1, -infinity], [0, 0, infinity]).p_greater == 1 / 2
    assert math.isnan(paired_difference([infinity, 1], [0, infinity]).mean)


@given(diverging)
@settings(max_examples=60, deadline=None)
def test_infinite_differences_rank_as_any_that_are_larger_than_the_rest(differences):
    large = np.clip(differences, -1000, 1000)
    zeros = np.zeros(len(large))
    here, there = (paired_difference(np.array(each) / 1000, zeros) for each in (differences, large))
    assert (here.p_greater, here.p_less) == (there.p_greater, there.p_less)
    # Less an amount, an infinite difference is still the largest.
    for amount in (-10, 10):
        p_values, _ = one_sided_tests(np.array(differences) / 1000, zeros, amount / 1000)
        shifted = paired_difference(np.clip(np.array(differences, float) - amount, -1000, 1000), zeros)
        assert p_values == (shifted.p_greater, shifted.p_less)


def test_unpaired_or_missing_scores_are_refused():
    with pytest.raises(ValueError, match=r"of one length, not shapes \(2,\) and \(3,\)"):
        paired_difference([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match=r"must not be NaN: give .* the worst score"):
        paired_difference([1, math.nan], [1, 2])


@given(scores, st.floats(-10, 10), st.floats(0.1, 100))
@settings(max_examples=60, deadline=None)
def test_differences_follow_shift_and_scale_and_swap(pairs, shift, scale):
    first, second = np.array(pairs).T
    here = paired_difference(first, second)
    there = paired_difference(scale * first + shift, scale * second + shift)
    assert (there.mean, there.std) == pytest.approx(
        (scale * here.mean, scale * here.std), abs=1e-9, nan_ok=True
    )
    assert (there.p_greater, there.p_less) == (here.p_greater, here.p_less)
    swapped = paired_difference(second, first)
    assert (swapped.p_greater, swapped.p_less, swapped.p_value) == (here.p_less, here.p_greater, here.p_value)
    assert (swapped.low, swapped.high) == pytest.approx((-here.high, -here.low), nan_ok=True)
    assert swapped.effect_size == pytest.approx(-here.effect_size, nan_ok=True)


def test_a_larger_sample_is_not_less_significant():
    # In Pratt's example, dropping the zero makes the larger sample less significant (0.0171).
    larger = np.array([0, 2, 3, 4, 6, 7, 8, 9, 11, 14, 15, 17, -18])
    p, dropped, smaller = (
        paired_difference(each, np.zeros(len(each))).p_greater for each in (larger, larger[1:], larger - 0.5)
    )
    assert p < smaller < dropped


@given(scores, st.randoms())
@settings(max_examples=30, deadline=None)
def test_the_order_of_seeds_does_not_matter(pairs, random):
    shuffled = random.sample(pairs, len(pairs))
    here, there = (paired_difference(*np.array(each).T) for each in (pairs, shuffled))
    assert list(vars(here).values()) == pytest.approx(list(vars(there).values()), abs=1e-9, nan_ok=True)


def test_effect_size_is_unbiased():
    draws, n, truth = 3000, 5, 1.0
    samples = np.random.default_rng(0).normal(truth, 1, (draws, n))
    estimates = [paired_difference(sample, np.zeros(n)).effect_size for sample in samples]
    assert abs(np.mean(estimates) - truth) < 3 * np.std(estimates) / math.sqrt(draws)


@pytest.mark.parametrize("n", [3, 4, 10, 200])
def test_effect_size_is_cohens_with_hedges_correction_longhand(n):
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    m = n - 1
    correction = math.exp(math.lgamma(m / 2) - math.lgamma((m - 1) / 2)) / math.sqrt(m / 2)
    effect_size = paired_difference(differences, np.zeros(n)).effect_size
    expected = correction * differences.mean() / differences.std(ddof=1)
    assert effect_size == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("n", [5, 10])
def test_coverage_of_normal_means(n):
    draws = 3000
    samples = np.random.default_rng(n).normal(0.7, 2, (draws, n))
    covered = np.mean([summary.low <= 0.7 <= summary.high for summary in map(summarise, samples)])
    assert abs(covered - 0.95) < 3 * standard_error(0.95, draws)


def test_coverage_of_differences_of_skewed_scores():
    # Errors are skewed; over paired seeds of two arms the skew of their difference is small.
    draws, n = 2000, 10
    first, second = np.random.default_rng(0).gamma(2, (1, 1.5), (draws, n, 2)).transpose(2, 0, 1)
    results = [paired_difference(a, b) for a, b in zip(first, second, strict=True)]
    covered = np.mean([result.low <= 2 * (1 - 1.5) <= result.high for result in results])
    assert 0.93 < covered < 0.97


# The typical difference


def of_thousandths(differences, error=ALPHA):
    """A paired difference whose scores are sums of thousandths, with their rounding errors."""
    second = np.arange(len(differences)) / 1000
    return paired_difference(second + np.array(differences) / 1000, second, error=error)


def test_typical_difference_by_hand():
    # The Walsh averages are 0, 0.5, 1, 3, 3.5 and 6.
    few = of_thousandths([0, 1, 6])
    assert few.typical == pytest.approx(0.002)
    assert (few.typical_low, few.typical_high) == (-math.inf, math.inf)
    # Of six differences, only shifts beyond the smallest or the largest make all signs equal.
    six = of_thousandths([1, 2, 4, 8, 16, 32])
    assert (six.typical_low, six.typical_high) == (pytest.approx(0.001), pytest.approx(0.032))
    equal = of_thousandths([3] * 6)
    assert (equal.typical, equal.typical_low, equal.typical_high) == pytest.approx((0.003,) * 3)
    level = of_thousandths([0] * 6)
    assert (level.typical, level.typical_low, level.typical_high) == (0, 0, 0)
    assert math.isnan(paired_difference([], []).typical)


def test_typical_difference_of_diverged_seeds():
    def typical(*differences):
        result = of_thousandths(differences)
        return result.typical, result.typical_low, result.typical_high

    infinity = math.inf
    assert typical(*[-infinity] * 6) == (-infinity, -infinity, -infinity)
    # It does not matter how far one of ten seeds is off, except for the end on its side.
    estimate, low, high = typical(*range(9), -infinity)
    assert low == -infinity
    assert (estimate, high) == pytest.approx(typical(*range(9), -1e6)[::2])
    # The average of the two infinities is left out, which leaves -inf twice, 0.001 and inf twice.
    assert typical(-infinity, 1, infinity)[0] == pytest.approx(0.001)
    assert math.isnan(typical(-infinity, infinity)[0])


@given(thousandths | diverging, errors)
@settings(max_examples=200, deadline=None)
def test_the_interval_of_the_typical_difference_agrees_with_the_test(differences, error):
    result = of_thousandths(differences, error)
    if not math.isnan(result.typical):
        assert result.typical_low <= result.typical <= result.typical_high
    outside = not result.typical_low <= 0 <= result.typical_high
    assert outside == (result.p_value <= error)


def test_an_end_that_the_test_rejects_is_outside():
    # The median of the Walsh averages is 0, but six differences of one sign are significant.
    result = of_thousandths([0] * 15 + [1, 2, 3, 4, 5, 6])
    assert result.p_value == 2 / 2**6
    assert 0 < result.typical_low == result.typical < 1e-300


@given(thousandths | diverging, st.integers(-20, 20))
@settings(max_examples=60, deadline=None)
def test_the_typical_difference_follows_shift_and_swap(differences, shift):
    def typical(values):
        result = of_thousandths(values)
        return np.array([result.typical, result.typical_low, result.typical_high])

    here = typical(differences)
    shifted = typical([difference + shift for difference in differences])
    assert shifted == pytest.approx(here + shift / 1000, abs=1e-12, nan_ok=True)
    swapped = typical([-difference for difference in differences])
    assert swapped[[0, 2, 1]] == pytest.approx(-here, abs=1e-12, nan_ok=True)


@given(st.lists(st.integers(-5, 5), min_size=8, max_size=9), st.sampled_from([0.01, 0.05, 0.2]))
@settings(max_examples=25, deadline=None)
def test_the_interval_inverts_the_test_longhand(differences, error):
    # Signs and ranks change only at halves: the quarters stand for the gaps between these.
    shifts = np.arange(-24, 25) / 4
    p_values = [2 * min(by_enumeration(np.array(differences) - shift)) for shift in shifts]
    kept = shifts[np.array(p_values) > error]
    # A gap has the halves beside it as its ends.
    low, high = np.floor(2 * kept.min()) / 2, np.ceil(2 * kept.max()) / 2
    result = of_thousandths(differences, error)
    assert (1000 * result.typical_low, 1000 * result.typical_high) == pytest.approx((low, high), abs=1e-9)
    walsh = [(one + other) / 2 for one, other in itertools.combinations_with_replacement(differences, 2)]
    assert 1000 * result.typical == pytest.approx(np.median(walsh), abs=1e-9)


@pytest.mark.parametrize("n", [6, 12, 30, 100])
def test_scipys_test_rejects_just_beyond_the_interval(n):
    differences = np.random.default_rng(n).normal(0.3, 1, n)
    result = paired_difference(differences, np.zeros(n))

    def p_value(shift):
        return scipy_stats.wilcoxon(differences - shift, method="exact").pvalue

    step = 1e-9
    assert p_value(result.typical_low - step) <= ALPHA < p_value(result.typical_low + step)
    assert p_value(result.typical_high + step) <= ALPHA < p_value(result.typical_high - step)


@pytest.mark.parametrize("law", ["normal", "standard_cauchy", "grid"])
def test_coverage_of_the_typical_difference(law):
    draws, n, rng = 1000, 10, np.random.default_rng(0)
    samples = rng.integers(-3, 4, (draws, n)) if law == "grid" else getattr(rng, law)(size=(draws, n))
    results = [paired_difference(sample, np.zeros(n)) for sample in samples]
    covered = np.mean([result.typical_low <= 0 <= result.typical_high for result in results])
    # The level next below 0.05 is 50 / 1024 at n = 10 without ties.
    assert covered >= 1 - ALPHA - 3 * standard_error(ALPHA, draws)
    assert law == "grid" or abs(covered - (1 - 50 / 1024)) < 3 * standard_error(ALPHA, draws)


# Several p-values


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []


@given(p_values)
def test_holm_is_the_closed_test_of_bonferroni(p):
    """A hypothesis is rejected if every intersection that it is part of is, each by Bonferroni's test."""
    adjusted = holm(p)
    for i, value in enumerate(adjusted):
        groups = (g for size in range(1, len(p) + 1) for g in itertools.combinations(range(len(p)), size))
        closed = max(min(1, len(g) * min(p[j] for j in g)) for g in groups if i in g)
        assert value == pytest.approx(closed)
        assert p[i] <= value <= min(1, len(p) * p[i]) * (1 + 1e-12)


@given(p_values, st.randoms())
def test_holm_keeps_order_and_follows_permutations(p, random):
    adjusted = holm(p)
    assert all(adjusted[i] <= adjusted[j] for i in range(len(p)) for j in range(len(p)) if p[i] <= p[j])
    order = random.sample(range(len(p)), len(p))
    assert holm([p[i] for i in order]) == [adjusted[i] for i in order]


# What can be detected


@pytest.mark.parametrize("error", [0.05, 0.05 / 3, 0.001])
@pytest.mark.parametrize("seeds", [13, 20, 160])
def test_what_can_be_detected_has_the_power_of_a_t_test(seeds, error):
    n = seeds * 3 / math.pi
    critical = scipy_stats.t.isf(error / 2, n - 1)
    assert scipy_stats.nct.sf(critical, n - 1, detectable(seeds, error) * n**0.5) == pytest.approx(0.8)


@pytest.mark.parametrize("seeds", [13, 40])
def test_what_can_be_detected_is_detected_in_four_of_five_simulations(seeds):
    draws, error = 1500, 0.01
    differences = np.random.default_rng(0).normal(detectable(seeds, error), 1, (draws, seeds))
    found = np.mean([paired_difference(row, np.zeros(seeds)).p_value <= error for row in differences])
    # The efficiency of signed ranks is that of many seeds: with few, the power is close to 0.8.
    assert abs(found - 0.8) < 0.03 + 3 * standard_error(0.8, draws)
    # A t test has that power with 3 / pi of the seeds, so more with all of them.
    by_t = scipy_stats.ttest_1samp(differences, 0, axis=1).pvalue <= error
    assert 0.8 - 3 * standard_error(0.8, draws) < np.mean(by_t) < 0.9


def test_nothing_can_be_detected_where_no_result_decides():
    assert 2 / 2**6 < 0.05 < 2 / 2**5
    assert detectable(5, 0.05) == detectable(1, 0.05) == math.inf
    assert math.isfinite(detectable(6, 0.05))
    assert detectable(6, 0.05) > detectable(7, 0.05) > detectable(8, 0.05)
    assert detectable(20, 0.01) > detectable(20, 0.05)


@given(scores, st.integers(-5, 5))
@settings(max_examples=60, deadline=None)
def test_one_sided_tests_are_those_of_the_differences_less_the_amount(pairs, thousandths):
    amount = thousandths / 1000
    first, second = np.array(pairs).T
    p_values, mean = one_sided_tests(first, second, amount)
    shifted = np.round(1000 * (first - second - amount))
    assert p_values == pytest.approx(by_enumeration(shifted))
    assert mean == pytest.approx(np.mean(first - second), abs=1e-12)
    assert one_sided_tests([], [], amount)[0] == (1, 1)


# Speed of convergence


def test_fraction_reached_by_hand():
    reached = reached_by([2, 4, None, 4], horizon=6)
    assert reached.epochs == (0, 1, 2, 4, 6)
    assert reached.fraction == (0, 0, 0.25, 0.75, 0.75)
    assert reached.median == 4
    # Wilson's bounds solve |p - k/n| = 1.96 sqrt(p (1 - p) / n).
    for p in (reached.low[3], reached.high[3]):
        assert abs(p - 0.75) == pytest.approx(1.959964 * math.sqrt(p * (1 - p) / 4), abs=1e-6)
    assert reached.low[3] < 0.75 < reached.high[3]


def test_fraction_where_none_or_all_reach():
    nobody = reached_by([None] * 5, horizon=9)
    assert (nobody.epochs, nobody.fraction, nobody.median) == ((0, 1, 9), (0, 0, 0), None)
    assert nobody.high[0] == 0 < nobody.high[1] == nobody.high[2] < 0.5
    everybody = reached_by([9] * 5, horizon=9)
    assert (everybody.epochs, everybody.fraction, everybody.median) == ((0, 1, 9), (0, 0, 1), 9)
    assert everybody.low[2] > 0.5
    assert reached_by([1], horizon=1).fraction == (0, 1)
    # Just half of the runs reach the score.
    assert reached_by([3, None], horizon=9).median == 3


def test_times_between_epochs_are_kept():
    reached = reached_by([2.25, 1.5, None], horizon=4)
    assert reached.epochs == (0, 1, 1.5, 2.25, 4)
    assert reached.fraction == pytest.approx((0, 0, 1 / 3, 2 / 3, 2 / 3))
    assert reached.median == 2.25


def test_fractions_of_nothing_or_beyond_the_horizon_are_refused():
    with pytest.raises(ValueError, match="no runs"):
        reached_by([], horizon=3)
    for times in ([3.1], [0.9], [math.nan]):
        with pytest.raises(ValueError, match="times must lie in 1 to 3, the horizon"):
            reached_by(times, horizon=3)


@given(reaching, st.integers(20, 30))
@settings(max_examples=60, deadline=None)
def test_fractions_are_kaplan_and_meiers(times, horizon):
    known = [time for time in times if time is not None]
    data = scipy_stats.CensoredData(uncensored=known, right=[horizon] * (len(times) - len(known)))
    reached = reached_by(times, horizon)
    estimate = scipy_stats.ecdf(data).cdf.evaluate(reached.epochs)
    assert reached.fraction == pytest.approx(estimate)
    assert (reached.epochs[0], reached.epochs[-1]) == (0, horizon)
    bounds = np.array([reached.low, reached.fraction, reached.high])
    assert np.all(np.diff(bounds, axis=0) >= -1e-12)
    assert np.all(np.diff(bounds, axis=1) >= 0)
    assert bounds.min() >= 0
    assert bounds.max() <= 1


@pytest.mark.parametrize("n", [5, 10])
def test_coverage_of_the_fraction_reached(n):
    # The coverage is exact: it sums over every number of runs that may reach the score.
    truths = np.linspace(0.05, 0.95, 19)
    covered = np.zeros_like(truths)
    for k in range(n + 1):
        reached = reached_by([1] * k + [None] * (n - k), horizon=1)
        inside = (reached.low[-1] <= truths) & (truths <= reached.high[-1])
        covered += inside * scipy_stats.binom.pmf(k, n, truths)
    assert covered.mean() == pytest.approx(0.95, abs=0.02)
    assert covered.min() > 0.8


def test_crossing_time_by_hand():
    epochs, rising = [1, 3, 5], [0.1, 0.5, 0.4]
    assert crossing_time(epochs, rising, 0.3, larger_is_better=True) == 2
    assert crossing_time(epochs, rising, 0.5, larger_is_better=True) == 3
    assert crossing_time(epochs, rising, 0.1, larger_is_better=True) == 1
    assert crossing_time(epochs, rising, 0.6, larger_is_better=True) is None
    # Smaller is better: the first epoch is already good enough for 0.3, and never for 0.05.
    assert crossing_time(epochs, rising, 0.3, larger_is_better=False) == 1
    assert crossing_time(epochs, rising, 0.05, larger_is_better=False) is None
    assert crossing_time(epochs, [0.9, 0.5, 0.1], 0.2, larger_is_better=False) == pytest.approx(4.5)
    assert crossing_time([], [], 0.3, larger_is_better=True) is None


def test_nothing_is_interpolated_beside_a_score_that_is_not_finite():
    for broken in (math.nan, math.inf, -math.inf):
        assert crossing_time([1, 2, 3], [0.1, broken, 0.5], 0.3, larger_is_better=True) == 3
        assert crossing_time([1, 2], [0.1, broken], 0.3, larger_is_better=True) is None
        assert crossing_time([1, 2, 3], [broken, 0.1, 0.5], 0.3, larger_is_better=True) == pytest.approx(2.5)


def refined(curve, at):
    """The same curve with one more point on it."""
    epochs, values = curve
    finer = sorted({*epochs, at})
    return finer, np.interp(finer, epochs, values)


@given(curves, st.integers(-100, 100), st.floats(0, 1))
@settings(max_examples=100, deadline=None)
def test_a_curve_is_as_good_as_the_target_first_when_it_crosses(curve, target, share):
    epochs, values = curve
    target /= 100
    time = crossing_time(epochs, values, target, larger_is_better=True)
    if time is None:
        assert max(values) < target
    else:
        assert np.interp(time, epochs, values) >= target - 1e-9
        before = np.linspace(epochs[0], time, 50, endpoint=False)
        assert time == epochs[0] or np.all(np.interp(before, epochs, values) < target + 1e-9)
    mirrored = crossing_time(epochs, [-value for value in values], -target, larger_is_better=False)
    assert mirrored == time
    # On the line exactly at the target, rounding decides: half a hundredth is never a score.
    between = target + 0.005
    finer = refined(curve, epochs[0] + share * (epochs[-1] - epochs[0]))
    here, there = (crossing_time(*each, between, larger_is_better=True) for each in (curve, finer))
    assert here == pytest.approx(there, abs=1e-9)


def test_area_by_hand():
    epochs, values = [1, 3, 5], [0.2, 0.6, 0.0]
    assert area_under(epochs, values, 1) == 0.2
    assert area_under(epochs, values, 2) == pytest.approx(0.3)
    assert area_under(epochs, values, 3) == pytest.approx(0.4)
    # 0.8 up to 3, and 0.45 up to 4.
    assert area_under(epochs, values, 4) == pytest.approx(1.25 / 3)
    assert area_under(epochs, values, 5) == pytest.approx(1.4 / 4)
    for beyond in (0.5, 5.5):
        assert area_under(epochs, values, beyond) is None
    assert area_under([], [], 1) is None
    for broken in (math.nan, math.inf):
        assert area_under(epochs, [0.2, 0.6, broken], 3) == pytest.approx(0.4)
        assert area_under(epochs, [0.2, 0.6, broken], 3.5) is None
        assert area_under(epochs, [broken, 0.6, 0.1], 3) is None


@given(curves, st.floats(0, 1), st.floats(0, 1), st.floats(-5, 5), st.floats(-5, 5))
@settings(max_examples=100, deadline=None)
def test_area_is_linear_bounded_and_of_the_curve(curve, share, at, slope, offset):
    epochs, values = curve
    span = epochs[-1] - epochs[0]
    until = epochs[0] + share * span
    area = area_under(epochs, values, until)
    assert min(values) - 1e-9 <= area <= max(values) + 1e-9
    moved = [slope * value + offset for value in values]
    assert area_under(epochs, moved, until) == pytest.approx(slope * area + offset, abs=1e-9)
    finer = refined(curve, epochs[0] + at * span)
    assert area_under(*finer, until) == pytest.approx(area, abs=1e-9)
    # The midpoints of many short steps estimate the mean height too.
    middle = epochs[0] + (np.arange(20_000) + 0.5) / 20_000 * (until - epochs[0])
    assert area == pytest.approx(np.interp(middle, epochs, values).mean(), abs=1e-3)

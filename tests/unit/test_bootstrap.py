"""Intervals beyond the test set against resampling, simulated truth, and what the seeds alone say."""

import dataclasses
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats as scipy_stats

from sweeps.analysis.arms import Arm
from sweeps.analysis.bootstrap import _variance, beyond_test_set, correctness
from sweeps.analysis.stats import paired_difference
from sweeps.record.correctness import packed, unpacked
from sweeps.record.trials import TrialRecord

LEVEL = 0.05
shapes = st.tuples(st.integers(2, 9), st.integers(2, 40))
differences = shapes.flatmap(lambda shape: arrays.arrays(np.int8, shape, elements=st.integers(-1, 1)))


def arms_of(differences):
    """Return the correctness of two arms with these differences, of -1, 0 and 1."""
    return differences == 1, differences == -1


def effects(seeds, examples, rng, *, by_seed, by_example):
    """Draw d = first - second of two arms that are equally good on average.

    P(d = 1) = 1/4 + e and P(d = -1) = 1/4 - e, where e is the sum of a seed's and an example's effect.
    """
    effect = by_seed * rng.uniform(-1, 1, (seeds, 1)) + by_example * rng.uniform(-1, 1, (1, examples))
    uniform = rng.uniform(size=(seeds, examples))
    return (uniform < 0.25 + effect).astype(np.int8) - (uniform > 0.75 + effect)


def true_variance(seeds, examples, *, by_seed, by_example):
    """Variance of the mean of ``effects``: that of both effects, and of what is left of each difference."""
    of_seeds, of_examples = (2 * by_seed) ** 2 / 3, (2 * by_example) ** 2 / 3
    left = 0.5 - of_seeds - of_examples
    return of_seeds / seeds + of_examples / examples + left / (seeds * examples)


def test_the_variance_is_that_of_resampled_seeds_and_examples():
    rng = np.random.default_rng(0)
    seeds, examples, draws = 7, 30, 20_000
    d = effects(seeds, examples, rng, by_seed=0.1, by_example=0.15)
    rows, columns = rng.integers(seeds, size=(draws, seeds)), rng.integers(examples, size=(draws, examples))
    resampled = d[rows[:, :, None], columns[:, None, :]].mean(axis=(1, 2))
    expected = resampled.var() / ((1 - 1 / seeds) * (1 - 1 / examples))
    # The variance of nearly normal means is known to a standard error of 1% from these draws.
    assert _variance(d) == pytest.approx(expected, rel=0.03)


@given(differences)
def test_the_variance_is_the_second_moment_of_the_counts_written_out(d):
    """With counts r of seeds and c of examples, E[r r'] = (1 - 1/S) 11' + I, and so for c."""
    seeds, examples = d.shape
    of_rows = (1 - 1 / seeds) + np.eye(seeds)
    of_columns = (1 - 1 / examples) + np.eye(examples)
    # The square of r' d c is the trace of (r r') d (c c') d'.
    second = np.trace(of_rows @ d @ of_columns @ d.T)
    variance = second / d.size**2 - d.mean() ** 2
    assert _variance(d) == pytest.approx(variance / ((1 - 1 / seeds) * (1 - 1 / examples)), abs=1e-12)


def test_the_variance_is_the_true_one_of_made_seed_and_example_effects():
    rng, shape, size = np.random.default_rng(1), (20, 200), {"by_seed": 0.1, "by_example": 0.15}
    studies = [effects(*shape, rng, **size) for _ in range(400)]
    found, truth = np.mean([_variance(d) for d in studies]), true_variance(*shape, **size)
    assert np.var([d.mean() for d in studies]) == pytest.approx(truth, rel=0.2)
    # What is left of each difference counts up to three times (Owen 2007), so the estimate is conservative.
    assert truth < found < truth + 2.2 * 0.5 / (20 * 200)


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((5, 100), {"by_seed": 0.12, "by_example": 0.0}),
        ((13, 400), {"by_seed": 0.02, "by_example": 0.22}),
        ((40, 60), {"by_seed": 0.0, "by_example": 0.0}),
        ((13, 400), {"by_seed": 0.1, "by_example": 0.1}),
    ],
)
def test_intervals_cover_the_truth_for_new_seeds_and_examples(shape, size):
    rng, studies = np.random.default_rng(2), 500
    intervals = [beyond_test_set(*arms_of(effects(*shape, rng, **size)), LEVEL) for _ in range(studies)]
    covered = np.mean([low <= 0 <= high for _, low, high in intervals])
    assert covered >= 0.95 - 3 * (0.05 * 0.95 / studies) ** 0.5


def test_an_interval_for_seeds_alone_misses_the_truth_for_new_examples():
    """This is what the second interval is for."""
    rng, missed = np.random.default_rng(3), 0
    for _ in range(200):
        d = effects(40, 400, rng, by_seed=0.02, by_example=0.22)
        of_seeds = paired_difference(*(arm.mean(axis=1) for arm in arms_of(d)))
        missed += not of_seeds.low <= 0 <= of_seeds.high
    assert missed > 0.2 * 200


@given(differences)
def test_the_interval_is_never_narrower_than_that_of_the_seeds(d):
    mean, low, high = beyond_test_set(*arms_of(d), LEVEL)
    of_seeds = paired_difference(*(arm.mean(axis=1) for arm in arms_of(d)))
    assert mean == pytest.approx(of_seeds.mean, abs=1e-12)
    assert low <= max(-1, of_seeds.low) + 1e-9
    assert high >= min(1, of_seeds.high) - 1e-9


@given(differences, st.sampled_from([0.05, 0.002]))
@settings(max_examples=50)
def test_the_interval_is_symmetric_in_the_arms_and_stays_within_the_range_of_a_difference(d, level):
    first, second = arms_of(d)
    mean, low, high = beyond_test_set(first, second, level)
    assert -1 <= low <= mean <= high <= 1
    assert beyond_test_set(second, first, level) == pytest.approx((-mean, -high, -low))


def test_the_ends_are_at_quantiles_of_student():
    d = effects(6, 500, np.random.default_rng(4), by_seed=0.1, by_example=0.1)
    mean, low, high = beyond_test_set(*arms_of(d), 0.01)
    half = scipy_stats.t(5).ppf(0.995) * _variance(d) ** 0.5
    assert (low, high) == pytest.approx((mean - half, mean + half))


def test_equal_arms_differ_by_exactly_nothing():
    arm = np.random.default_rng(5).random((4, 50)) < 0.9
    assert beyond_test_set(arm, arm, LEVEL) == (0, 0, 0)


@pytest.mark.parametrize("shape", [(1, 50), (50, 1)])
def test_one_seed_or_one_example_has_no_interval(shape):
    mean, low, high = beyond_test_set(np.ones(shape, bool), np.zeros(shape, bool), LEVEL)
    assert mean == 1
    assert np.isnan([low, high]).all()


@pytest.mark.parametrize(("first", "second"), [((2, 3), (2, 4)), ((3,), (3,)), ((0, 3), (0, 3))])
def test_what_is_not_seeds_by_examples_is_refused(first, second):
    with pytest.raises(ValueError, match=r"two arrays of shape \(seeds, examples\), not"):
        beyond_test_set(np.ones(first, bool), np.ones(second, bool), LEVEL)


# Correctness of arms


def trial(seed, correct, status="finished"):
    known = None if correct is None else packed(np.array(correct, bool))
    return TrialRecord("0001", 1, "none", seed, {}, 0, status=status, correct=known)


@given(st.lists(st.booleans(), max_size=40))
def test_packing_keeps_every_bit_through_json(bits):
    stored = json.loads(json.dumps(packed(np.array(bits, bool))))
    assert unpacked(stored).dtype == bool
    assert unpacked(stored).tolist() == bits
    assert len(stored["bits"]) == 4 * -(-len(bits) // 24)


def test_arms_are_paired_by_their_shared_seeds():
    first = Arm("all", {}, [trial(3, [1, 1, 0]), trial(1, [0, 0, 1]), trial(2, None, "failed")])
    second = Arm("none", {}, [trial(seed, [seed == 1, 0, 0]) for seed in (1, 2, 3, 4)])
    found = correctness(first, second)
    assert [each.astype(int).tolist() for each in found] == [[[0, 0, 1], [1, 1, 0]], [[1, 0, 0], [0, 0, 0]]]


@pytest.mark.parametrize(
    "odd",
    [
        trial(1, None),
        trial(1, None, "diverged"),
        trial(1, [1, 0]),
        trial(3, [1, 0, 1]),
        trial(1, [1, 0, 1], "running"),
    ],
    ids=["recorded by an earlier version", "diverged", "another test split", "no shared seed", "open"],
)
def test_arms_without_comparable_correctness_have_none(odd):
    whole = [trial(1, [1, 0, 1])]
    assert correctness(Arm("all", {}, whole), Arm("none", {}, [odd])) is None
    assert correctness(Arm("none", {}, [odd]), Arm("all", {}, whole)) is None
    again = dataclasses.replace(odd, seed=1, status="finished", correct=whole[0].correct)
    assert correctness(Arm("all", {}, whole), Arm("none", {}, [again])) is not None

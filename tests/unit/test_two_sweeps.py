"""Two sweeps side by side, and the interval of the difference of their differences."""

import io
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from sweeps.analysis.overlapping import difference_of_means
from sweeps.analysis.two_sweeps import compare_sweeps
from sweeps.console.tables import report_table
from sweeps.errors import SweepError
from sweeps.report.two_sweeps import comparison_tables
from tests.made_sweeps import TRUTH, made_comparison, made_grid

CLAIM = {"name": "layer wins", "metric": "test_accuracy", "better": "layer", "worse": "none"}


def sample(seeds, seed):
    rng = np.random.default_rng(seed)
    return dict(zip(seeds, rng.normal(size=len(seeds)), strict=True))


def test_without_shared_seeds_the_interval_is_that_of_welch():
    first, second = sample(range(8), 0), sample(range(8, 20), 1)
    expected = stats.ttest_ind([*second.values()], [*first.values()], equal_var=False)
    mean, *ends = difference_of_means(first, second, error=0.1)
    assert mean == pytest.approx(np.mean([*second.values()]) - np.mean([*first.values()]))
    assert ends == pytest.approx([*expected.confidence_interval(0.9)])


def test_with_the_same_seeds_it_is_that_of_the_paired_differences():
    first = sample(range(9), 0)
    second = {
        seed: 0.5 * value + noise
        for (seed, value), noise in zip(first.items(), sample(range(9), 1).values(), strict=True)
    }
    expected = stats.ttest_rel([*second.values()], [*first.values()]).confidence_interval(0.95)
    assert difference_of_means(first, second, error=0.05)[1:] == pytest.approx([*expected])


def test_with_the_same_values_it_is_exactly_zero():
    first = {seed: 1e3 + value for seed, value in sample(range(11), 0).items()}
    # The order in which trials finished does not matter.
    second = dict(reversed(first.items()))
    assert difference_of_means(first, second, error=0.05) == (0.0, 0.0, 0.0)


def test_with_some_shared_seeds_it_covers_the_truth_as_often_as_it_says():
    rng, covered, n = np.random.default_rng(5), 0, 2000
    for _ in range(n):
        shared = rng.normal(size=24)
        first = {seed: shared[seed] + rng.normal() for seed in range(16)}
        second = {seed: 0.3 + shared[seed] + 2 * rng.normal() for seed in range(8, 24)}
        _, low, high = difference_of_means(first, second, error=0.05)
        covered += low <= 0.3 <= high
    # Three standard errors.
    assert abs(covered / n - 0.95) < 3 * (0.95 * 0.05 / n) ** 0.5


def test_too_few_seeds_have_no_interval():
    assert np.isnan(difference_of_means({}, {1: 1.0}, error=0.05)).all()
    mean, *ends = difference_of_means({1: 1.0}, {1: 2.0, 2: 4.0}, error=0.05)
    assert mean == 2.0
    assert np.isnan(ends).all()
    assert difference_of_means({1: 1.0, 2: 2.0}, {1: 2.0, 2: 3.0}, error=0.05) == (1.0, 1.0, 1.0)


@pytest.fixture(scope="module")
def states():
    higher = {**TRUTH, "layer": 0.95}
    return made_comparison(CLAIM).state, made_comparison(CLAIM, truth=higher, name="other", seeds=12).state


def test_the_arms_of_two_sweeps_have_their_true_change(states):
    pairs = {pair.name: pair for pair in compare_sweeps(*states)}
    assert list(pairs) == [*TRUTH]
    assert pairs["none"].change is None
    layer, other = pairs["layer"], pairs["all"]
    assert layer.change[0] == pytest.approx(layer.second.difference.mean - layer.first.difference.mean)
    assert layer.change[1] < 0.04 < layer.change[2]
    assert other.change[1] < 0 < other.change[2]
    assert (layer.first.mean.n, layer.second.mean.n) == (10, 12)


@pytest.mark.filterwarnings("error")
def test_the_tables_name_what_differs_and_both_verdicts(states):
    keys, arms, claims = comparison_tables(*states)
    assert keys.rows == [["stages.confirm.seeds", "10", "12"]]
    assert [row[0] for row in arms.rows] == [*TRUTH]
    assert arms.rows[0][-3:] == ["", "", ""]
    ((name, first, _, second, _),) = claims.rows
    assert (name, first, second) == ("layer wins", "supported", "supported")


def test_names_of_arms_are_whole_in_160_columns(states):
    _, arms, _ = comparison_tables(*states)
    rows = [[row[0], "sigma 0.05, sigma_schedule constant", *row[2:]] for row in arms.rows]
    console = Console(width=160, file=io.StringIO())
    console.print(report_table(replace(arms, rows=rows)))
    shown = console.file.getvalue().split()
    assert {*TRUTH} <= {*shown}


def test_arms_of_grids_are_compared_at_shared_points():
    truth = {None: TRUTH, 0.1: TRUTH, 0.2: TRUTH}
    search = {"sigma": {"grid": [0.1, 0.2], "when": "noisy"}}
    first, second = made_grid().state, made_grid(truth=truth, search=search, name="other").state
    pairs = compare_sweeps(first, second)
    assert [(pair.name, pair.point) for pair in pairs] == [(arm, "sigma 0.1") for arm in TRUTH]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (
            {"compare": {"optimizer": ["sgd", "adam"]}, "search": {"lr": {"log_uniform": [0.001, 0.1]}}},
            "share no arm",
        ),
        ({"objective": {"metric": "val_loss", "mode": "min"}}, "share no metric"),
    ],
)
def test_studies_that_share_nothing_are_refused(states, changes, reason):
    from sweeps.record.state import SweepState
    from sweeps.spec.load import load_spec
    from tests.made_sweeps import comparison

    other = SweepState(load_spec(comparison(**changes)))
    with pytest.raises(SweepError, match=f"made-comparison and made-comparison {reason}"):
        compare_sweeps(states[0], other)


def test_sweeps_without_a_shared_point_are_refused(states):
    with pytest.raises(SweepError, match="share no point"):
        compare_sweeps(
            states[0], made_comparison(across={"model": ["shallow", "deep"]}, name="x", only=0).state
        )

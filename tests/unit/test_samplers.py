"""Samplers beside TPE: what they choose, computed in a second way."""

import math
import sys

import cmaes
import numpy as np
import optuna
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from sweeps.errors import SpecError
from sweeps.search.optuna import OptunaStudy, starting_points
from sweeps.search.unit_cube import coordinate, value_at
from sweeps.spec.load import load_spec
from sweeps.spec.sections import Dimension
from sweeps.spec.space import SearchSpace

optuna.logging.set_verbosity(optuna.logging.WARNING)
SIGMA = {"log_uniform": [1e-3, 1], "when": "noisy"}
LR = {"log_uniform": [1e-3, 0.1]}
LOSS = {"metric": "val_loss", "mode": "min"}


def study(sampler, *, trials=24, objective=LOSS, seed=0, **search):
    """The study of one arm, after its starting points; with them, and with its spec."""
    spec = load_spec(
        {
            "name": "study",
            "trainable": "digits",
            "compare": {"noise": ["all", "layer"]},
            "search": {"sigma": SIGMA, "lr": LR, **search},
            "stages": {"search": {"trials_per_arm": trials, "sampler": sampler}},
            "objective": objective,
            "seed": seed,
        }
    )
    tuned = spec.tuned[0]
    start = starting_points(spec, tuned)
    return OptunaStudy(spec, SearchSpace(spec, tuned), start, random=len(start)), start, spec


def loss(point):
    return abs(math.log(point["sigma"] / 0.03)) + 2 * abs(math.log(point["lr"] / 0.02))


def chosen(study, n, loss=loss):
    """Ask for n points, one after the other, and tell their losses."""
    points = []
    for number in range(n):
        points.append(study.ask(str(number)))
        study.tell(str(number), loss(points[-1]))
    return points


def coordinates(spec, point):
    return [coordinate(spec.search[name], point[name]) for name in spec.search]


# What a sampler cannot search.

LISTED = "cmaes searches ranges of numbers, and optimizer is a list: use gp, tpe, qmc or random"


@pytest.mark.parametrize(
    ("sampler", "search", "message"),
    [
        ("cmaes", {"optimizer": ["sgd", "adam"]}, LISTED),
        ("cmaes", {"optimizer": {"choice": ["sgd"], "when": {"noise": ["all"]}}}, LISTED),
        (
            "gp",
            {"momentum": {"uniform": [0, 0.9], "when": {"optimizer": ["sgd"]}}, "optimizer": ["sgd", "adam"]},
            "gp cannot search momentum, as it depends on optimizer: use tpe, qmc or random",
        ),
    ],
)
def test_what_a_sampler_cannot_search_is_refused(sampler, search, message):
    with pytest.raises(SpecError, match=f"^spec: stages.search.sampler: {message}$"):
        study(sampler, **search)
    # Other samplers do without what it needs, and it searches what depends on the arm.
    study("tpe", **search)
    study(sampler, momentum={"uniform": [0, 0.9], "when": {"noise": ["all"]}})


# The unit cube.

KINDS = [
    {"uniform": [0.2, 0.7]},
    {"log_uniform": [1e-4, 0.3]},
    {"int_uniform": [3, 7]},
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
@given(q=st.floats(0, 1))
def test_a_value_is_in_its_range_and_has_the_coordinate_that_it_comes_from(kind, q):
    dimension = Dimension(**kind)
    low, high = dimension.bounds
    assert low <= value_at(dimension, q) <= high
    # An integer stands for a fifth of the range.
    assert (
        abs(coordinate(dimension, value_at(dimension, q)) - q) <= (0.1 if "int_uniform" in kind else 0) + 1e-9
    )


@given(st.floats(0, 1))
def test_each_listed_value_has_an_equal_part_of_the_unit_interval(q):
    index = {"a": 0, "b": 1, "c": 2}[value_at(Dimension(choice=["a", "b", "c"]), q)]
    assert index / 3 - 1e-9 <= q <= (index + 1) / 3 + 1e-9


# QMC.


def test_qmc_is_a_sobol_sequence_from_its_first_point():
    study_, start, spec = study("qmc")
    points = chosen(study_, len(start) + 16)[len(start) :]
    expected = scipy.stats.qmc.Sobol(2, scramble=True, rng=0).random(16)
    assert np.allclose([coordinates(spec, point) for point in points], expected)


def test_qmc_crosses_all_dimensions_also_those_that_are_lists_or_do_not_always_apply():
    spec = load_spec(
        {
            "name": "study",
            "trainable": "digits",
            "search": {"noise": ["none", "all"], "sigma": SIGMA, "lr": LR},
            "sampler": "qmc",
            "budget": {"trials": 16},
            "objective": LOSS,
        }
    )
    study_ = OptunaStudy(spec, SearchSpace(spec), random=0)
    points = [study_.ask(str(number)) for number in range(16)]
    assert [point["noise"] for point in points].count("all") == 8
    assert all(("sigma" in point) == (point["noise"] == "all") for point in points)
    # Of eight values, each is in an eighth of its range, as a random sample hardly ever is.
    eighths = [int(8 * coordinate(spec.search["sigma"], p["sigma"])) for p in points if "sigma" in p]
    assert len(set(eighths)) >= 7
    sixteenths = [int(16 * coordinate(spec.search["lr"], point["lr"])) for point in points]
    assert sorted(sixteenths) == list(range(16))


# CMA-ES.


def test_cmaes_is_the_algorithm_run_from_the_best_starting_point():
    study_, start, spec = study("cmaes")
    points = chosen(study_, 24)
    best = min(start, key=loss)
    optimizer = cmaes.CMA(np.array(coordinates(spec, best)), 1 / 6, np.array([[0, 1], [0, 1]]))
    told = []
    for n in range(len(start), 24):
        optimizer.reseed_rng(int(np.random.SeedSequence([0, n]).generate_state(1)[0]))
        assert coordinates(spec, points[n]) == pytest.approx(optimizer.ask())
        told.append((np.array(coordinates(spec, points[n])), loss(points[n])))
        if len(told) == optimizer.population_size:
            optimizer.tell(told)
            told = []
    assert optimizer.generation == 3


def test_cmaes_searches_one_dimension():
    spec = load_spec(
        {
            "name": "study",
            "trainable": "digits",
            "search": {"lr": LR},
            "sampler": "cmaes",
            "budget": {"trials": 30},
            "objective": LOSS,
        }
    )
    points = chosen(
        OptunaStudy(spec, SearchSpace(spec), random=10), 30, lambda point: abs(math.log(point["lr"] / 0.02))
    )
    assert all(0.01 < point["lr"] < 0.04 for point in points[-4:])


# GP.


def test_gp_finds_better_points_than_it_starts_from():
    study_, start, _ = study("gp")
    points = chosen(study_, 18)
    assert min(map(loss, points)) < 0.3 * min(map(loss, start))


def test_gp_takes_ranks_so_that_a_diverged_trial_is_merely_the_worst():
    def diverging(value):
        return lambda point: loss(point) if loss(point) < 3 else value

    finite, infinite = (chosen(study("gp")[0], 11, diverging(value)) for value in (1e3, sys.float_info.max))
    assert finite == infinite
    assert any(loss(point) >= 3 for point in finite)


def test_gp_looks_elsewhere_while_a_trial_runs():
    study_, start, _ = study("gp")
    chosen(study_, len(start))
    first, second = study_.ask("a"), study_.ask("b")
    assert abs(math.log(first["lr"] / second["lr"])) + abs(math.log(first["sigma"] / second["sigma"])) > 0.1


def test_gp_has_lists():
    study_, start, _ = study("gp", trials=12, optimizer=["sgd", "adam"])
    points = chosen(study_, 12, lambda point: loss(point) + 5 * (point["optimizer"] == "sgd"))
    assert [point["optimizer"] for point in points[len(start) :]].count("sgd") <= 2


@pytest.mark.parametrize("sampler", ["random", "cmaes", "qmc", "gp"])
def test_an_arm_that_searches_nothing_has_its_one_trial(sampler):
    spec = load_spec(
        {
            "name": "study",
            "trainable": "digits",
            "compare": {"noise": ["none", "all"]},
            "search": {"sigma": SIGMA},
            "stages": {"search": {"trials_per_arm": 4, "sampler": sampler}},
            "objective": LOSS,
        }
    )
    study_ = OptunaStudy(spec, SearchSpace(spec, {"noise": "none"}), random=0)
    assert study_.ask("1") == {"noise": "none", "seed": 0}


@pytest.mark.parametrize("sampler", ["tpe", "random", "cmaes", "qmc", "gp"])
def test_a_sampler_whose_starting_points_all_failed_still_chooses(sampler):
    study_, start, _ = study(sampler, trials=6)
    for number in range(len(start)):
        study_.ask(str(number))
        study_.tell(str(number), None)
    assert study_.ask("next").keys() == {"noise", "sigma", "lr", "seed"}

"""Points of a study: those that a search chose, those that are listed, and those that are given."""

from statistics import fmean

import numpy as np
import pytest
import yaml

from sweeps import load_spec
from sweeps.analysis.advice import search_remarks
from sweeps.analysis.arms import arms_of
from sweeps.analysis.claims import judge_claims
from sweeps.record.state import SweepState
from sweeps.record.trials import CONFIRM
from sweeps.search.optuna import starting_points
from sweeps.spec.space import applicable, listed_point
from sweeps.spec.starting import n_starting_points
from tests.made_sweeps import MODES, TRUTH, MadeSweep, comparison, confirm, curve

GIVEN = {
    "name": "given",
    "trainable": "digits",
    "compare": {"noise": ["none", "layer"]},
    "stages": {
        "confirm": {"seeds": 3, "configurations": {"none": {"lr": 0.1}, "layer": {"lr": 0.05, "sigma": 0.03}}}
    },
    "objective": {"metric": "val_accuracy", "mode": "max"},
}


def at(points, *claims, top=1, **changes):
    content = comparison(*claims, compare={"noise": ["none", "layer"]}, top=top, **changes)
    content["stages"]["confirm"]["at"] = points
    return content


def test_given_configurations_survive_being_written_out():
    spec = load_spec(GIVEN)
    assert load_spec(yaml.safe_load(spec.resolved)) == spec
    state = SweepState(spec)
    assert state.searched
    assert state.n_trials == 6
    points = [{"noise": "none", "lr": 0.1}, {"noise": "layer", "lr": 0.05, "sigma": 0.03}]
    assert state.select() == points


def top_three_by_chance(seed):
    """Return the advantage of ``none`` at a listed sigma, if every trial has the same expected score."""
    claim = {
        "name": "c",
        "metric": "test_accuracy",
        "better": "none",
        "worse": "layer",
        "where": {"sigma": 0.01},
    }
    sweep, rng = MadeSweep(at({"sigma": [0.01]}, claim, top=3)), np.random.default_rng(seed)
    for index in range(5):
        sweep.trial({"noise": "none", "lr": 0.01 * (index + 1)}, 0, curve(0.9 - 0.001 * index))
        layer = {"noise": "layer", "lr": 0.01 * (index + 1), "sigma": 0.02 + 0.01 * index}
        sweep.trial(layer, 0, curve(0.9 - 0.001 * index))
    sweep.select()
    for point in sweep.state.to_confirm:
        for confirmed in sweep.spec.replicates:
            score = 0.9 + 0.01 * rng.standard_normal()
            sweep.trial(point, confirmed, curve(score, test_accuracy=score), stage=CONFIRM)
    return judge_claims(sweep.state)[0].differences[0].mean


def test_no_arm_is_the_best_of_several_at_a_listed_value():
    # The best of three configurations, judged by the seeds that choose it, would be 0.004 better by chance.
    assert abs(fmean(top_three_by_chance(seed) for seed in range(40))) < 0.002


def test_a_listed_value_that_the_search_chose_is_that_of_the_first_configuration():
    content = at({"sigma": [0.01, 0.1]}, top=2)
    content["search"]["sigma"] = {"choice": [0.01, 0.1], "when": "noisy"}
    sweep = MadeSweep(content)
    for lr in (0.01, 0.02):
        sweep.trial({"noise": "none", "lr": lr}, 0, curve(0.9))
    for sigma, score in ((0.1, 0.9), (0.01, 0.8)):
        sweep.trial({"noise": "layer", "lr": 0.01, "sigma": sigma}, 0, curve(score))
    sweep.select()
    for point in sweep.state.to_confirm:
        for seed in sweep.spec.replicates:
            # On fresh seeds, the second configuration is the better one.
            score = 0.8 if point.get("sigma") == 0.1 else 0.9
            sweep.trial(point, seed, curve(score, test_accuracy=score), stage=CONFIRM)
    for sigma in (0.01, 0.1):
        _, layer = arms_of(sweep.state, {"sigma": sigma})
        assert {trial.hyperparameters["sigma"] for trial in layer.trials} == {sigma}
    assert arms_of(sweep.state)[1].point["sigma"] == 0.01


def test_a_dimension_that_does_not_apply_to_the_choice_is_at_no_edge():
    decay = {"log_uniform": [1e-5, 1e-2], "when": {"optimizer": ["sgd"]}}
    search = {"optimizer": ["sgd", "adam"], "weight_decay": decay, **comparison()["search"]}
    sweep = MadeSweep(comparison(search=search))
    for arm in MODES:
        point = {"noise": arm, "optimizer": "adam", "lr": 0.01}
        sweep.trial(point | ({} if arm == "none" else {"sigma": 0.01}), 0, curve(0.9))
    sweep.select()
    confirm(sweep, TRUTH)
    assert not any("weight_decay" in remark for remark in search_remarks(sweep.state))


def test_a_listed_value_applies_where_the_listed_value_that_it_depends_on_says_so():
    content = at({"optimizer": ["sgd", "adam"], "momentum": [0.5, 0.9]})
    momentum = {"choice": [0.5, 0.9], "when": {"optimizer": ["sgd"]}}
    content["search"] |= {"optimizer": ["sgd", "adam"], "momentum": momentum}
    spec, point = load_spec(content), {"noise": "none", "lr": 0.01, "optimizer": "adam"}
    assert applicable(spec, {"optimizer": "sgd", "momentum": 0.5}, point) == {
        "optimizer": "sgd",
        "momentum": 0.5,
    }
    assert applicable(spec, {"optimizer": "adam", "momentum": 0.5}, point) == {"optimizer": "adam"}


def test_the_point_of_a_trial_is_known_from_its_hyperparameters():
    spec = load_spec(at({"sigma": [0.01, 0.1], "sigma_schedule": ["constant", "cosine"]}))
    layer = {"noise": "layer", "lr": 0.01, "sigma": 0.1, "sigma_schedule": "cosine"}
    found = listed_point(spec, spec.hyperparameters(layer).model_dump())
    assert found == {"sigma": 0.1, "sigma_schedule": "cosine"}
    for chosen in ({**layer, "sigma": 0.02}, {"noise": "none", "lr": 0.01}):
        assert listed_point(spec, spec.hyperparameters(chosen).model_dump()) == {}


@pytest.mark.parametrize("seed", range(4))
def test_an_arm_that_lacks_several_dimensions_has_a_starting_point(seed):
    search = {
        **comparison()["search"],
        "sigma_schedule": {"choice": ["constant", "follow_lr", "cosine"], "when": "noisy"},
        "sigma_epochs": {"int_uniform": [1, 6], "when": "noisy"},
    }
    content = comparison(search=search, seed=seed)
    content["stages"]["search"]["trials_per_arm"] = 27
    spec = load_spec(content)
    for tuned in spec.tuned:
        assert len(starting_points(spec, tuned)) == n_starting_points(spec, tuned) >= 1

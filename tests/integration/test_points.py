"""Studies with strata, listed points, given configurations and grids by arm, on Ray, Optuna and MLflow."""

import itertools
from collections import Counter

import pytest

from sweeps import resume, run
from sweeps.analysis.arms import arms_of
from sweeps.record.trials import CONFIRM, SEARCH
from tests.runs import children

pytestmark = pytest.mark.usefixtures("curves", "ray_session")

AT = {"sigma": [0.01, 0.1], "sigma_schedule": ["constant", "follow_lr"]}


def study(**changes):
    base = {
        "name": "test-points",
        "trainable": "curves",
        "compare": {"noise": ["none", "layer"]},
        "fixed": {"epochs": 2},
        "search": {"sigma": {"log_uniform": [1e-3, 0.3], "when": "noisy"}, "lr": {"uniform": [0.01, 0.1]}},
        "stages": {"search": {"trials_per_arm": 3}, "confirm": {"seeds": 2, "at": AT}},
        "objective": {"metric": "val_accuracy", "mode": "max"},
        "budget": {"concurrent": 2},
    }
    return {key: value for key, value in (base | changes).items() if value is not None}


def test_arms_are_tuned_in_every_stratum_and_confirmed_at_every_point(tmp_path):
    claim = {"name": "grows", "metric": "test_accuracy", "better": "layer", "worse": "none"}
    places = {"where": {"batch_size": 64}, "than": {"batch_size": 32}}
    result = run(study(across={"batch_size": [32, 64]}, claims=[claim | places]), storage=tmp_path)
    state = result.state
    assert result.complete
    searched = Counter((t.arm, t.hyperparameters["batch_size"]) for t in state.of_stage(SEARCH))
    assert searched == {(arm, size): 3 for arm in ("none", "layer") for size in (32, 64)}
    # In each stratum and with each seed: both arms as chosen, and one of them at four points.
    assert len(state.of_stage(CONFIRM)) == 2 * (2 + 4) * 2
    for size in (32, 64):
        chosen = {arm.name: arm for arm in arms_of(state, {"batch_size": size})}
        for sigma in AT["sigma"]:
            for schedule in AT["sigma_schedule"]:
                at = {"sigma": sigma, "sigma_schedule": schedule}
                none, layer = arms_of(state, {"batch_size": size, **at})
                assert none.trials == chosen["none"].trials
                for trial in layer.trials:
                    assert at.items() <= trial.hyperparameters.items()
                    assert trial.hyperparameters["lr"] == chosen["layer"].point["lr"]
                    assert trial.hyperparameters["batch_size"] == size
                assert [trial.seed for trial in layer.trials] == list(state.spec.replicates)
    (judged,) = result.claims
    assert judged.differences[0].n == 2
    # MLflow tells trials at a listed point from those of the search's choice.
    tags = Counter(child.data.tags.get("at") for child in children(result).values())
    points = itertools.product(AT["sigma"], AT["sigma_schedule"])
    expected = {f"sigma={sigma} sigma_schedule={schedule}": 4 for sigma, schedule in points}
    assert tags == {None: 12, "chosen": 8, **expected}
    # Nothing is left to do.
    assert resume("test-points", storage=tmp_path).state.trials.keys() == state.trials.keys()


def test_given_configurations_are_confirmed_without_a_search(tmp_path):
    configurations = {"none": {"lr": 0.1}, "layer": {"lr": 0.05, "sigma": 0.03}}
    stages = {"confirm": {"seeds": 3, "configurations": configurations}}
    result = run(study(search=None, stages=stages), storage=tmp_path)
    trials = result.state.of_stage(CONFIRM)
    assert result.complete
    assert len(result.state.trials) == len(trials) == 6
    assert {(t.arm, t.hyperparameters["lr"], t.hyperparameters["sigma"]) for t in trials} == {
        ("none", 0.1, 0.0),
        ("layer", 0.05, 0.03),
    }
    assert all("test_accuracy" in trial.last for trial in trials)
    assert resume("test-points", storage=tmp_path).complete


def test_a_grid_lists_sigmas_for_each_arm_and_reads_the_test_split(tmp_path):
    sigma = {"grid_by_arm": {"layer": [0.01, 0.1], "after_all": [0.001]}}
    arms = {"noise": ["none", "layer", "after_all"]}
    changes = {"mode": "grid", "compare": arms, "search": {"sigma": sigma}, "stages": None, "seeds": 2}
    result = run(study(test=True, **changes), storage=tmp_path)
    trials = result.state.trials.values()
    assert Counter((t.arm, t.hyperparameters["sigma"]) for t in trials) == {
        ("none", 0.0): 2,
        ("layer", 0.01): 2,
        ("layer", 0.1): 2,
        ("after_all", 0.001): 2,
    }
    assert all("test_accuracy" in trial.last for trial in trials)

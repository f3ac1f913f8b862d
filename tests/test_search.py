"""The search: its space, the order of its suggestions, what it learns, and what ASHA stops."""

import json
import os
import subprocess
import sys
from pathlib import Path

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from sweeps.search import (
    OBJECTIVE,
    SearchSpace,
    build_scheduler,
    build_searcher,
    grid_points,
    grid_trials,
    in_order,
    n_trials,
)
from sweeps.spec import Spec, load_spec
from sweeps.trial import worst

optuna.logging.set_verbosity(optuna.logging.WARNING)
MODES = ["none", "all", "layer", "after_all", "after_layer"]


def spec_of(search, *, mode="max", **keys) -> Spec:
    metric = {"max": "val_accuracy", "min": "val_loss"}[mode]
    base = {"name": "study", "trainable": "digits", "objective": {"metric": metric, "mode": mode}}
    return load_spec({**base, "search": search, **keys})


def sampled(search, **keys) -> Spec:
    return spec_of(search, **{"budget": {"trials": 50}, **keys})


MAIN = {
    "noise": MODES,
    "sigma": {"log_uniform": [1e-4, 0.3], "when": {"noise": MODES[1:]}},
    "lr": {"log_uniform": [1e-3, 0.1]},
}

# The space.

CHOICES = {
    "noise": MODES,
    "optimizer": ["sgd", "adam"],
    "model": ["wide", "deep"],
    "train_subset": [None, 9, 3],
}
RANGES = {
    "sigma": {"log_uniform": [1e-4, 0.3]},
    "lr": {"uniform": [0.1, 0.2]},
    "epochs": {"int_uniform": [2, 4]},
}


@st.composite
def conditional_searches(draw):
    """Dimensions whose conditions name dimensions before them, then put in any order."""
    search = {}
    for name in draw(st.permutations([*CHOICES, *RANGES])):
        dimension = {"choice": CHOICES[name]} if name in CHOICES else dict(RANGES[name])
        # A sigma that leaves out a mode, or is searched for none, is refused.
        parents = [parent for parent in search if parent in CHOICES and (name, parent) != ("sigma", "noise")]
        chosen = draw(st.lists(st.sampled_from(parents), max_size=2, unique=True)) if parents else []
        if chosen:
            subsets = {p: st.lists(st.sampled_from(CHOICES[p]), min_size=1, unique=True) for p in chosen}
            dimension["when"] = {parent: draw(subset) for parent, subset in subsets.items()}
        if name == "sigma":
            dimension["when"] = {"noise": MODES[1:], **dimension.get("when", {})}
        search[name] = dimension
    return {name: search[name] for name in draw(st.permutations(list(search)))}


def value(spec, name, params):
    return params.get(name, spec.trainable_class.Hyperparameters.model_fields[name].default)


@settings(max_examples=60, deadline=None)
@given(conditional_searches(), st.integers(0, 9))
def test_dimensions_that_apply_are_suggested_and_no_others(search, seed):
    spec = sampled(search)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    for _ in range(5):
        trial = study.ask()
        assert SearchSpace(spec)(trial) == {"seed": 0}
        active = {
            name
            for name, dimension in search.items()
            if all(
                value(spec, p, trial.params) in allowed for p, allowed in dimension.get("when", {}).items()
            )
        }
        assert set(trial.params) == active
        for name, chosen in trial.params.items():
            (bounds,) = RANGES.get(name, {"": None}).values()
            assert chosen in CHOICES[name] if bounds is None else bounds[0] <= chosen <= bounds[1]
        spec.hyperparameters(trial.params)  # takes them, types included


def test_without_noise_there_is_no_sigma():
    searcher = build_searcher(sampled(MAIN))
    configurations = [searcher.suggest(str(number)) for number in range(40)]
    assert {c["noise"] for c in configurations} == set(MODES)
    assert all(("sigma" in c) == (c["noise"] != "none") for c in configurations)


def test_parents_come_first():
    search = sampled({name: MAIN[name] for name in ("sigma", "lr", "noise")}).search
    assert in_order(search) == ["noise", "sigma", "lr"]


# Grids.

GRID = {
    "sigma": {"grid": [0.1, 0.2], "when": {"noise": ["all"]}},
    "noise": {"grid": ["none", "all"]},
    "lr": {"grid": [0.1, 0.2, 0.3]},
}


def test_a_grid_is_full_factorial_where_its_dimensions_apply():
    none = [{"noise": "none", "lr": lr} for lr in (0.1, 0.2, 0.3)]
    every = [{"noise": "all", "sigma": sigma, "lr": lr} for sigma in (0.1, 0.2) for lr in (0.1, 0.2, 0.3)]
    assert grid_points(spec_of(GRID)) == none + every


def test_seeds_repeat_the_points_one_seed_after_another():
    spec = spec_of(GRID, seeds=3, seed=7)
    trials = grid_trials(spec)
    assert n_trials(spec) == len(trials) == 9 * 3
    assert [trial["seed"] for trial in trials] == [7] * 9 + [8] * 9 + [9] * 9
    for first in range(0, 27, 9):  # each seed sees each point once
        points = [{key: v for key, v in t.items() if key != "seed"} for t in trials[first : first + 9]]
        assert points == grid_points(spec)


def test_nothing_to_search_is_one_trial_a_seed():
    assert grid_trials(spec_of({}, seeds=2)) == [{"seed": 0}, {"seed": 1}]


# The searcher, driven one trial after another as with `concurrent: 1`.


def score(configuration):
    return 1 - abs(configuration["lr"] - 0.03) - configuration.get("sigma", 0.05)


def finish(searcher, trial_id, final):
    for epoch in (1, 2):
        searcher.on_trial_result(trial_id, {OBJECTIVE: final / (3 - epoch), "training_iteration": epoch})
    searcher.on_trial_complete(trial_id, {OBJECTIVE: final, "training_iteration": 2})


def drive(searcher, numbers, outcome=score):
    """Suggest trials and tell their outcome; None is a failed one."""
    suggested = []
    for number in numbers:
        configuration = searcher.suggest(str(number))
        suggested.append(configuration)
        final = outcome(configuration)
        if final is None:
            searcher.on_trial_complete(str(number), error=True)
        else:
            finish(searcher, str(number), final)
    return suggested


def print_sequences():
    """Run in a process of its own."""
    sequences = [drive(build_searcher(sampled(MAIN, seed=seed)), range(25)) for seed in (0, 1)]
    print(json.dumps([hash("noise"), *sequences]))


def test_the_seed_decides_the_sequence_in_any_process():
    script = "from tests.test_search import print_sequences; print_sequences()"
    root = Path(__file__).parent.parent
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"},
            cwd=root,
            stdout=subprocess.PIPE,
        )
        for hash_seed in ("1", "2")
    ]
    first, second = (json.loads(process.communicate()[0].splitlines()[-1]) for process in processes)
    assert first[0] != second[0], "the order of sets must differ, or the test shows nothing"
    assert first[1:] == second[1:]
    assert first[1] == drive(build_searcher(sampled(MAIN)), range(25))
    without_seed = [[{**c, "seed": None} for c in sequence] for sequence in first[1:]]
    assert without_seed[0] != without_seed[1]


@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_search_learns_from_diverged_trials(mode):
    spec = sampled({"lr": {"uniform": [0.001, 1]}, "momentum": {"uniform": [0.1, 0.9]}}, mode=mode)

    def diverges(configuration):
        return configuration["lr"] > 0.4

    def bad(told):
        def outcome(configuration):
            # The same for all that converge, so that nothing but divergence speaks against a large lr.
            return told if diverges(configuration) else 0.5

        return sum(map(diverges, drive(build_searcher(spec), range(60), outcome)[30:]))

    # Of the last 30 of 60, with a seed; 60% of the range diverges. Without a score they come again.
    assert bad(told=worst(spec)) <= 6
    assert bad(told=None) >= 12


def test_life_cycle(tmp_path):
    spec = sampled(MAIN)
    searcher = build_searcher(spec)

    def sometimes_fails(configuration):
        return None if configuration["noise"] == "layer" else score(configuration)

    drive(searcher, range(15), sometimes_fails)
    pending = searcher.suggest("pending")
    searcher.save(str(tmp_path / "searcher"))
    resumed = build_searcher(spec)
    resumed.restore(str(tmp_path / "searcher"))
    for each in (searcher, resumed):
        finish(each, "pending", score(pending))
    going_on = drive(searcher, range(15, 25), sometimes_fails)
    assert drive(resumed, range(15, 25), sometimes_fails) == going_on
    # A searcher that starts over suggests others: the test can fail.
    assert drive(build_searcher(spec), range(15, 25), sometimes_fails) != going_on


# ASHA.


def stopped_after(spec, qualities, epochs=27):
    """Epochs that each trial gets when all go on side by side, an epoch at a time."""
    scheduler = build_scheduler(spec)
    trials = {quality: Trial("curve", stub=True) for quality in qualities}
    for trial in trials.values():
        scheduler.on_trial_add(None, trial)
    ran = dict.fromkeys(qualities, 0)
    for epoch in range(1, epochs + 1):
        for quality, trial in list(trials.items()):
            accuracy = quality * (1 - 0.9**epoch)
            result = {"epoch": epoch, OBJECTIVE: accuracy if spec.objective.mode == "max" else 1 - accuracy}
            ran[quality] = epoch
            if scheduler.on_trial_result(None, trial, result) == TrialScheduler.STOP:
                del trials[quality]
    return ran


@pytest.mark.parametrize("mode", ["max", "min"])
def test_asha_stops_the_bad_and_none_before_its_grace(mode):
    asha = {"grace_epochs": 3, "reduction_factor": 3}
    spec = sampled({"lr": [0.1, 0.2]}, mode=mode, fixed={"epochs": 27}, scheduler={"asha": asha})
    qualities = [((7 * number) % 27 + 1) / 27 for number in range(27)]  # each ninth once, well mixed
    ran = stopped_after(spec, qualities)
    assert set(ran.values()) == {3, 9, 27}  # the rungs
    assert ran[max(qualities)] == 27
    worst_third = sorted(qualities)[:9]
    assert sum(ran[quality] == 3 for quality in worst_third) >= 7
    assert sum(ran.values()) < 0.5 * 27 * 27  # what it is for


def test_no_scheduler():
    assert build_scheduler(sampled({"lr": [0.1, 0.2]})) is None


@pytest.mark.parametrize(
    ("keys", "most"),
    [
        ({}, 10),
        ({"fixed": {"epochs": 5}}, 5),
        ({"search": {"epochs": {"int_uniform": [4, 8]}}}, 8),
        ({"search": {"epochs": {"choice": [6, 4], "when": {"noise": ["all"]}}, **MAIN}}, 10),
    ],
)
def test_asha_lets_the_longest_trial_finish(keys, most):
    search = keys.get("search", {"lr": [0.1, 0.2]})
    spec = sampled(search, fixed=keys.get("fixed", {}), scheduler={"asha": {"grace_epochs": 2}})
    assert stopped_after(spec, [1.0], epochs=20) == {1.0: most}  # alone it is never behind

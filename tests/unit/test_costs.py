"""What a sweep costs, compared with sweeps that have run and with sums by hand."""

import math

import pytest

from sweeps import load_spec
from sweeps.analysis.costs import BETWEEN, Cost, gradients, total
from sweeps.analysis.work import Work, representatives, works_of
from sweeps.record.state import SweepState
from sweeps.record.trials import CONFIRM, SEARCH
from sweeps.search.expected import expected_shares
from sweeps.spec.catalogue import STUDIES
from tests.made_sweeps import TRUTH, MadeSweep, comparison, grid, joint, search, train_round
from tests.simulated import SimulatedDriver

ASHA = {"asha": {"grace_epochs": 1, "reduction_factor": 3}}
COST = Cost(start=1, train=2, evaluate=3, curvature=5, test=7, batches=10, steps=4, memory=100)


def all_epochs(spec):
    return works_of(spec, [1.0] * max(1, len(spec.tuned)))


def counts(works, stage):
    own = [work for work in works if work.stage == stage]
    return sum(work.trials for work in own), sum(work.most_epochs for work in own)


@pytest.mark.parametrize("study", sorted(STUDIES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_plan_has_the_trials_that_the_sweep_starts_with(study):
    spec = load_spec(study)
    assert sum(work.trials for work in all_epochs(spec)) == pytest.approx(SweepState(spec).n_trials)


@pytest.mark.parametrize("changes", [{}, {"scheduler": ASHA}], ids=["all epochs", "asha"])
def test_a_search_runs_the_trials_and_epochs_of_its_plan(changes):
    stages = {"search": {"trials_per_arm": 30, **changes}, "confirm": {"seeds": 2}}
    spec = load_spec(comparison(stages=stages, fixed={"epochs": 9}))
    # A score that the sampler learns nothing from, different for each trial.
    driver = SimulatedDriver(spec, lambda values, epoch: math.sin(1e4 * values.lr) / 2 + 0.5)
    trials = driver.run().of_stage(SEARCH)
    works = [work for work in works_of(spec, expected_shares(spec)) if work.stage == SEARCH]
    epochs = sum(len(trial.epochs) for trial in trials)
    assert sum(work.trials for work in works) == len(trials)
    assert sum(work.epochs for work in works) == pytest.approx(epochs, rel=0.25 if changes else 0)
    assert sum(work.most_epochs for work in works) == 9 * len(trials)


def test_a_confirm_stage_runs_the_trials_of_its_plan():
    content = comparison(seeds=6, top=2)
    content["stages"]["confirm"]["at"] = {"sigma": [0.05, 0.2]}
    sweep = MadeSweep(content)
    search(sweep, TRUTH)
    sweep.select()
    train_round(sweep, TRUTH)
    spec, trials = sweep.spec, sweep.state.of_stage(CONFIRM)
    assert len(trials) == 6 * (5 * 2 + 4 * 2)
    assert counts(all_epochs(spec), CONFIRM) == (len(trials), sum(len(trial.epochs) for trial in trials))


def test_a_grid_counts_each_point_with_each_seed_of_the_first_and_the_last_look():
    claim = {"name": "better", "metric": "val_accuracy", "better": "layer", "worse": "none"}
    claim["where"] = {"sigma": 0.1}
    spec = load_spec(grid(claim, seeds=1, looks=[8, 20]))
    works = all_epochs(spec)
    # Four noisy modes have two sigmas.
    assert sum(work.trials for work in works) == (1 + 4 * 2) * 8
    assert sum(work.most for work in works) == (1 + 4 * 2) * 20
    assert len(representatives(works)) == 5


def test_a_budget_in_epochs_is_spent():
    stages = {"search": {"epochs_per_arm": 60, "scheduler": ASHA}, "confirm": {"seeds": 2}}
    spec = load_spec(comparison(stages=stages))
    own = [work for work in works_of(spec, expected_shares(spec)) if work.stage == SEARCH]
    # The arm none lacks sigma.
    assert sum(work.epochs for work in own) == pytest.approx(4 * 60 + 45)


def test_programs_differ_by_words_and_by_the_ends_of_whole_numbers_but_not_by_other_numbers():
    searched = {"batch_size": [32, 64, 128], "lr": [0.1, 0.2], "optimizer": ["sgd", "adam"]}
    works = works_of(load_spec(joint(search=searched)), [1.0])
    named = [dict(work.program) for work in works]
    sizes, optimizers = ({each[name] for each in named} for name in ("batch_size", "optimizer"))
    assert sizes == {32, 128}
    assert optimizers == {"sgd", "adam"}
    assert len(named) == len(representatives(works)) == 4
    assert sum(work.trials for work in works) == pytest.approx(SweepState(load_spec(joint())).n_trials)


def test_a_program_is_measured_with_all_that_its_trials_do():
    spec = load_spec(comparison())
    measured = representatives(works_of(spec, expected_shares(spec)))
    assert {hyperparameters.noise for hyperparameters, _ in measured.values()} == {*spec.arms}
    assert {(hp.curvature, test) for hp, test in measured.values()} == {("end", True)}


def work_of(noise="none", trials=2, epochs=6, test=True, stage=CONFIRM, **fixed):
    hyperparameters = load_spec(joint(fixed={"epochs": 3, **fixed})).hyperparameters({"noise": noise})
    return Work(stage, (("noise", noise),), hyperparameters, test, trials, trials, epochs, epochs)


@pytest.mark.parametrize(
    ("fixed", "test", "end"),
    [
        ({}, False, 0),
        ({}, True, 2 * 7),
        ({"curvature": "end"}, True, 2 * (7 + 5)),
        ({"curvature": "epoch"}, False, 6 * 5),
        ({"weight_noise": [0.1, 0.2]}, True, 2 * 7 * (1 + 20)),
        ({"weight_noise": [0.1]}, False, 2 * 3 * 10),
    ],
)
def test_the_seconds_of_trials(fixed, test, end):
    assert COST.seconds(work_of(test=test, **fixed), 2, 6) == 2 * 1 + 6 * (2 + 3) + end


@pytest.mark.parametrize(
    ("noise", "equal", "batches", "expected"),
    [
        ("none", "gradients", 10, 60),
        ("after_all", "gradients", 10, 60),
        ("mixed", "gradients", 10, 60),
        ("mixed", "steps", 10, 120),
        # Every epoch has a step, with both gradients.
        ("mixed", "gradients", 1, 12),
    ],
)
def test_gradient_evaluations(noise, equal, batches, expected):
    assert gradients(work_of(noise), 6, batches, equal) == expected


def test_trials_side_by_side_take_a_share_of_their_time_but_as_long_as_the_longest():
    spec = load_spec(comparison())
    works = [work_of(trials=4, epochs=12), work_of(trials=1, epochs=9, stage=SEARCH)]
    trial = 1 + 7 + BETWEEN
    confirmed, searched = 4 * trial + 12 * 5, trial + 9 * 5
    costs = {work.program: COST for work in works}
    assert total(spec, works, costs, 2, at_most=False).seconds == pytest.approx(confirmed / 2 + searched)
    assert total(spec, works, costs, 99, at_most=True).seconds == pytest.approx(confirmed / 4 + searched)
    assert total(spec, works, costs, 2, at_most=True).gradients == 21 * 10
    unknown = total(spec, works, {}, 2, at_most=True)
    assert (unknown.trials, unknown.gradients, unknown.seconds) == (5, None, None)

"""A search that is interrupted anywhere continues as it would have, with every sampler and scheduler."""

import math

import optuna
import pytest

from sweeps.search.scheduler import rungs
from sweeps.spec.load import load_spec
from tests.simulated import SimulatedDriver

optuna.logging.set_verbosity(optuna.logging.WARNING)
SAMPLERS = ["tpe", "random", "cmaes", "qmc", "gp"]
SCHEDULERS = [
    "none",
    {"asha": {"reduction_factor": 2}},
    {"hyperband": {"reduction_factor": 2}},
    {"median": {"grace_epochs": 2, "min_trials": 2}},
]
# Those that are tested here for other samplers too.
SLOW = [("gp", "none"), ("gp", "asha"), ("gp", "median")]
COMBINATIONS = [
    pytest.param(
        sampler,
        scheduler,
        marks=[pytest.mark.slow] if (sampler, name) in SLOW else [],
        id=f"{sampler}-{name}",
    )
    for sampler in SAMPLERS
    for scheduler in SCHEDULERS
    for name in [scheduler if scheduler == "none" else next(iter(scheduler))]
]
RANGES = {
    "sigma": {"log_uniform": [1e-3, 1], "when": {"noise": ["all"]}},
    "lr": {"log_uniform": [1e-3, 1]},
}
# GP takes longer for integers.
INTEGERS = {"batch_size": {"int_uniform": [8, 64]}}


def study(sampler, **stage):
    return load_spec(
        {
            "name": "study",
            "trainable": "digits",
            "compare": {"noise": ["none", "all"]},
            "fixed": {"epochs": 6},
            "search": RANGES if sampler == "gp" else {**RANGES, **INTEGERS},
            "stages": {"search": {"sampler": sampler, **stage}},
            "objective": {"metric": "val_loss", "mode": "min"},
        }
    )


def joint(sampler, scheduler):
    """A search without stages; sigma depends on the noise mode, unless the sampler cannot search that."""
    search = {"noise": ["none", "all"], "optimizer": ["sgd", "adam"], **RANGES, **INTEGERS}
    for name in {"cmaes": ["noise", "sigma", "optimizer"], "gp": ["sigma", "batch_size"]}.get(sampler, []):
        del search[name]
    return load_spec(
        {
            "name": "study",
            "trainable": "digits",
            "fixed": {"epochs": 6, "sigma": 0.1},
            "search": search,
            "sampler": sampler,
            "scheduler": scheduler,
            "budget": {"trials": 12 if sampler == "gp" else 16},
            "objective": {"metric": "val_loss", "mode": "min"},
        }
    )


def outcome(values, epoch):
    """A loss that falls; some trials fail and some diverge."""
    if 0.1 < values.lr < 0.2 and epoch == 2:
        return None
    if values.lr > 0.5 and epoch == 3:
        return math.nan
    best = abs(math.log10((values.sigma + values.lr) / 0.03)) + abs(math.log(values.batch_size / 20))
    return best + 2 / epoch


def assert_resumable(spec):
    """A search whose driver is replaced after every step writes what one driver alone writes."""
    alone, driver = SimulatedDriver(spec, outcome), SimulatedDriver(spec, outcome)
    alone.run()
    statuses = {event["status"] for event in alone.events if event["event"] == "end"}
    assert ("stopped" in statuses) == bool(rungs(spec))
    assert "finished" in statuses
    while driver.step():
        driver = SimulatedDriver(spec, outcome, driver.events)
    assert driver.events == alone.events


@pytest.mark.parametrize(("sampler", "scheduler"), COMBINATIONS)
def test_arms(sampler, scheduler):
    # A generation of CMA-ES takes 6 trials, after the starting points; a choice of GP takes 0.1 s.
    trials = 6 if sampler == "gp" else 14
    assert_resumable(study(sampler, scheduler=scheduler, trials_per_arm=trials))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_joint_search_with_hyperband(sampler):
    assert_resumable(joint(sampler, {"hyperband": {"reduction_factor": 2}}))


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_the_choices_of_a_sampler_depend_on_its_seed_and_on_the_scores_if_it_learns(sampler):
    def points(spec, outcome):
        events = SimulatedDriver(spec, outcome, concurrent=1).run()
        return [trial.hyperparameters for trial in events.by_number()]

    spec = study(sampler, trials_per_arm=6 if sampler == "gp" else 12)
    first = points(spec, outcome)
    learned = points(spec, lambda values, epoch: values.lr) != first
    assert learned == (sampler in ("tpe", "cmaes", "gp"))
    assert points(spec.model_copy(update={"seed": 1}), outcome) != first

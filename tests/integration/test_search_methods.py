"""Samplers and schedulers in sweeps on real Ray; a formula stands in for training."""

import pytest

from sweeps import load_spec, run
from tests.curves import CurveTraining, content
from tests.simulated import SimulatedDriver

pytestmark = pytest.mark.usefixtures("curves")


def outcome(values, epoch):
    training = CurveTraining(values, seed=2, test=False)
    training.epoch = epoch
    return training.metrics()["val_accuracy"]


def summary(trials):
    return [(trial.hyperparameters, trial.status, list(trial.epochs)) for trial in trials]


@pytest.mark.parametrize(
    ("sampler", "scheduler"), [("gp", "hyperband"), ("cmaes", {"median": {"min_trials": 1}})]
)
def test_a_sweep_is_the_one_that_unit_tests_simulate(ray_session, tmp_path, sampler, scheduler):
    spec = load_spec(
        content(
            fixed={"epochs": 9, "noise": "all"},
            search={"sigma": {"log_uniform": [1e-3, 0.9]}, "lr": {"uniform": [0.05, 0.1]}},
            budget={"trials": 12, "concurrent": 1},
            sampler=sampler,
            scheduler=scheduler,
            seed=2,
        )
    )
    result = run(spec, storage=tmp_path)
    assert result.complete
    simulated = SimulatedDriver(spec, outcome, concurrent=1).run().by_number()
    assert summary(result.state.by_number()) == summary(simulated)
    assert {trial.status for trial in simulated} == {"finished", "stopped"}

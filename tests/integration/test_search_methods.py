"""Samplers and schedulers in sweeps on real Ray; a formula stands in for training."""

import pytest

from sweeps import run
from tests.curves import content

pytestmark = pytest.mark.usefixtures("curves")


@pytest.mark.parametrize(
    ("sampler", "scheduler", "ends"), [("gp", "hyperband", {1, 3}), ("cmaes", "median", set(range(1, 9)))]
)
def test_a_sweep(ray_session, tmp_path, sampler, scheduler, ends):
    spec = content(
        fixed={"epochs": 9, "noise": "all"},
        search={"sigma": {"log_uniform": [1e-3, 0.9]}, "lr": {"uniform": [0.05, 0.1]}},
        budget={"trials": 12, "concurrent": 1},
        sampler=sampler,
        scheduler=scheduler,
    )
    result = run(spec, storage=tmp_path)
    trials = result.state.by_number()
    assert result.complete
    assert len(trials) == 12
    assert {trial.status for trial in trials} == {"finished", "stopped"}
    assert {len(trial.epochs) for trial in trials if trial.status == "stopped"} <= ends
    assert result.best.status == "finished"

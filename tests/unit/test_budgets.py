"""How finely the learning rate is tuned in an arm with sigma and in one without, by simulated searches."""

import numpy as np
import pytest

from sweeps.search.configuration import OBJECTIVE
from sweeps.search.searcher import build_searcher
from sweeps.spec.load import load_spec

STUDIES = 60
# An advantage of this size comes from a learning rate that is off by a fourteenth of a decade.
LITTLE = 1e-4


def spec_of(trials, seed):
    return load_spec(
        {
            "name": "study",
            "trainable": "digits",
            "compare": {"noise": ["none", "layer"]},
            "search": {
                "sigma": {"log_uniform": [1e-3, 0.3], "when": "noisy"},
                "lr": {"log_uniform": [1e-3, 0.1]},
            },
            "stages": {"search": {"trials_per_arm": trials}},
            "objective": {"metric": "val_accuracy", "mode": "max"},
            "seed": seed,
        }
    )


def chosen(trials, seed, harm, of_none=None):
    """Return what the chosen learning rate costs each arm; the cost grows with its distance from the best.

    ``harm`` is what a sigma of 1 costs; the cost of the chosen sigma is not counted.
    """
    searcher, rng = build_searcher(spec_of(trials, seed)), np.random.default_rng(seed + 1000)
    searcher._budgets = [of_none or searcher._budgets[0], trials]
    best_lr, best = rng.uniform(-2.7, -1.3), {}
    number = 0
    while isinstance(point := searcher.suggest(str(number)), dict):
        cost = 0.02 * (np.log10(point["lr"]) - best_lr) ** 2
        score = 0.9 - cost - harm * point.get("sigma", 0.0) + 0.001 * rng.standard_normal()
        searcher.on_trial_complete(str(number), {"epoch": 1, OBJECTIVE: score})
        best[point["noise"]] = max(best.get(point["noise"], (0, 0)), (score, cost))
        number += 1
    return best["none"][1], best["layer"][1]


def advantage_of_noise(trials, harm, of_none=None):
    costs = np.array([chosen(trials, seed, harm, of_none) for seed in range(STUDIES)])
    return float((costs[:, 0] - costs[:, 1]).mean())


@pytest.mark.slow
@pytest.mark.parametrize("harm", [0, 0.3])
def test_no_arm_is_tuned_more_finely(harm):
    assert abs(advantage_of_noise(12, harm)) < 2.5 * LITTLE


@pytest.mark.slow
def test_another_budget_would_tune_one_of_the_arms_more_finely():
    assert advantage_of_noise(12, 0, of_none=6) > 3 * LITTLE
    assert advantage_of_noise(12, 0.3, of_none=12) < -1.5 * LITTLE

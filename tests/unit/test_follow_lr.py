"""A sigma that follows the learning rate from step to step, within the training loop."""

import math

import numpy as np
import pytest

from tests.cases import CASES
from trainables.noise import registry
from trainables.testing import numbers

EPOCHS, STEPS = 3, 7
SIGMA = 0.05


def start(mode="after_all", **changes):
    values = {"noise": mode, "sigma": SIGMA, "sigma_schedule": "follow_lr", "epochs": EPOCHS} | changes
    return CASES["digits"](None).start(**values)


def record_steps(training, monkeypatch):
    """Return a list to which each step appends sigma and the scale of the noise on a group."""
    seen, step = [], training._step

    def recording(batch):
        seen.append((training._noise.sigma, float(training._noise._step.scale)))
        step(batch)

    monkeypatch.setattr(training, "_step", recording)
    return seen


def cosine(t, total):
    """The learning rate of step t over that of the first, as Loshchilov and Hutter (2017) write it."""
    return (1 + math.cos(math.pi * t / total)) / 2


@pytest.mark.parametrize("mode", [mode for mode in registry.STUDY_MODES if mode != "none"])
def test_every_step_has_the_root_of_its_learning_rate(mode, monkeypatch):
    training = start(mode)
    seen = record_steps(training, monkeypatch)
    reported = [metrics["sigma"] for metrics in training]
    sigmas = [SIGMA * math.sqrt(cosine(t, EPOCHS * STEPS)) for t in range(EPOCHS * STEPS)]
    assert [sigma for sigma, _ in seen] == pytest.approx(sigmas)
    groups = 1 if mode.endswith("layer") else len(training._noise.parameters)
    assert [scale for _, scale in seen] == pytest.approx([s / math.sqrt(groups) for s in sigmas], rel=1e-6)
    assert reported == pytest.approx(sigmas[::STEPS])


def test_sigma_epochs_end_the_noise(monkeypatch):
    training = start(sigma_epochs=2)
    seen = record_steps(training, monkeypatch)
    assert [metrics["sigma"] > 0 for metrics in training] == [True, True, False]
    assert all(sigma > 0 for sigma, _ in seen[: 2 * STEPS])
    assert seen[2 * STEPS :] == [(0.0, 0.0)] * STEPS


def test_a_constant_learning_rate_gives_a_constant_sigma():
    both = [numbers(start(sigma_schedule=s, lr_schedule="constant")) for s in ("follow_lr", "constant")]
    assert both[0] == both[1]


def test_without_noise_sigma_stays_zero():
    assert [metrics["sigma"] for metrics in start("none")] == [0.0] * EPOCHS


def test_a_resumed_trial_follows_on():
    whole, interrupted, resumed = (start() for _ in range(3))
    expected = numbers(whole)
    next(iter(interrupted))
    resumed.load_state_dict(interrupted.state_dict())
    assert numbers(resumed) == expected[1:]


def test_other_schedules_set_sigma_once_an_epoch(monkeypatch):
    training = start(sigma_schedule="cosine")
    calls, original = [], training._sigma
    monkeypatch.setattr(training, "_sigma", lambda: calls.append(0) or original())
    list(training)
    assert len(calls) == EPOCHS


def test_a_constant_sigma_costs_the_after_modes_most_of_what_they_lose():
    def final_loss(schedule):
        losses = []
        for seed in range(2):
            training = start(sigma=0.03, sigma_schedule=schedule, epochs=10, train_subset=400, seed=seed)
            losses.append([metrics["train_loss"] for metrics in training][-1])
        return np.mean(losses)

    # 0.004 and 0.28; without noise 0.010.
    assert final_loss("follow_lr") < final_loss("constant") / 10

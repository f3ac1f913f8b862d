"""Scores under weight noise: computed longhand, and what they leave as it was."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional as F

from tests.cases import CASES
from trainables.batch import Batch
from trainables.classifier import ClassifierTask
from trainables.weight_noise import scores_under_noise

# Of ``trainables.weight_noise``.
DRAWS, SEED = 10, 0


class Task(ClassifierTask):
    """Two batches of different weight, and a network with BatchNorm and a layer that is not trained."""

    def __init__(self):
        torch.manual_seed(0)
        layers = nn.Linear(3, 3), nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 2)
        self.model = nn.Sequential(*layers).double()
        self.model[0].requires_grad_(False)
        self.batches = [Batch(torch.randn(n, 3).double(), torch.randint(2, (n,)), n) for n in (70, 50)]
        # Running statistics that are not those of the batches.
        self.model(torch.randn(20, 3).double())
        self.model.eval()

    def evaluation_batches(self, split):
        yield from self.batches


def bits(model):
    return [value.numpy().tobytes() for value in model.state_dict().values()]


def longhand(task, sigma):
    """Return the mean loss and accuracy over ten draws, by functional calls with the noise written out."""
    names, weights = zip(*((n, p) for n, p in task.model.named_parameters() if p.requires_grad), strict=True)
    inputs, targets = (torch.cat([batch[i] for batch in task.batches]) for i in (0, 1))
    w, source = nn.utils.parameters_to_vector(weights).detach(), torch.Generator().manual_seed(SEED)
    losses, accuracies = [], []
    for _ in range(DRAWS):
        parts = (w + sigma * torch.empty_like(w).normal_(generator=source)).split(
            [p.numel() for p in weights]
        )
        changed = {n: part.view_as(p) for n, part, p in zip(names, parts, weights, strict=True)}
        logits = functional_call(task.model, changed, (inputs,))
        losses.append(float(F.cross_entropy(logits, targets)))
        accuracies.append(float((logits.argmax(1) == targets).double().mean()))
    return np.mean(losses), np.mean(accuracies)


def test_scores_equal_the_mean_over_the_draws_written_out():
    task, sigmas = Task(), [0.3, 2.0]
    found = scores_under_noise(task.model, task.evaluate, sigmas)
    assert list(found) == [f"{name}_under_{s}" for s in ("0.3", "2") for name in ("loss", "accuracy")]
    for sigma in sigmas:
        loss, accuracy = longhand(task, sigma)
        assert found[f"loss_under_{sigma:g}"] == pytest.approx(loss, rel=1e-9)
        assert found[f"accuracy_under_{sigma:g}"] == pytest.approx(accuracy, rel=1e-9)


def test_scores_tend_to_the_plain_ones_as_sigma_tends_to_0():
    task = Task()
    plain = task.evaluate()
    gaps = {}
    for sigma in (1e-1, 1e-3, 1e-5):
        found = scores_under_noise(task.model, task.evaluate, [sigma])
        gaps[sigma] = abs(found[f"loss_under_{sigma:g}"] - plain["loss"])
    assert gaps[1e-1] > gaps[1e-3] > gaps[1e-5]
    assert gaps[1e-5] < 1e-5
    assert found["accuracy_under_1e-05"] == pytest.approx(plain["accuracy"])


def test_batchnorm_uses_its_running_statistics_and_keeps_them():
    task, folded = Task(), Task()
    statistics, norm = bits(task.model[2]), folded.model[2]
    mean, std = norm.running_mean.clone(), (norm.running_var + norm.eps).sqrt()

    class Fixed(nn.Module):
        """The same layer, written out with the statistics as constants."""

        def __init__(self):
            super().__init__()
            self.weight, self.bias = norm.weight, norm.bias

        def forward(self, x):
            return (x - mean) / std * self.weight + self.bias

    folded.model[2] = Fixed()
    found, expected = (scores_under_noise(each.model, each.evaluate, [0.3]) for each in (task, folded))
    assert found == pytest.approx(expected)
    assert bits(task.model[2]) == statistics


def test_a_sigma_has_the_same_scores_whatever_else_is_listed():
    task = Task()
    alone = scores_under_noise(task.model, task.evaluate, [0.3])
    among = scores_under_noise(task.model, task.evaluate, [2.0, 0.3, 0.01])
    assert alone == {name: among[name] for name in alone}


def test_no_sigmas_evaluate_nothing():
    assert scores_under_noise(Task().model, lambda: pytest.fail("evaluated"), []) == {}


@pytest.mark.parametrize("call", range(DRAWS))
def test_weights_are_restored_in_place_also_when_the_evaluation_raises(call):
    task, calls = Task(), iter(range(DRAWS))
    before, places = bits(task.model), [p.data_ptr() for p in task.model.parameters()]

    def raising():
        if next(calls) == call:
            raise ArithmeticError("no score")
        return task.evaluate()

    with pytest.raises(ArithmeticError, match="no score"):
        scores_under_noise(task.model, raising, [0.1])
    scores_under_noise(task.model, task.evaluate, [0.1])
    assert bits(task.model) == before
    assert [p.data_ptr() for p in task.model.parameters()] == places


def test_every_mode_and_seed_is_scored_under_the_same_draws(data_dir):
    seen = []

    def recorded(trial):
        (last,) = trial
        model, evaluate, weights = trial.task.model, trial.task.evaluate, list(trial.task.model.parameters())
        before = nn.utils.parameters_to_vector(weights).detach().clone()
        noise = []

        def evaluating():
            noise.append(nn.utils.parameters_to_vector(weights).detach() - before)
            return evaluate()

        found = scores_under_noise(model, evaluating, [0.1])
        assert found == {name.removeprefix("val_"): last[name] for name in last if "_under_" in name}
        seen.append(noise)

    case = CASES["digits"](data_dir, epochs=1, weight_noise=[0.1])
    recorded(case.start())
    recorded(case.noisy("layer", seed=1))
    assert len(seen[0]) == DRAWS
    assert all(torch.allclose(*pair, atol=1e-6) for pair in zip(*seen, strict=True))
    assert not torch.allclose(seen[0][0], seen[0][1], atol=1e-2)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([0], "greater than 0"),
        ([2000], "less than or equal to 1000"),
        ([True], "valid number"),
        ([0.1, 0.1], "each sigma once"),
        ([0.1234567, 0.1234568], "each sigma once, with six digits at most"),
        (0.1, r"must be a list of standard deviations, such as \[0.01, 0.1\], got 0.1"),
        (["0.1"], "valid number"),
        ([0.001 * (1 + i) for i in range(21)], "at most 20"),
    ],
)
def test_bad_sigmas_are_refused(listed, message, data_dir):
    case = CASES["digits"](data_dir)
    with pytest.raises(ValueError, match=message):
        case.start(weight_noise=listed)


def test_a_list_of_the_journal_gives_equal_hyperparameters_that_are_hashable(data_dir):
    kind = type(CASES["digits"](data_dir).hyperparameters)
    written = kind(weight_noise=[0.01, 1])
    assert kind(**written.model_dump(mode="json")) == written
    assert hash(written) == hash(kind(weight_noise=(0.01, 1.0)))

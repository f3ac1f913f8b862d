"""Noise overhead: time of a step in each mode over a step without noise, per model, one thread."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.measure import Results, interleaved, one_thread, ratios, seconds
from trainables import get
from trainables.loop import Training
from trainables.noise.registry import STUDY_MODES
from trainables.onednn import onednn_linear

_ROUNDS = 7
# Trainable, hyperparameters, and steps per timed epoch.
MODELS: dict[str, tuple[str, dict[str, Any], int]] = {
    "MLP shallow": ("fmnist", {"model": "shallow"}, 40),
    "MLP wide": ("fmnist", {"model": "wide"}, 2),
    "MLP deep": ("fmnist", {"model": "deep"}, 10),
    "CNN1": ("cifar10", {"model": "cnn1"}, 30),
    "CNN2": ("cifar10", {"model": "cnn2"}, 4),
    "CNN3": ("cifar10", {"model": "cnn3"}, 4),
    "ResNet-18": ("cifar10", {"model": "resnet18"}, 1),
    "VGG11": ("cifar10", {"model": "vgg11"}, 1),
    "LSTM": ("temperatures", {"window": 20, "batch_size": 32, "optimizer": "adam"}, 79),
    "Transformer trans2": ("imdb", {"model": "trans2", "optimizer": "adam", "batch_size": 32}, 2),
    "BiLSTM": ("conll2003", {"optimizer": "adam"}, 10),
}
NAMES = tuple(MODELS)


class Longhand:
    """The paper's listing for ``all``: copy each parameter, add noise to it, restore it."""

    def __init__(self, parameters: list[nn.Parameter], sigma: float) -> None:
        self.parameters, self.sigma = parameters, sigma / len(parameters) ** 0.5

    def backward(self, compute: Callable[[], Tensor]) -> Tensor:
        before = [parameter.detach().clone() for parameter in self.parameters]
        with torch.no_grad():
            for parameter in self.parameters:
                parameter.add_(self.sigma * torch.randn_like(parameter))
        loss = compute()
        loss.backward()
        with torch.no_grad():
            for parameter, value in zip(self.parameters, before, strict=True):
                parameter.copy_(value)
        return loss.detach()


def training_of(model: str, mode: str) -> Training:
    name, changes, steps = MODELS[model]
    trainable = get(name)()
    batch_size = changes.get("batch_size", 128)
    hp = trainable.Hyperparameters(
        **{"batch_size": batch_size, **changes},
        train_subset=steps * batch_size,
        noise="all" if mode == "longhand" else mode,
        sigma=0.001,
    )
    training = trainable.start(hp, seed=0)
    if mode == "longhand":
        parameters = [p for p in training.task.model.parameters() if p.requires_grad]
        training._noise = Longhand(parameters, hp.sigma)  # type: ignore[assignment]
        training._noise.sigma = 0.001
    return training


def an_epoch(training: Training) -> float:
    return seconds(training._train_epoch)


def run(names: list[str] | None = None) -> Results:
    results = Results("noise_overhead")
    for model in names or MODELS:
        steps = MODELS[model][2]
        with one_thread():
            by_mode = {mode: training_of(model, mode) for mode in (*STUDY_MODES, "longhand")}
            flat = torch.empty(sum(p.numel() for p in by_mode["all"]._noise.parameters))

            def draw(flat: torch.Tensor = flat, steps: int = steps) -> float:
                return seconds(lambda: [flat.normal_() for _ in range(steps)])

            contenders = {mode: partial(an_epoch, training) for mode, training in by_mode.items()}
            with onednn_linear():
                # Warm up.
                interleaved(contenders, 1)
                taken = interleaved({**contenders, "draw": draw}, _ROUNDS)
        results.add(model, "none, ms a step", [1000 * value / steps for value in taken["none"]])
        for mode in (*STUDY_MODES[1:], "longhand"):
            results.add(model, f"{mode} / none", ratios(taken[mode], taken["none"]))
        floor = [none + drawn for none, drawn in zip(taken["none"], taken["draw"], strict=True)]
        results.add(model, "none and random numbers / none", ratios(floor, taken["none"]))
    return results

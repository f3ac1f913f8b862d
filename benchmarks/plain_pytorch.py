"""The three cases in plain PyTorch: models and datasets as a user without NoiseSweep writes them."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import Dataset, Subset, TensorDataset

from benchmarks.cases import Case
from trainables.cifar import CIFAR10
from trainables.data.splits import split_examples
from trainables.mnist import FashionMNIST
from trainables.series import boundaries, scale_of
from trainables.temperatures import Temperatures

MEAN_STD = {
    "fmnist": ((0.286,), (0.353,)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.247, 0.2435, 0.2616)),
}


class Forecaster(nn.Module):
    """An LSTM with a head of two layers."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.head = nn.Sequential(nn.Linear(hidden, 40), nn.ReLU(), nn.Linear(40, 1))

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(x[:, :, None])
        return self.head(states[:, -1]).squeeze(1)


def build_model(case: Case) -> nn.Module:
    if case.trainable == "fmnist":
        layers: list[nn.Module] = [nn.Flatten()]
        for width, following in ((784, 500), (500, 500), (500, 500)):
            layers += [nn.Linear(width, following), nn.ReLU()]
        return nn.Sequential(*layers, nn.Linear(500, 10))
    if case.trainable == "cifar10":
        layers = []
        for width, following in ((3, 32), (32, 128), (128, 128), (128, 128)):
            layers += [nn.Conv2d(width, following, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(128, 10))
    return Forecaster(case.fixed["hidden"])


def loss_of(case: Case, outputs: Tensor, targets: Tensor) -> Tensor:
    return (
        F.mse_loss(outputs, targets)
        if case.trainable == "temperatures"
        else F.cross_entropy(outputs, targets)
    )


def build_optimizer(case: Case, model: nn.Module, lr: float) -> torch.optim.Optimizer:
    if case.fixed["optimizer"] == "adam":
        return torch.optim.Adam(model.parameters(), lr=lr)
    return torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9, weight_decay=5e-4)


def build_schedule(
    case: Case, optimizer: torch.optim.Optimizer, steps: int
) -> torch.optim.lr_scheduler.CosineAnnealingLR:
    return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=case.fixed["epochs"] * steps)


def dataset(case: Case) -> tuple[Dataset, Dataset]:
    """Training and validation examples, transformed one by one when they are read."""
    if case.trainable == "temperatures":
        train, validation = series_tensors(case)
        return TensorDataset(*train), TensorDataset(*validation)
    from torchvision import datasets, transforms

    class Grey(datasets.FashionMNIST):
        """Torchvision's ``__getitem__`` over pixels already decoded."""

        def __init__(self, pixels: Tensor, labels: Tensor, transform: Any) -> None:
            self.data, self.targets = pixels[:, 0], labels
            self.transform, self.target_transform = transform, None

    class Colour(datasets.CIFAR10):
        """The same for CIFAR-10."""

        def __init__(self, pixels: Tensor, labels: Tensor, transform: Any) -> None:
            self.data = np.ascontiguousarray(pixels.permute(0, 2, 3, 1).numpy())
            self.targets = labels.tolist()
            self.transform, self.target_transform = transform, None

    loaded = (FashionMNIST if case.trainable == "fmnist" else CIFAR10)().load("train")
    split = split_examples(len(loaded.labels), case.fixed.get("train_subset"))
    kind = Grey if case.trainable == "fmnist" else Colour
    plain = [transforms.ToTensor(), transforms.Normalize(*MEAN_STD[case.trainable])]
    changes = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    for_training = [*changes, *plain] if case.trainable == "cifar10" else plain
    train = kind(loaded.pixels, loaded.labels, transforms.Compose(for_training))
    validation = kind(loaded.pixels, loaded.labels, transforms.Compose(plain))
    return Subset(train, split.train.tolist()), Subset(validation, split.validation.tolist())


Pair = tuple[Tensor, Tensor]


def series_tensors(case: Case) -> tuple[Pair, Pair]:
    """Windows and targets of the temperatures, scaled."""
    series: pd.Series = Temperatures().load()
    mean, std = scale_of(series)
    values = ((series.to_numpy() - mean) / std).astype(np.float32)
    window = case.fixed["window"]
    windows = np.lib.stride_tricks.sliding_window_view(values, window)[:-1]
    inputs, targets = torch.tensor(windows), torch.tensor(values[window:])
    begin, end = (boundary - window for boundary in boundaries(len(series)))
    return (inputs[:begin], targets[:begin]), (inputs[begin:end], targets[begin:end])


@dataclass(frozen=True)
class InMemory:
    """Both splits as tensors of floats, normalized once."""

    train: Pair
    validation: Pair
    augmented: bool

    def batches(self, size: int) -> Iterator[Pair]:
        inputs, targets = self.train
        for chosen in torch.randperm(len(targets)).split(size):
            x = inputs[chosen]
            yield (crop_and_flip(x) if self.augmented else x), targets[chosen]


@cache
def in_memory(name: str) -> InMemory:
    """Load a case into memory, once per process."""
    from benchmarks.cases import CASES

    case = CASES[name]
    if case.trainable == "temperatures":
        return InMemory(*series_tensors(case), augmented=False)
    loaded = (FashionMNIST if case.trainable == "fmnist" else CIFAR10)().load("train")
    split = split_examples(len(loaded.labels), case.fixed.get("train_subset"))
    mean, std = (torch.tensor(values)[:, None, None] for values in MEAN_STD[case.trainable])

    def part(chosen: Tensor) -> Pair:
        return (loaded.pixels[chosen].float() / 255 - mean) / std, loaded.labels[chosen]

    return InMemory(part(split.train), part(split.validation), augmented=case.trainable == "cifar10")


def crop_and_flip(x: Tensor) -> Tensor:
    """The usual augmentation, a batch at a time, padded with zeros though normalized black is not zero."""
    n, _, height, width = x.shape
    padded = F.pad(x, [4] * 4)
    out = torch.empty_like(x)
    top, left = torch.randint(9, (2, n)).tolist()
    for i in range(n):
        out[i] = padded[i, :, top[i] : top[i] + height, left[i] : left[i] + width]
    flipped = torch.rand(n) < 0.5
    out[flipped] = out[flipped].flip(-1)
    return out


def sigma_of(configuration: dict[str, Any], groups: int) -> float:
    """Standard deviation of the noise on each perturbed tensor."""
    if configuration["noise"] == "none":
        return 0.0
    return configuration["sigma"] / (1 if configuration["noise"] == "layer" else math.sqrt(groups))

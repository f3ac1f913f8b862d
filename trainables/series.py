"""Series: the part that forecasters of any series share.

Shapes: N days, B batch, T window.
"""

from collections.abc import Iterator

import pandas as pd
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.batch import Batch
from trainables.data.series import fingerprint_of
from trainables.data.splits import EvaluationSplit
from trainables.hyperparameters import Hyperparameters
from trainables.models.recurrent import Cell

TRAINING, VALIDATION = 0.7, 0.1  # of the days, in the order of time; the rest is the test split
_SAMPLE_BATCH = 256  # bounds the memory of second derivatives


class SeriesHyperparameters(Hyperparameters):
    """Hyperparameters of the forecaster."""

    csv: str | None = Field(
        None,
        description="a file with a column of dates and one of numbers; empty: the temperatures",
    )
    window: int = Field(30, ge=1, description="days that a forecast looks back on")
    cell: Cell = Field("lstm", description="kind of the recurrent layers")
    hidden: int = Field(32, ge=1, le=100_000, description="width of the recurrent layers")
    layers: int = Field(1, ge=1, le=1_000, description="recurrent layers")


class Scaled(nn.Module):
    """A forecaster in the units of the data: scales its windows, and its forecasts back."""

    def __init__(self, forecaster: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.forecaster, self.mean, self.std = forecaster, mean, std

    def forward(self, windows: Tensor) -> Tensor:
        """Forecast the next value.

        Args:
            windows: (B, T).

        Returns:
            (B,).
        """
        return self.forecaster((windows - self.mean) / self.std) * self.std + self.mean


class SeriesTask:
    """A forecaster and its windows; what is learned and what scales comes from the first days alone."""

    def __init__(
        self, model: nn.Module, series: pd.Series, window: int, train_subset: int | None, device: torch.device
    ) -> None:
        self.model = model.to(device)
        self.data_fingerprint = fingerprint_of(series)
        self.mean, self.std = scale_of(series)
        values = torch.tensor(series.to_numpy(), dtype=torch.get_default_dtype(), device=device)
        scaled = (values - self.mean) / self.std
        # Window i is of the days i to i + T - 1, its target the day i + T.
        self._windows, self._targets = scaled.unfold(0, window, 1)[:-1], scaled[window:]
        begin, end = (boundary - window for boundary in boundaries(len(series)))
        self._train = torch.arange(begin, device=device)[-(train_subset or begin) :]
        days = torch.arange(len(self._targets), device=device)
        self._evaluated = {"validation": days[begin:end], "test": days[end:]}
        self.n_examples = len(self._train)

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        """Yield one epoch in a fresh permutation.

        Args:
            batch_size: B; the last batch may be smaller.
            order: Source of the permutation.

        Yields:
            Windows (B, T) and the values that follow them (B,), scaled.
        """
        permutation = torch.randperm(self.n_examples, generator=order).to(self._train.device)
        for chosen in self._train[permutation].split(batch_size):
            yield self._batch(chosen)

    def sample(self, n_examples: int) -> list[Batch]:
        """Take training windows that are the same in every trial.

        Args:
            n_examples: How many, at most.

        Returns:
            Batches of windows, spread evenly over the training days.
        """
        evenly = torch.linspace(0, self.n_examples - 1, min(n_examples, self.n_examples)).long()
        chosen = self._train[evenly.to(self._train.device)]
        return [self._batch(chunk) for chunk in chosen.split(_SAMPLE_BATCH)]

    def loss(self, batch: Batch) -> Tensor:
        """Mean squared error of a batch.

        Args:
            batch: What ``batches`` yields.

        Returns:
            A scalar; 1 is the variance of the training days.
        """
        return F.mse_loss(self.model(batch.inputs), batch.targets)

    @torch.inference_mode()
    def evaluate(self, split: EvaluationSplit = "validation") -> dict[str, float]:
        """Score a split, each day forecast from the days before it.

        Args:
            split: Which.

        Returns:
            ``loss`` (mean squared error, scaled), ``rmse`` and ``rmse_last_value``, which takes each day to
            be as the day before it, both in the unit of the data.
        """
        inputs, targets, _ = self._batch(self._evaluated[split])
        errors = torch.stack([self.model(inputs) - targets, inputs[:, -1] - targets])
        loss, last_value = errors.double().square().mean(1).tolist()
        scores = {"rmse": loss, "rmse_last_value": last_value}
        return {"loss": loss} | {name: error**0.5 * self.std for name, error in scores.items()}

    def _batch(self, chosen: Tensor) -> Batch:
        return Batch(self._windows[chosen], self._targets[chosen], len(chosen))


def boundaries(n_days: int) -> tuple[int, int]:
    """Split by time.

    Args:
        n_days: N.

    Returns:
        The first day of validation and the first day of test, counted from 0.
    """
    return round(n_days * TRAINING), round(n_days * (TRAINING + VALIDATION))


def scale_of(series: pd.Series) -> tuple[float, float]:
    """Say how values are scaled.

    Args:
        series: The whole series.

    Returns:
        Mean and standard deviation of the training days.
    """
    training = series.iloc[: boundaries(len(series))[0]]
    return float(training.mean()), float(training.std(ddof=0)) or 1.0

"""Forecasters of a time series: what all of them share.

Shapes: N days, B batch, T window.
"""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.batch import Batch
from trainables.data import DataError
from trainables.data.series import fingerprint_of
from trainables.declarations.base import EvaluationSplit

# Fractions of the days, in chronological order; the remaining days are the test split.
TRAINING, VALIDATION = 0.7, 0.1
# Second derivatives of a larger batch could run out of memory.
_SAMPLE_BATCH = 256


class Scaled(nn.Module):
    """A forecaster in the units of the data: it scales the windows, and scales the forecasts back.

    It scales in float64, as values far from zero would lose their digits in float32.
    """

    def __init__(self, forecaster: nn.Module, mean: float, std: float) -> None:
        super().__init__()
        self.forecaster, self.mean, self.std = forecaster, mean, std
        self._dtype = torch.get_default_dtype()

    def forward(self, windows: Tensor) -> Tensor:
        """Forecast the next values (B,) of windows (B, T), in float64."""
        scaled = ((windows.double() - self.mean) / self.std).to(self._dtype)
        return self.forecaster(scaled).double() * self.std + self.mean


class SeriesTask:
    """A forecaster and its windows; weights and scale are computed from the training days only."""

    def __init__(
        self, model: nn.Module, series: pd.Series, window: int, train_subset: int | None, device: torch.device
    ) -> None:
        self.model = model.to(device)
        self.data_fingerprint = fingerprint_of(series)
        self.mean, self.std = scale_of(series)
        # In float64: values far from zero lose their digits in float32.
        scaled = torch.tensor(
            ((series - self.mean) / self.std).to_numpy(), dtype=torch.get_default_dtype(), device=device
        )
        # Window i holds the days i to i + T - 1; its target is day i + T.
        self._windows, self._targets = scaled.unfold(0, window, 1)[:-1], scaled[window:]
        begin, end = (boundary - window for boundary in boundaries(len(series)))
        self._train = torch.arange(begin, device=device)[-(train_subset or begin) :]
        days = torch.arange(len(self._targets), device=device)
        self._evaluated = {"validation": days[begin:end], "test": days[end:]}
        self.n_examples = len(self._train)

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        """Yield scaled windows (B, T) and the values (B,) that follow them, one epoch in a fresh permutation.

        The last batch may be smaller.
        """
        permutation = torch.randperm(self.n_examples, generator=order).to(self._train.device)
        for chosen in self._train[permutation].split(batch_size):
            yield self._batch(chosen)

    def sample(self, n_examples: int) -> list[Batch]:
        """At most ``n_examples`` windows, spread evenly over the training days, the same in every trial."""
        evenly = torch.linspace(0, self.n_examples - 1, min(n_examples, self.n_examples)).long()
        chosen = self._train[evenly.to(self._train.device)]
        return [self._batch(chunk) for chunk in chosen.split(_SAMPLE_BATCH)]

    def loss(self, batch: Batch) -> Tensor:
        """Mean squared error of a batch, a scalar, in units of the variance of the training days."""
        return F.mse_loss(self.model(batch.inputs), batch.targets)

    @torch.inference_mode()
    def evaluate(self, split: EvaluationSplit = "validation") -> dict[str, float]:
        """Scores of a split, each day forecast from the days before it.

        Returns:
            ``loss`` (mean squared error, scaled), and in the units of the data ``rmse`` and
            ``rmse_last_value``, the error of forecasting each day by the day before.
        """
        inputs, targets, _ = self._batch(self._evaluated[split])
        errors = torch.stack([self.model(inputs) - targets, inputs[:, -1] - targets])
        loss, last_value = errors.double().square().mean(1).tolist()
        scores = {"rmse": loss, "rmse_last_value": last_value}
        return {"loss": loss} | {name: error**0.5 * self.std for name, error in scores.items()}

    def _batch(self, chosen: Tensor) -> Batch:
        return Batch(self._windows[chosen], self._targets[chosen], len(chosen))


def boundaries(n_days: int) -> tuple[int, int]:
    """The first validation day and the first test day, counted from 0."""
    return round(n_days * TRAINING), round(n_days * (TRAINING + VALIDATION))


def scale_of(series: pd.Series) -> tuple[float, float]:
    """Mean and standard deviation of the training days of a whole series.

    Raises:
        DataError: If the values do not vary, or too much for float64.
    """
    training = series.iloc[: boundaries(len(series))[0]]
    with np.errstate(over="ignore"):
        mean, std = float(training.mean()), float(training.std(ddof=0))
    if not 0 < std < math.inf:
        got = f"from {training.min():g} to {training.max():g}"
        raise DataError(f"the values of the training days must vary, and less than 1e154, got {got}")
    return mean, std

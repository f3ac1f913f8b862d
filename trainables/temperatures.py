"""One-step forecasts of the daily minimum temperatures of Melbourne, 1981 to 1990, or of any series in a CSV.

Shapes: B batch, T window.
"""

from pathlib import Path
from typing import ClassVar

import pandas as pd
import torch
from torch import Tensor, nn

from trainables.base import Trainable
from trainables.data import DataError
from trainables.data.cache import cached
from trainables.data.hub import local_file
from trainables.data.series import read_series
from trainables.data.splits import check_subset
from trainables.models.recurrent import RecurrentForecaster
from trainables.series import Scaled, SeriesHyperparameters, SeriesTask, boundaries, scale_of

FILE = "daily-min-temperatures/daily-min-temperatures.csv"
URL = "https://raw.githubusercontent.com/jbrownlee/Datasets/master/daily-min-temperatures.csv"


class Temperatures(Trainable[SeriesHyperparameters]):
    """Daily minimum temperatures, or another series in a CSV, forecast by a recurrent network."""

    name = "temperatures"
    Hyperparameters = SeriesHyperparameters
    scores: ClassVar = {"rmse": "min", "rmse_last_value": None}
    fixed_shapes: ClassVar = True
    data_hyperparameters: ClassVar = ("train_subset", "csv", "window")

    def load(self, csv: str | None = None) -> pd.Series:
        """Read the series.

        Args:
            csv: The CSV, as the hyperparameter says; None: the temperatures.

        Returns:
            Values by date.

        Raises:
            DataError: If it is not to be had.
        """
        file = local_file(csv or FILE, self.data_dir)
        if csv and not file.is_absolute():
            raise DataError(f"{csv}: must be absolute where no data_dir is set", "csv")
        if csv and not file.exists():
            raise DataError(f"{file}: no such file (a relative path is taken from data_dir)", "csv")
        return read_series(file if file.exists() else self._downloaded())

    def prepare(self, hyperparameters: SeriesHyperparameters, *, test: bool = False) -> None:
        """Read the series once, to see that it serves.

        Args:
            hyperparameters: ``csv``, ``window`` and ``train_subset`` are used.
            test: Unused; the series holds its test days.

        Raises:
            DataError: If it is shorter than its windows need.
        """
        n_days = len(self.load(hyperparameters.csv))
        begin, end = boundaries(n_days)
        if not hyperparameters.window < begin < end < n_days:
            rule = f"must be below the {begin} training days of {n_days}"
            raise DataError(f"{rule}, got {hyperparameters.window}", "window")
        check_subset(hyperparameters, begin - hyperparameters.window)

    def model(self, hyperparameters: SeriesHyperparameters) -> nn.Module:
        """Build the freshly initialised forecaster.

        Args:
            hyperparameters: ``cell``, ``hidden`` and ``layers`` are used.

        Returns:
            A module from scaled windows (B, T) to scaled values (B,).
        """
        return RecurrentForecaster(
            cell=hyperparameters.cell, hidden=hyperparameters.hidden, layers=hyperparameters.layers
        )

    def task(self, hyperparameters: SeriesHyperparameters, device: torch.device) -> SeriesTask:
        """Build the model and the windows.

        Args:
            hyperparameters: An instance of ``self.Hyperparameters``.
            device: Where to train.

        Returns:
            The task.
        """
        hp, series = hyperparameters, self.load(hyperparameters.csv)
        return SeriesTask(self.model(hp), series, hp.window, hp.train_subset, device)

    def serving(self, model: nn.Module, hyperparameters: SeriesHyperparameters) -> nn.Module:
        """Put the scaling around the forecaster.

        Args:
            model: The trained network.
            hyperparameters: ``csv`` is used.

        Returns:
            A module from windows (B, T) to forecasts (B,), in the unit of the data.
        """
        return Scaled(model, *scale_of(self.load(hyperparameters.csv)))

    def example_input(self, hyperparameters: SeriesHyperparameters) -> Tensor:
        """Two windows of zeros.

        Args:
            hyperparameters: ``window`` is used.

        Returns:
            (2, T).
        """
        return torch.zeros(2, hyperparameters.window)

    def _downloaded(self) -> Path:
        def download(folder: Path) -> None:
            read_series(URL).rename("Temp").rename_axis("Date").to_csv(folder / "series.csv")

        try:
            return cached("daily-min-temperatures-1", download) / "series.csv"
        except DataError as error:
            raise DataError(
                f"{error}; set data_dir in the YAML or NOISESWEEP_DATA_DIR to a folder that holds {FILE}"
            ) from error

"""One-step forecasts of the daily minimum temperatures of Melbourne, 1981 to 1990, or of any series in a CSV.

Shapes: B batch, T window.
"""

from pathlib import Path
from typing import ClassVar

import pandas as pd
import torch
from torch import Tensor, nn
from typing_extensions import override

from trainables.base import Trainable
from trainables.data import DataError
from trainables.data.cache import cached
from trainables.data.hub import local_file
from trainables.data.series import read_series
from trainables.data.splits import check_subset
from trainables.declarations import series as declared
from trainables.declarations.series import SeriesHyperparameters
from trainables.models.recurrent import RecurrentForecaster
from trainables.series import Scaled, SeriesTask, boundaries, scale_of

FILE, URL = declared.Temperatures.source.path, declared.Temperatures.source.origin


class Temperatures(declared.Temperatures, Trainable[SeriesHyperparameters]):
    fixed_shapes: ClassVar = True

    def load(self, csv: str | None = None) -> pd.Series:
        """Read the values by date of a CSV, or of the temperatures.

        Raises:
            DataError: If there is no such file, or it cannot be read.
        """
        file = local_file(csv or FILE, self.data_dir)
        if csv and not file.is_absolute():
            raise DataError(f"{csv}: must be absolute where no data_dir is set", "csv")
        if csv and not file.exists():
            raise DataError(f"{file}: no such file (a relative path is taken from data_dir)", "csv")
        return read_series(file if file.exists() else self._downloaded())

    @override
    def prepare(self, hyperparameters: SeriesHyperparameters, *, test: bool = False) -> None:
        series = self.load(hyperparameters.csv)
        n_days = len(series)
        begin, end = boundaries(n_days)
        if not hyperparameters.window < begin < end < n_days:
            rule = f"must be below the {begin} training days of {n_days}"
            raise DataError(f"{rule}, got {hyperparameters.window}", "window")
        check_subset(hyperparameters, begin - hyperparameters.window)
        scale_of(series)

    @override
    def model(self, hyperparameters: SeriesHyperparameters) -> nn.Module:
        """Build a module from scaled windows (B, T) to scaled values (B,)."""
        return RecurrentForecaster(
            cell=hyperparameters.cell, hidden=hyperparameters.hidden, layers=hyperparameters.layers
        )

    @override
    def task(
        self, hyperparameters: SeriesHyperparameters, device: torch.device, split_seed: int
    ) -> SeriesTask:
        hp, series = hyperparameters, self.load(hyperparameters.csv)
        return SeriesTask(self.model(hp), series, hp.window, hp.train_subset, device)

    @override
    def serving(self, model: nn.Module, hyperparameters: SeriesHyperparameters) -> nn.Module:
        """Add the scaling: a module from windows (B, T) to forecasts (B,) in the units of the data."""
        return Scaled(model, *scale_of(self.load(hyperparameters.csv)))

    @override
    def example_input(self, hyperparameters: SeriesHyperparameters) -> Tensor:
        """Two windows of zeros, (2, T), in float64."""
        return torch.zeros(2, hyperparameters.window, dtype=torch.float64)

    def _downloaded(self) -> Path:
        def download(folder: Path) -> None:
            read_series(URL).rename("Temp").rename_axis("Date").to_csv(folder / "series.csv")

        try:
            return cached("daily-min-temperatures-1", download) / "series.csv"
        except DataError as error:
            raise DataError(
                f"{error}; set data_dir in the YAML or NOISESWEEP_DATA_DIR to a folder that holds {FILE}"
            ) from error

"""Declarations of the forecasters of time series."""

from typing import ClassVar

from pydantic import Field
from typing_extensions import override

from trainables.declarations.base import Declaration
from trainables.declarations.hyperparameters import Cell, Hyperparameters
from trainables.declarations.sources import Source


class SeriesHyperparameters(Hyperparameters):
    """Hyperparameters of the forecaster."""

    csv: str | None = Field(
        None,
        description="a CSV with a column of dates and one of numbers; empty: the temperatures",
    )
    window: int = Field(30, ge=1, description="days that a forecast is made from")
    cell: Cell = Field("lstm", description="kind of the recurrent layers")
    hidden: int = Field(32, ge=1, le=100_000, description="width of the recurrent layers")
    layers: int = Field(1, ge=1, le=1_000, description="recurrent layers")


class Temperatures(Declaration[SeriesHyperparameters]):
    """Daily minimum temperatures, or another series in a CSV, forecast by a recurrent network."""

    name = "temperatures"
    Hyperparameters = SeriesHyperparameters
    scores: ClassVar = {"rmse": "min", "rmse_last_value": None}
    matters: ClassVar = {"rmse": 0.005}
    data_hyperparameters: ClassVar = ("train_subset", "csv", "window")
    fixed_data = True
    source = Source(
        "daily-min-temperatures/daily-min-temperatures.csv",
        "https://raw.githubusercontent.com/jbrownlee/Datasets/master/daily-min-temperatures.csv",
        0.1,
    )

    @override
    @classmethod
    def sources(cls, hyperparameters: SeriesHyperparameters) -> list[Source]:
        """Name the CSV of the hyperparameters, if there is one, in place of the temperatures."""
        return [Source(hyperparameters.csv)] if hyperparameters.csv else super().sources(hyperparameters)

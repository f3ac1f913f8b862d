"""A sweep as rows: one for each trial, or one for each epoch of each trial."""

import csv
import io
import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeps.record.files import write_whole
from sweeps.record.state import SweepState
from sweeps.record.trials import TrialRecord

Row = Mapping[str, Any]


def trial_rows(state: SweepState) -> list[dict[str, Any]]:
    """Tabulate the trials by number, with their searched hyperparameters and last metrics."""
    return [
        {
            "number": trial.number,
            "trial": trial.id,
            "stage": trial.stage,
            "arm": trial.arm,
            "seed": trial.seed,
            "status": trial.status,
            "epochs": len(trial.epochs),
            **_varied(state, trial),
            **_metrics(state, trial.last),
            "reason": trial.reason,
        }
        for trial in state.by_number()
    ]


def epoch_rows(state: SweepState) -> list[dict[str, Any]]:
    """Tabulate the epochs of the trials by number, with their searched hyperparameters and metrics."""
    return [
        {
            "number": trial.number,
            "stage": trial.stage,
            "arm": trial.arm,
            "seed": trial.seed,
            **_varied(state, trial),
            "epoch": epoch,
            **_metrics(state, trial.epochs[epoch]),
        }
        for trial in state.by_number()
        for epoch in sorted(trial.epochs)
    ]


def _varied(state: SweepState, trial: TrialRecord) -> dict[str, Any]:
    """Return what differs between trials, and beside it what training used in its place."""
    used = {f"{name}_used": value for name, value in trial.used.items()}
    return {name: trial.hyperparameters[name] for name in state.spec.varied} | used


def _metrics(state: SweepState, metrics: Mapping[str, float]) -> dict[str, float]:
    """Leave out metrics that have the name of a searched hyperparameter, such as ``lr``."""
    return {name: value for name, value in metrics.items() if name not in state.spec.varied}


def write_csv(path: Path, rows: Sequence[Row], columns: Iterable[str] | None = None) -> None:
    """Write rows as CSV, whole or not at all; what a row lacks, and NaN, is empty.

    Args:
        path: The file.
        rows: The rows.
        columns: The columns in their order. Default: as the rows have them.
    """
    names = list(dict.fromkeys(itertools.chain(*rows) if columns is None else columns))
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    # NaN is not equal to itself.
    writer.writerows({name: value for name, value in row.items() if value == value} for row in rows)
    write_whole(path, text.getvalue())

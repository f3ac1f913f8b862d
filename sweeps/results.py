"""The results of a sweep, read from its folder."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sweeps.analysis.best import Best, best_of
from sweeps.analysis.claims import JudgedClaim, judge_claims
from sweeps.analysis.failures import failures
from sweeps.record.folder import SweepFolder, latest_sweep
from sweeps.record.rows import epoch_rows, trial_rows
from sweeps.record.state import SweepState
from sweeps.record.storage import open_storage
from sweeps.tracking.bookmark import Bookmark

if TYPE_CHECKING:
    import pandas as pd
    import plotly.graph_objects as go


@dataclass(frozen=True)
class SweepResult:
    """The results of a sweep, as they were when it was read.

    Attributes:
        folder: Where the sweep is stored.
        state: Its trials.
        bookmark: What MLflow has of it; None before the first upload.
    """

    folder: SweepFolder
    state: SweepState
    bookmark: Bookmark | None

    @property
    def path(self) -> Path:
        """The sweep's folder."""
        return self.folder.path

    @property
    def tracking_uri(self) -> str:
        """The tracking store; empty before the first upload."""
        return self.bookmark.uri if self.bookmark else ""

    @property
    def run_id(self) -> str:
        """The sweep's parent run in the tracking store; empty before the first upload."""
        return self.bookmark.parent if self.bookmark else ""

    @property
    def undelivered(self) -> int:
        """The number of events missing in MLflow; ``resume`` uploads them."""
        return sum(1 for _ in self.folder.journal.read(self.bookmark.offset if self.bookmark else 0))

    @property
    def complete(self) -> bool:
        """Whether every trial of every stage has ended."""
        return self.state.complete

    @property
    def failures(self) -> list[str]:
        """What has no result: stages in which no trial finished, and arms in which every trial failed."""
        return failures(self.state)

    @property
    def frame(self) -> "pd.DataFrame":
        """One row per trial: configuration, status and last metrics."""
        # Not at the top, because the command does not need it.
        import pandas as pd

        return pd.DataFrame(trial_rows(self.state))

    @property
    def curves(self) -> "pd.DataFrame":
        """One row per trial and epoch: configuration and metrics."""
        import pandas as pd

        return pd.DataFrame(epoch_rows(self.state))

    @property
    def best(self) -> Best | None:
        """The configuration with the best mean objective over its seeds, and what is known about its arm."""
        return best_of(self.state)

    @property
    def best_by_arm(self) -> dict[str, Best | None]:
        """The best configuration of each arm."""
        return {arm: best_of(self.state, arm) for arm in self.state.arms()}

    @property
    def claims(self) -> list[JudgedClaim]:
        """The claims with their verdicts, in the order of the spec."""
        return judge_claims(self.state)

    @property
    def figures(self) -> "dict[str, go.Figure]":
        """The figures of the report as Plotly figures, in its order, by the names of their files."""
        # Not at the top, because Plotly and Matplotlib take most of a second to import.
        from sweeps.report.figures import all_figures
        from sweeps.report.html import figure

        return {chart.slug: figure(chart) for chart in all_figures(self.state)}


def read_result(folder: SweepFolder) -> SweepResult:
    """Read the results that a sweep has so far; nothing is written."""
    return SweepResult(folder, folder.state(), Bookmark.read(folder))


def load(study: str, *, storage: str | Path | None = None) -> SweepResult:
    """Open a study's latest sweep, finished or not, to read its results.

    Args:
        study: The study's name.
        storage: The folder or URI of all sweeps, as for ``run``.

    Returns:
        The results so far. Without the sweep's trainable, ``frame`` and ``curves`` can be read; what needs
        its metrics raises SweepError.

    Raises:
        SweepError: If there is no such sweep.
    """
    return read_result(latest_sweep(open_storage(storage), study))

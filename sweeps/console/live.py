"""The live display of a sweep in a terminal, cut to the terminal's height."""

from collections.abc import Sequence

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress
from rich.table import Table
from rich.text import Text

from sweeps.analysis.arms import is_judgeable
from sweeps.analysis.claims import judge_claims
from sweeps.analysis.descriptions import describe
from sweeps.console.layout import add_rows, empty_table, in_one_line
from sweeps.console.lines import n_ended
from sweeps.console.seeds import ArmRow, arm_rows, seeds_table
from sweeps.console.tables import arms_table
from sweeps.record.journal import Event
from sweeps.record.state import SweepState
from sweeps.record.time_left import TimeLeft
from sweeps.record.trials import TrialRecord
from sweeps.report.labels import claim_line

_MAX_RUNNING = 8  # rows
# The lines of a table above its rows: its title and the names of its columns.
_HEAD = 2
_NOTE = "the table is a view between looks; verdicts come at looks:"


class LiveView:
    """Shows what runs, and the arms: those of the search, or with their differences once there are seeds.

    Differences are computed again only after trials have ended, and verdicts only after looks.
    """

    def __init__(self, state: SweepState, time_left: TimeLeft, console: Console) -> None:
        self._state, self._time_left, self._console = state, time_left, console
        self._rows: list[ArmRow] = []
        self._claims: list[str] = []
        self._old_rows = self._old_claims = True

    def apply(self, event: Event) -> None:
        """Note what an event, which the state already includes, has made out of date."""
        if event["event"] in ("end", "select", "look"):
            self._old_rows = True
        if event["event"] in ("select", "look"):
            self._old_claims = True

    def draw(self, now: float) -> Group:
        """Draw the sweep at ``now`` (ms since 1970)."""
        running = [trial for trial in self._state.by_number() if trial.status == "running"]
        is_judged = is_judgeable(self._state)
        if is_judged:
            self._judge()
        n_arms = len(self._rows) if is_judged else len(self._state.arms()) * len(self._state.spec.strata)
        # The first line shows the progress, and the last one is the cursor's.
        height = self._console.height - 2 - 2 * _HEAD
        claims = self._claims[: max(2, height // 4)] if is_judged else []
        height -= len(claims)
        n_running = max(1, min(len(running), _MAX_RUNNING, height - n_arms))
        limit = max(1, height - n_running)
        spec, state = self._state.spec, self._state
        arms: RenderableType = arms_table(state, running=True, limit=limit)
        if is_judged:
            arms = seeds_table(spec, self._rows, running=True, limit=limit)
        return Group(self._progress(now), self._running(running, n_running), arms, *map(in_one_line, claims))

    def _judge(self) -> None:
        """Compute the rows and the lines about claims, if they are out of date."""
        if self._old_rows:
            self._rows, self._old_rows = arm_rows(self._state), False
        if self._old_claims:
            lines = [f"  {claim_line(claim)}" for claim in judge_claims(self._state)]
            self._claims, self._old_claims = [_NOTE, *lines] if lines else [], False

    def _progress(self, now: float) -> Progress:
        left = self._time_left.text(self._state, now)
        unit = f"trials, {left}" if left else "trials"
        progress = Progress("{task.description}", BarColumn(), MofNCompleteColumn(), unit)
        progress.add_task(self._state.spec.name, total=self._state.n_trials, completed=n_ended(self._state))
        return progress

    def _running(self, trials: Sequence[TrialRecord], limit: int) -> Table:
        table = empty_table("running", ["trial"], ["epoch", self._state.spec.objective.metric])
        rows: list[list[str | Text]] = []
        for trial in trials:
            score = self._state.score(trial)
            epoch = f"{len(trial.epochs)}/{trial.hyperparameters['epochs']}"
            name = in_one_line(describe(self._state.spec, trial))
            rows.append([name, epoch, "" if score is None else f"{score:.4f}"])
        add_rows(table, rows, limit)
        return table

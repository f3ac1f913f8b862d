"""What a person sees while a sweep runs: a live display in a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from sweeps.analysis.descriptions import describe, plan, progress_line, shown_values
from sweeps.console.tables import as_is, tables, wide_console
from sweeps.errors import printable
from sweeps.record.folder import SweepFolder
from sweeps.record.journal import Event, Follower
from sweeps.record.state import ENDED, SweepState, TrialRecord
from sweeps.record.storage import command
from sweeps.record.time_left import TimeLeft
from sweeps.spec.model import Spec
from sweeps.tracking.uris import is_default_store

_ROWS = 8  # running trials shown


class Display(Follower):
    """Shows a sweep from its journal, from a thread of its own."""

    def __init__(self, spec: Spec, folder: SweepFolder, console: Console | None = None) -> None:
        super().__init__(folder.journal)
        self.console = console or wide_console()
        self._state = SweepState(spec)
        self._spec = spec
        self._folder = folder
        self._pace = TimeLeft()
        # What happened before a resume is known already: counted, not told again.
        for event, self.offset in folder.journal.read():
            self._state.apply(event)
        self._live = (
            Live(console=self.console, refresh_per_second=4, transient=True)
            if self.console.is_terminal
            else None
        )
        self.say(f"{spec.name}: {plan(spec)}, in {folder.path}")

    def handle(self, events: list[Event]) -> None:
        """Take events in, and tell the ends of trials.

        Args:
            events: In order.
        """
        for event in events:
            self._state.apply(event)
            self._pace.apply(event, self._state)
            if event["event"] == "end":
                self._tell(self._state.trials[event["trial"]], event["time"])
            elif event["event"] == "select":
                self._tell_selected()
            elif event["event"] == "remark":
                self.say(f"{describe(self._spec, self._state.trials[event['trial']])}: {event['text']}")

    def tick(self) -> None:
        """Refresh the live display."""
        if self._live:
            self._live.update(self._view())

    def run(self) -> None:
        """Follow the journal, and leave the terminal as it was."""
        if self._live:
            self._live.start()
        try:
            super().run()
        finally:
            if self._live:
                self._live.stop()

    def say(self, text: str) -> None:
        """Print a line above the live display.

        Args:
            text: The line.
        """
        self.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def summarise(
        self, state: SweepState, tracking_uri: str, undelivered: int, findings: Sequence[str] = ()
    ) -> None:
        """Print how the sweep ended, and how to go on.

        Args:
            state: Its trials.
            tracking_uri: The MLflow store.
            undelivered: Writes that the store has not got.
            findings: Lines that say what it found.
        """
        for table in tables(state):
            self.console.print(table)
        self.say(progress_line(state, running=False))
        for line in findings:
            self.say(line)
        if not state.complete:
            self.say(f"Go on with: {self._folder.resume_command}")
        if undelivered:
            self.say(
                f"not in MLflow yet: {undelivered} events, which are kept in {self._journal.path}. "
                f"Deliver them with: {self._folder.resume_command}"
            )
        self.say(f"MLflow store: {tracking_uri}")
        is_default = is_default_store(tracking_uri, self._folder.storage)
        option = () if is_default else ("--tracking-uri", tracking_uri)
        self.say(f"See the runs with: {command('ui', *option, storage=self._folder.storage)}")

    def _tell(self, trial: TrialRecord, now: int) -> None:
        done = sum(record.status in ENDED for record in self._state.counted())
        left = self._pace.left(self._state, now)
        parts = [
            f"[{done}/{self._state.n_trials or '?'}]",
            describe(self._spec, trial),
            trial.status,
            f"after {len(trial.epochs)} of {trial.hyperparameters['epochs']} epochs",
        ]
        score = self._state.score(trial)
        if score is not None:
            parts.append(f"{self._spec.objective.metric}={score:.4f}")
        if trial.reason:
            parts.append(f"({trial.reason})")
        if left is not None and not self._state.complete and trial.status != "interrupted":
            parts.append(f"- about {left} left")
        self.say(" ".join(parts))

    def _tell_selected(self) -> None:
        seeds = self._spec.confirm_seeds
        self.say(f"search is over; confirming on the seeds {seeds[0]} to {seeds[-1]}:")
        chosen = self._state.selected or []
        for arm in self._spec.arms:
            points = [point for point in chosen if point[self._spec.compared] == arm]
            for point in points:
                self.say(f"  {arm} {shown_values(self._spec, point)}".rstrip())
            if not points:
                self.say(f"  {arm}: left out, no trial has a finite score")

    def _view(self) -> Group:
        done = sum(trial.status in ENDED for trial in self._state.counted())
        left = self._pace.left(self._state, time.time() * 1000)
        progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("trials {task.fields[left]}"),
        )
        progress.add_task(
            self._spec.name,
            total=self._state.n_trials,
            completed=done,
            left=f"about {left} left" if left else "",
        )
        return Group(progress, self._running_table(), *tables(self._state, running=True))

    def _running_table(self) -> Table:
        metric = self._spec.objective.metric
        table = Table(title="running", title_justify="left", box=None, padding=(0, 2, 0, 0))
        for column in ("trial", "epoch", metric):
            table.add_column(column, justify="left" if column == "trial" else "right")
        running = [trial for trial in self._state.counted() if trial.status == "running"]
        for trial in running[:_ROWS]:
            score = self._state.score(trial)
            epoch = f"{len(trial.epochs)}/{trial.hyperparameters['epochs']}"
            table.add_row(as_is(describe(self._spec, trial)), epoch, "" if score is None else f"{score:.4f}")
        if len(running) > _ROWS:
            table.add_row(f"and {len(running) - _ROWS} more", "", "")
        return table

"""Shows a running sweep to people: a live display in a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence
from contextlib import nullcontext

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress
from rich.table import Table
from typing_extensions import override

from sweeps.analysis.descriptions import counted, describe, plan, progress_line, shown_values
from sweeps.console.tables import as_is, empty_table, tables, wide_console
from sweeps.errors import printable
from sweeps.record.folder import SweepFolder
from sweeps.record.journal import Event, Follower
from sweeps.record.state import SweepState
from sweeps.record.storage import command
from sweeps.record.time_left import TimeLeft
from sweeps.record.trials import ENDED, TrialRecord
from sweeps.spec.model import Spec
from sweeps.spec.space import points_at, tuned_by
from sweeps.tracking.uris import is_default_store

_MAX_RUNNING = 8  # rows


class Display(Follower):
    """Shows a sweep from its journal, in a thread of its own.

    Events from before a resume count, but are not printed again.
    """

    def __init__(self, spec: Spec, folder: SweepFolder, console: Console | None = None) -> None:
        super().__init__(folder.journal)
        self.console = console or wide_console()
        self._state = SweepState(spec)
        self._spec = spec
        self._folder = folder
        self._time_left = TimeLeft()
        for event, offset in folder.journal.read():
            self._state.apply(event)
            self.offset = offset
        self._live: Live | None = None
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=4, transient=True)
        self.say(f"{spec.name}: {plan(spec)}, in {folder.path}")

    @override
    def handle(self, events: list[Event]) -> None:
        for event in events:
            self._state.apply(event)
            self._time_left.apply(event, self._state)
            if event["event"] == "end":
                self._print_end(self._state.trials[event["trial"]], event["time"])
            elif event["event"] == "select":
                self._print_selected()
            elif event["event"] == "remark":
                self.say(f"{describe(self._spec, self._state.trials[event['trial']])}: {event['text']}")

    @override
    def tick(self) -> None:
        if self._live:
            self._live.update(self._view())

    @override
    def run(self) -> None:
        with self._live or nullcontext():
            super().run()

    def say(self, text: str) -> None:
        """Print a line, above the live display if there is one."""
        self.console.print(printable(text), markup=False, highlight=False, soft_wrap=True)

    def summarise(
        self, state: SweepState, tracking_uri: str, undelivered: int, findings: Sequence[str] = ()
    ) -> None:
        """Print how the sweep ended; ``undelivered`` counts the events that MLflow is still missing."""
        for table in tables(state):
            self.console.print(table)
        self.say(progress_line(state, running=False))
        for line in findings:
            self.say(line)
        if not state.complete:
            self.say(f"Resume with: {self._folder.resume_command}")
        if undelivered:
            self.say(
                f"not in MLflow yet: {undelivered} events, which are kept in {self._journal.path}; "
                f"upload them with: {self._folder.resume_command}"
            )
        self.say(f"tracking store: {tracking_uri}")
        arguments = ["ui"]
        if not is_default_store(tracking_uri, self._folder.storage):
            arguments += ["--tracking-uri", tracking_uri]
        self.say(f"See the runs with: {command(*arguments, storage=self._folder.storage)}")

    def _print_end(self, trial: TrialRecord, now: int) -> None:
        left = self._time_left.text(self._state, now)
        parts = [
            f"[{self._n_ended()}/{self._state.n_trials or '?'}]",
            describe(self._spec, trial),
            trial.status,
            f"after {len(trial.epochs)} of {trial.hyperparameters['epochs']} epochs",
        ]
        score = self._state.score(trial)
        if score is not None:
            parts.append(f"{self._spec.objective.metric}={score:.4f}")
        if trial.reason:
            parts.append(f"({trial.reason})")
        if left and not self._state.complete and trial.status != "interrupted":
            parts.append(f"- {left}")
        self.say(" ".join(parts))

    def _print_selected(self) -> None:
        spec, selected = self._spec, self._state.selected or []
        seeds, points = spec.replicates[: spec.n_seeds[0]], points_at(spec)
        done = "the search is complete; " if spec.search_stage else ""
        also = f", also at {counted(len(points), 'listed point')}" if points else ""
        self.say(f"{done}confirming on seeds {seeds[0]} to {seeds[-1]}{also}:")
        for index, tuned in enumerate(spec.tuned):
            name = tuned[spec.compared]
            chosen = [point for point in selected if tuned_by(spec, point) == index]
            for point in chosen:
                self.say(f"  {name} {shown_values(spec, point)}".rstrip())
            if not chosen:
                stratum = "".join(f", {value}" for key, value in tuned.items() if key != spec.compared)
                self.say(f"  {name}{stratum}: left out, no trial has a finite score")

    def _n_ended(self) -> int:
        return sum(trial.status in ENDED for trial in self._state.by_number())

    def _view(self) -> Group:
        left = self._time_left.text(self._state, time.time() * 1000)
        unit = f"trials, {left}" if left else "trials"
        progress = Progress("{task.description}", BarColumn(), MofNCompleteColumn(), unit)
        progress.add_task(self._spec.name, total=self._state.n_trials, completed=self._n_ended())
        return Group(progress, self._running_table(), *tables(self._state, running=True))

    def _running_table(self) -> Table:
        table = empty_table("running", ["trial"], ["epoch", self._spec.objective.metric])
        running = [trial for trial in self._state.by_number() if trial.status == "running"]
        for trial in running[:_MAX_RUNNING]:
            score = self._state.score(trial)
            epoch = f"{len(trial.epochs)}/{trial.hyperparameters['epochs']}"
            table.add_row(as_is(describe(self._spec, trial)), epoch, "" if score is None else f"{score:.4f}")
        if len(running) > _MAX_RUNNING:
            table.add_row(f"and {len(running) - _MAX_RUNNING} more", "", "")
        return table

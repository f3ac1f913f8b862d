"""Shows a running sweep to people: a live display in a terminal, plain lines elsewhere."""

import time
from collections.abc import Sequence
from contextlib import nullcontext

from rich.console import Console
from rich.live import Live
from typing_extensions import override

from sweeps.analysis.descriptions import plan, progress_line
from sweeps.console.layout import wide_console
from sweeps.console.lines import Lines
from sweeps.console.live import LiveView
from sweeps.console.tables import tables
from sweeps.errors import printable
from sweeps.record.folder import SweepFolder
from sweeps.record.journal import Event, Follower
from sweeps.record.state import SweepState
from sweeps.record.storage import command, in_ray_job
from sweeps.record.time_left import TimeLeft
from sweeps.spec.model import Spec
from sweeps.tracking.uris import is_default_store

# The ending of a sweep's output begins with a line that begins so; `submit --wait` finds it by that.
RESULTS = "results of "


class Display(Follower):
    """Shows a sweep from its journal, in a thread of its own.

    Events from before a resume count, but are not printed again.
    """

    def __init__(
        self, spec: Spec, folder: SweepFolder, console: Console | None = None, *, verbose: bool = False
    ) -> None:
        super().__init__(folder.journal)
        self.console = console or wide_console()
        self._state = SweepState(spec)
        self._folder = folder
        self._time_left = TimeLeft()
        for event, offset in folder.journal.read():
            self._state.apply(event)
            self.offset = offset
        self._live: Live | None = None
        if self.console.is_terminal:
            self._live = Live(console=self.console, refresh_per_second=4, transient=True)
        self._view = LiveView(self._state, self._time_left, self.console)
        # The live display shows the progress.
        self._lines = Lines(self._state, self._time_left, verbose=verbose, progress=not self._live)
        self.say(f"{spec.name}: {plan(spec)}, in {folder.path}")

    @override
    def handle(self, events: list[Event]) -> None:
        for event in events:
            self._state.apply(event)
            self._time_left.apply(event, self._state)
            self._view.apply(event)
            for line in self._lines.about(event):
                self.say(line)

    @override
    def tick(self) -> None:
        if self._live:
            self._live.update(self._view.draw(time.time() * 1000))

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
        self.say(f"{RESULTS}{state.spec.name}, sweep {self._folder.path.name}")
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
        if in_ray_job():
            # The log is read on another machine, where that command would find nothing.
            return
        arguments = ["ui", self._folder.study]
        if not is_default_store(tracking_uri, self._folder.storage):
            arguments += ["--tracking-uri", tracking_uri]
        self.say(f"See the runs and the report with: {command(*arguments, storage=self._folder.storage)}")

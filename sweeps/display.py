"""What a person sees while a sweep runs: a live display in a terminal, plain lines elsewhere."""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from sweeps.claims import arms_of, is_judgeable, points_of
from sweeps.journal import Event, Follower
from sweeps.mistakes import printable
from sweeps.pace import Pace
from sweeps.spec import Spec
from sweeps.state import CONFIRM, ENDED, SEARCH, SweepState, TrialRecord, trial_name
from sweeps.stats import summarise
from sweeps.storage import SweepFolder, command, is_default_store

_ROWS = 8  # running trials shown


class Display(Follower):
    """Shows a sweep from its journal, from a thread of its own."""

    def __init__(self, spec: Spec, folder: SweepFolder, console: Console | None = None) -> None:
        super().__init__(folder.journal)
        self.console = console or wide_console()
        self._state = SweepState(spec)
        self._spec = spec
        self._folder = folder
        self._pace = Pace()
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
            table.add_row(_as_is(describe(self._spec, trial)), epoch, "" if score is None else f"{score:.4f}")
        if len(running) > _ROWS:
            table.add_row(f"and {len(running) - _ROWS} more", "", "")
        return table


def wide_console() -> Console:
    """Make a console that does not squeeze tables into 80 columns when there is no terminal.

    Returns:
        A console on standard output.
    """
    console = Console(force_jupyter=False)  # a notebook takes plain lines, too
    return console if console.is_terminal else Console(force_jupyter=False, width=160)


def progress_line(state: SweepState, *, running: bool) -> str:
    """Say in a line how far a sweep is.

    Args:
        state: The sweep.
        running: Whether a driver is at work on it.

    Returns:
        Such as ``complete, 30 of 30 trials ended: 12 finished, 18 stopped``.
    """
    counts = {status: n for status, n in state.counts().items() if n}
    ended = sum(n for status, n in counts.items() if status in ENDED)
    how = "complete" if state.complete else "running" if running else "interrupted"
    by_status = ", ".join(f"{n} {status}" for status, n in counts.items())
    of = "" if state.n_trials is None else f" of {state.n_trials}"
    return f"{how}, {ended}{of} trials ended: {by_status or 'none yet'}"


def plan(spec: Spec) -> str:
    """Say in a line what a sweep runs.

    Args:
        spec: The sweep.

    Returns:
        Such as ``5 arms of noise, 20 trials each, then 10 seeds of the best; digits, at most 10 epochs``.
    """
    epochs = f"{spec.trainable}, at most {spec.max_epochs} epochs each"
    if not spec.stages:
        n = SweepState(spec).n_trials
        return f"{'1 trial' if n == 1 else f'{n} trials'} of {epochs}"
    search, confirm = spec.stages.search, spec.stages.confirm
    budget = f"{search.trials_per_arm} trials" if search.trials_per_arm else f"{search.epochs_per_arm} epochs"
    text = f"{len(spec.arms)} arms of {spec.compared} with {budget} each"
    if confirm:
        text += f", then {confirm.seeds} seeds of the best{f' {confirm.top}' if confirm.top > 1 else ''}"
    return f"{text}; {epochs}"


def describe(spec: Spec, trial: TrialRecord) -> str:
    """Name a trial by what was searched.

    Args:
        spec: The sweep.
        trial: One of its trials.

    Returns:
        Such as ``0007-layer sigma=0.013 lr=0.05``.
    """
    varied = spec.seeds > 1 or trial.stage == CONFIRM
    name = trial_name(trial.number, trial.arm, trial.seed if varied else None)
    return f"{name} {shown_values(spec, trial.hyperparameters)}".rstrip()


def shown_values(spec: Spec, hyperparameters: Mapping[str, Any]) -> str:
    """Show what was searched in a configuration, but the arm.

    Args:
        spec: The sweep.
        hyperparameters: Those of a trial, or the searched ones.

    Returns:
        Such as ``sigma=0.013 lr=0.05``.
    """
    values = {name: hyperparameters[name] for name in spec.search if name != spec.compared}
    if hyperparameters.get("noise", spec.fixed.get("noise")) == "none":
        values.pop("sigma", None)
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in values.items()
    )


def tables(state: SweepState, *, running: bool = False) -> list[Table]:
    """Tabulate the arms, stage by stage.

    Args:
        state: The sweep.
        running: Let running trials be the best.

    Returns:
        One table a stage that has trials.
    """
    confirmed = [seeds_table(state)] if is_judgeable(state) else []
    return [arms_table(state, running=running), *confirmed]


def seeds_table(state: SweepState) -> Table:
    """Tabulate arms over their seeds.

    Args:
        state: A sweep with a confirm stage, or a grid.

    Returns:
        The mean score of each arm with its 95% interval; in a grid at every point.
    """
    metric, compared = state.spec.verdict_metric, state.spec.compared
    how = "confirmed on fresh seeds" if state.spec.confirms else "over seeds"
    title = f"{how}: mean {metric} and its 95% interval"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    for column in (compared, "with", "seeds", "diverged", "mean", "from", "to"):
        table.add_column(column, justify="left" if column in (compared, "with") else "right")
    arms = [arm for _, where in points_of(state.spec) for arm in arms_of(state, where)]
    for arm in {id(arm.trials[0]): arm for arm in arms}.values():  # none has no sigma: once is enough
        summary = summarise(list(arm.final(metric).values()))
        numbers = [f"{value:.4f}" for value in (summary.mean, summary.low, summary.high)]
        table.add_row(
            _as_is(arm.name),
            _as_is(shown_values(state.spec, arm.point)),
            str(summary.n),
            str(arm.diverged),
            *(number if number != "nan" else "" for number in numbers),
        )
    return table


def arms_table(state: SweepState, *, running: bool = False) -> Table:
    """Tabulate the arms of a search or grid.

    Args:
        state: The sweep.
        running: Let running trials be the best.

    Returns:
        Trials by status and the best trial of each arm.
    """
    metric, compared = state.spec.objective.metric, state.spec.compared
    title = "noise modes" if compared == "noise" else f"arms of {compared}"
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2, 0, 0))
    counted = [*(["running"] if running else []), "stopped", "diverged", "failed"]
    for column in (compared, "trials", *counted, f"best {metric}", "after", "with"):
        table.add_column(column, justify="left" if column in (compared, "with") else "right")
    ranking = state.ranking(None, SEARCH, running=running)
    for arm in state.arms():
        trials = [trial for trial in state.of_stage(SEARCH) if trial.arm == arm]
        counts = [sum(trial.status == status for trial in trials) for status in counted]
        best = next((trial for trial in ranking if trial.arm == arm), None)
        score = f"{state.score(best):.4f}" if best else ""
        after = f"{len(best.epochs)}/{best.hyperparameters['epochs']}" if best else ""
        style = "bold" if best and best is ranking[0] else None
        about = describe(state.spec, best) if best else ""
        table.add_row(
            _as_is(arm), str(len(trials)), *map(str, counts), score, after, _as_is(about), style=style
        )
    return table


def _as_is(text: str) -> Text:
    return Text(printable(text))  # a plain string's [brackets] would be taken for markup

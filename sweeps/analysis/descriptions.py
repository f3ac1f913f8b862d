"""A sweep, a trial and a configuration, each described in a line."""

from collections.abc import Mapping
from typing import Any

from sweeps.record.state import CONFIRM, ENDED, SweepState, TrialRecord, trial_name
from sweeps.spec.model import Spec


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

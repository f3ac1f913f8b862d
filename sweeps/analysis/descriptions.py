"""One-line descriptions of a sweep, a trial and a configuration."""

from collections.abc import Mapping
from typing import Any

from sweeps.analysis.failures import outcome
from sweeps.record.state import SweepState
from sweeps.record.trials import CONFIRM, ENDED, SEARCH, TrialRecord, trial_name
from sweeps.spec.model import Spec, name_in
from sweeps.spec.space import NOISE_HYPERPARAMETERS, budget_of, points_at


def progress_line(state: SweepState, *, running: bool) -> str:
    """Describe a sweep's progress, such as ``complete, 30 of 30 trials ended: 12 finished, 18 stopped``.

    How many trials it will have is left out if its trainable or a noise mode is not registered here; how it
    ended is then what its last driver has recorded.
    """
    counts = {status: n for status, n in state.counts().items() if n}
    by_status = ", ".join(f"{n} {status}" for status, n in counts.items())
    ended = sum(n for status, n in counts.items() if status in ENDED)
    is_known = not state.spec.missing
    n_trials = state.n_trials if is_known else None
    total = "" if n_trials is None else f" of {n_trials}"
    ended_as = outcome(state) if is_known else state.ended_as
    if running and ended_as not in ("finished", "failed"):
        ended_as = "running"
    status = {"finished": "complete", "": "not running"}.get(ended_as, ended_as)
    return f"{status}, {ended}{total} trials ended: {by_status or 'none yet'}"


def plan(spec: Spec) -> str:
    """Describe what a sweep runs, such as ``9 trials of digits, at most 10 epochs each``."""
    training = f"{spec.trainable}, at most {counted(spec.max_epochs, 'epoch')} each"
    if not spec.stages:
        trials = counted(SweepState(spec).n_trials or 0, "trial")
        looks = f", for the first of {looks_text(spec)}" if len(spec.n_seeds) > 1 else ""
        return f"{trials} of {training}{looks}"
    parts, strata = [f"{len(spec.arms)} arms of {spec.compared}"], len(spec.strata)
    if strata > 1:
        parts[0] += f" for each of {strata} values of {name_in(spec.across)}"
    if spec.search_stage:
        parts[0] += f", {_budgets(spec)}"
    if confirm := spec.confirm:
        best = f"the best {confirm.top}" if confirm.top > 1 else "the best"
        chosen = f"{best} of each" if spec.search_stage else "the given configuration of each"
        parts.append(f"{looks_text(spec)} of {chosen}")
        points = len(points_at(spec))
        if points:
            parts[-1] += f", also at {counted(points, 'listed point')}"
    return f"{', then '.join(parts)}; {training}"


def looks_text(spec: Spec) -> str:
    """Name the seeds of all looks, such as ``10 seeds`` or ``13, 20 and at most 40 seeds``."""
    *earlier, last = spec.n_seeds
    return f"{', '.join(map(str, earlier))} and at most {last} seeds" if earlier else f"{last} seeds"


def _budgets(spec: Spec) -> str:
    """Describe the budgets of the arms, such as ``12 trials each (6 of none)``."""
    unit = "trial" if spec.search_stage and spec.search_stage.trials_per_arm else "epoch"
    budgets = {str(tuned[spec.compared]): budget_of(spec, tuned) for tuned in spec.tuned}
    most = max(budgets.values())
    fewer = ", ".join(f"{n} of {arm}" for arm, n in budgets.items() if n < most)
    return f"{counted(most, unit)} each" + (f" ({fewer})" if fewer else "")


def counted(n: int, noun: str) -> str:
    """Write a number with its noun, such as ``1 trial`` or ``2 trials``."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def describe(spec: Spec, trial: TrialRecord) -> str:
    """Name a trial with its searched values, such as ``0007-layer sigma=0.013 lr=0.05``."""
    looked_stage = CONFIRM if spec.confirms else SEARCH
    has_several_seeds = trial.stage == looked_stage and spec.n_seeds[-1] > 1
    name = trial_name(trial.number, trial.arm, trial.seed if has_several_seeds else None)
    return f"{name} {shown_values(spec, trial.hyperparameters)}".rstrip()


def shown_values(spec: Spec, hyperparameters: Mapping[str, Any]) -> str:
    """Show the searched hyperparameters except the compared one, such as ``sigma=0.013 lr=0.05``."""
    return " ".join(
        f"{name}={value:.3g}" if isinstance(value, float) else f"{name}={value}"
        for name, value in varied_values(spec, hyperparameters).items()
    )


def varied_values(spec: Spec, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """Select the searched hyperparameters that apply, except the compared one."""
    hidden = {spec.compared}
    if hyperparameters.get("noise", spec.fixed.get("noise")) == "none":
        hidden.update(NOISE_HYPERPARAMETERS)
    return {
        name: hyperparameters[name] for name in spec.varied if name in hyperparameters and name not in hidden
    }

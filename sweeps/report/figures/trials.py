"""Figures of a search: its progress, how its trials ended, the importance of its hyperparameters."""

import itertools
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweeps.analysis.arms import in_stratum
from sweeps.analysis.importance import FEWEST_TRIALS, importances
from sweeps.record.state import SweepState
from sweeps.record.trials import ENDED, SEARCH, TrialRecord
from sweeps.report.charts import Chart, Series
from sweeps.report.labels import label_of, stopped_by
from sweeps.report.styles import Style
from sweeps.spec.methods import SAMPLERS
from sweeps.spec.model import Spec
from sweeps.spec.sections import Scalar
from sweeps.spec.starting import n_random, n_starting_points, trials_of

# These differ from the colours of the five modes of the study.
_COLORS = {"finished": "#009E73", "diverged": "#CC79A7", "failed": "#7F4F24"}


def search_progress(state: SweepState, stratum: Mapping[str, Scalar], style_of: Mapping[str, Style]) -> Chart:
    """Chart the best score so far of each arm, by its number of trials, and where the sampler begins."""
    spec, trials = state.spec, in_stratum(state.of_stage(SEARCH), stratum)
    arms = [str(arm) for arm in spec.arms]
    series = []
    for index, name in enumerate(arms):
        best = _best_so_far(state, [trial for trial in trials if trial.arm == name])
        line = Series(name, style_of[name], range(1, len(best) + 1), best, "step")
        # Lines get thinner from arm to arm, so that one shows on both sides of another on the same scores.
        series.append(replace(line, width=2 + 0.8 * (len(arms) - 1 - index)))
    marks, sampler = _starts_of_sampler(spec, stratum), SAMPLERS[spec.search_sampler]
    caption = "Best score so far of each arm. "
    if marks:
        caption += (
            "Up to its dashed line an arm tries starting points that were fixed beforehand. Only after it, "
            f"where {sampler} chooses, does a flat end suggest that more trials would change little."
        )
    elif spec.search_stage:
        caption += f"All trials had starting points that were fixed beforehand: {sampler} never chose any."
    elif first := n_random(spec):
        caption += f"The first {first} trials of the search, over all arms, were random."
    title, y_label = "Best score found by the search", label_of(spec.objective.metric)
    return Chart("search", title, "trials of the arm", y_label, series, caption, integer_x=True, marks=marks)


def _best_so_far(state: SweepState, trials: Sequence[TrialRecord]) -> list[float]:
    """Return the best score after each trial; NaN before the first that has one."""
    better = max if state.spec.objective.mode == "max" else min
    scored, best = {trial.id for trial in state.ranked(trials)}, list[float]()
    for trial in trials:
        scores = [state.score(trial)] if trial.id in scored else []
        scores += [score for score in best[-1:] if math.isfinite(score)]
        best.append(better((score for score in scores if score is not None), default=math.nan))
    return best


def _starts_of_sampler(spec: Spec, stratum: Mapping[str, Scalar]) -> list[tuple[float, str]]:
    """Return where the sampler chooses an arm's points for the first time, with the arms if that differs."""
    names_at: dict[int, list[str]] = {}
    of_stratum = [tuned for tuned in spec.tuned if stratum.items() <= tuned.items()]
    for tuned in of_stratum if spec.search_stage else []:
        start = n_starting_points(spec, tuned)
        if start < trials_of(spec, tuned):
            names_at.setdefault(start, []).append(str(tuned[spec.compared]))
    # The arms of the most frequent number are not listed.
    usual = max(names_at, key=lambda start: len(names_at[start]), default=0)
    begins = f"{SAMPLERS[spec.search_sampler]} begins"
    return [
        (start + 0.5, begins if start == usual else f"{begins}: {', '.join(names)}")
        for start, names in names_at.items()
    ]


def trial_ends(state: SweepState, stratum: Mapping[str, Scalar]) -> Chart:
    """Chart how many trials of each arm finished, diverged, failed or were stopped after which epoch."""
    names = [str(arm) for arm in state.spec.arms]
    searched = in_stratum(state.of_stage(SEARCH), stratum)
    trials = [trial for trial in searched if trial.status in ENDED]
    stopped = [trial for trial in trials if trial.status == "stopped"]
    epochs = sorted({len(trial.epochs) for trial in stopped})
    series = []
    for epoch, style in zip(epochs, _greys(len(epochs)), strict=True):
        chosen = [trial for trial in stopped if len(trial.epochs) == epoch]
        series.append(_counts(f"stopped after epoch {epoch}", style, names, chosen))
    for status, color in _COLORS.items():
        if chosen := [trial for trial in trials if trial.status == status]:
            series.append(_counts(status, Style(color, "circle", "solid"), names, chosen))
    title = f"Trials {stopped_by(state.spec)}" if stopped else "How the trials of the search ended"
    caption = "Trials of each arm's search, by how they ended."
    layout: dict[str, Any] = {"categories": names, "horizontal": True, "stacked": True}
    return Chart("stopped", title, state.spec.compared, "trials", series, caption, **layout)


def _counts(label: str, style: Style, names: Sequence[str], trials: Sequence[TrialRecord]) -> Series:
    counts = Counter(trial.arm for trial in trials)
    return Series(label, style, range(len(names)), [counts[name] for name in names], "bars")


def _greys(n: int) -> Iterator[Style]:
    """Yield greys that get darker, with dashes that make neighbouring hatches differ."""
    dashes = itertools.cycle(["dot", "dash", "dashdot", "longdash"])
    for index, dash in zip(range(n), dashes, strict=False):
        shade = 210 - round(130 * index / max(1, n - 1))
        yield Style(f"#{shade:02x}{shade:02x}{shade:02x}", "circle", dash)


def importance(
    state: SweepState, stratum: Mapping[str, Scalar], style_of: Mapping[str, Style]
) -> Chart | None:
    """Chart the importance of each hyperparameter in each arm's search; None if no arm has one."""
    spec = state.spec
    by_arm = {str(arm): importances(state, {**stratum, spec.compared: arm}) for arm in spec.arms}
    categories = [name for name in spec.search if any(name in shares for shares in by_arm.values())]
    if not categories:
        return None
    series = []
    for arm, shares in by_arm.items():
        places = [index for index, name in enumerate(categories) if name in shares]
        heights = [shares[categories[place]] for place in places]
        series.append(Series(arm, style_of[arm], places, heights, "bars"))
    title, y_label = "Importance of each hyperparameter in the search", "share of the variance"
    caption = (
        "Share of the variance of an arm's scores in the search that each hyperparameter explains (Optuna's "
        f"fANOVA, on at least {FEWEST_TRIALS} finished trials of an arm)."
    )
    if without := [arm for arm, shares in by_arm.items() if not shares]:
        caption += f" Left out, with fewer such trials or a single hyperparameter: {', '.join(without)}."
    return Chart("importance", title, "hyperparameter", y_label, series, caption, categories=categories)

"""Formats metrics, numbers and verdicts for reports."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sweeps.analysis.best import Best
from sweeps.analysis.claims import JudgedClaim
from sweeps.analysis.descriptions import counted, shown_values
from sweeps.analysis.stats import PairedDifference, Summary
from sweeps.analysis.verdicts import Verdict
from sweeps.record.state import SweepState
from sweeps.spec.looks import ALPHA
from sweeps.spec.model import Spec

_SPLITS = {"val": "validation", "test": "test", "train": "training"}
_SCORES = {
    "accuracy": "accuracy (fraction correct)",
    "f1": "F1 of entities",
    "rmse": "RMSE (unit of the data)",
    "error": "error (mean squared)",
    "distance": "distance to the truth",
    "l1": "l1 norm of the coefficients",
    "l0": "number of coefficients that are not zero",
}
_CURVATURE = {
    "sharpness": "sharpness: rise of the loss under noise",
    "hessian_trace": "trace of the Hessian (loss per squared weight)",
    "hessian_top_eigenvalue": "top eigenvalue of the Hessian (loss per squared weight)",
}
# Their names in tables.
NAMES = {"hessian_trace": "Hessian trace", "sharpness": "sharpness"}
# Smaller values are rounding errors.
_ROUNDING = 1e-12


def label_of(metric: str) -> str:
    """Return a metric with its unit, such as ``validation accuracy (fraction correct)``."""
    split, _, score = metric.partition("_")
    score, under, sigma = score.partition("_under_")
    if split in _SPLITS:
        label = f"{_SPLITS[split]} {_SCORES.get(score, score.replace('_', ' '))}"
        return f"{label} under weight noise {sigma}" if under else label
    return _CURVATURE.get(metric, metric)


def slug_at(slug: str, suffix: str) -> str:
    """Return the name of a file that is about one point; it has no slash and so stays in its folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", f"{slug}-{suffix}").rstrip("-")


def stopped_by(spec: Spec) -> str:
    """Say how trials were stopped early, such as ``stopped by ASHA``."""
    return f"stopped by {spec.early_stopping.label}" if spec.early_stopping else "stopped early"


def number(value: float | None) -> str:
    """Write three significant digits; nothing for None and NaN."""
    if value is None or math.isnan(value):
        return ""
    return f"{0.0 if abs(value) < _ROUNDING else value:.3g}"


def interval(summary: Summary, unit: str = "") -> str:
    """Write a mean with its interval, such as ``0.012 [0.004, 0.020]``.

    All three are rounded to two significant digits of the interval's width, or to three of their own if the
    interval of a difference excludes nothing that can be.
    """
    if summary.n and not math.isfinite(summary.mean):
        return "some seeds diverged"
    return _estimate(summary.n, (summary.mean, summary.low, summary.high), unit)


def typical(difference: PairedDifference, unit: str = "") -> str:
    """Write the typical difference with its interval, as ``interval`` does for the mean.

    An end that is infinite, as with few seeds or several that diverged, is written as ``unbounded``.
    """
    if difference.n and not math.isfinite(difference.typical):
        return "undefined" if math.isnan(difference.typical) else "too many seeds diverged"
    ends = difference.typical, difference.typical_low, difference.typical_high
    return _estimate(difference.n, ends, unit)


def between(low: float, high: float) -> str:
    """Write the ends of an interval, rounded to two significant digits of its width."""
    digits = _digits(high - low) if high > low else 3
    return f"[{low:.{digits}f}, {high:.{digits}f}]"


def _digits(width: float) -> int:
    return max(0 if width >= 100 else 1, 1 - math.floor(math.log10(width)))


def _estimate(n: int, estimate: tuple[float, float, float], unit: str) -> str:
    unit = f" {unit}" if unit else ""
    if n == 0:
        return "no seeds"
    center, low, high = estimate
    width = high - low
    # Only an interval that excludes nothing is symmetric about 0 while its estimate is not 0.
    if math.isinf(width) or (low == -high and center):
        ends = ["unbounded" if math.isinf(end) else number(end) for end in (low, high)]
        if ends[0] == ends[1]:
            ends = ends[:1]
        return f"{number(center)} [{', '.join(ends)}]{unit}" if n > 1 else f"{number(center)}{unit}"
    if not width > 0:
        every = " with every seed" if n > 1 else ""
        return f"{number(center)}{unit}{every}"
    digits = _digits(width)
    # Adding 0.0 turns -0.0 into 0.0.
    texts = (f"{round(value, digits) + 0.0:.{digits}f}" for value in estimate)
    return "{} [{}, {}]".format(*texts) + unit


def headline(judged: Sequence[JudgedClaim]) -> str:
    """Count the verdicts, as in ``Of 4 claims: 2 supported, 2 undecided.``; empty without claims.

    Claims that were made post hoc are counted in a sentence of their own.
    """
    sentences = []
    for post_hoc, name in ((False, "claim"), (True, "post hoc claim")):
        verdicts = [claim.judgement.verdict for claim in judged if claim.post_hoc is post_hoc]
        counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict if verdict in verdicts]
        if counts:
            sentences.append(f"Of {counted(len(verdicts), name)}: {', '.join(counts)}.")
    return " ".join(sentences)


def trainings(state: SweepState) -> str:
    """Say how many trainings the looks took of those declared; empty for a single look."""
    if len(state.looks) == 1 or not state.rounds:
        return ""
    most = len(state.rounds[0].points) * state.looks[-1].seeds
    taken = sum(map(len, state.rounds[: len(state.taken)]))
    return f"The looks took {taken:,} of at most {most:,} trainings."


def position(judged: JudgedClaim, index: int) -> str:
    """Say where the interval of a typical difference lies against 0 and ``by``, or against ``within``."""
    difference, claim = judged.differences[index], judged.claim
    low, high = difference.typical_low, difference.typical_high
    if claim.within is not None:
        if -claim.within < low and high < claim.within:
            return f"within {claim.within:.3g}"
        is_beyond = low > claim.within or high < -claim.within
        return f"{'beyond' if is_beyond else 'reaches beyond'} {claim.within:.3g}"
    by = claim.by or 0.0
    if low > by or high < 0:
        return f"above {by:.3g}" if low > by else "below 0"
    if low > 0:
        return f"between 0 and {by:.3g}" if high < by else f"above 0, includes {by:.3g}"
    if high < by:
        return f"below {by:.3g}, includes 0"
    return f"includes 0 and {by:.3g}" if by else "includes 0"


def when_decided(judged: JudgedClaim) -> str:
    """Name the look that decided a claim, or the last one taken, such as ``look 2 of 5, 20 seeds``."""
    if judged.judgement.look is None:
        return "no look yet"
    n, seeds = judged.judgement.look + 1, judged.looks[judged.judgement.look].seeds
    if len(judged.looks) == 1:
        return f"{seeds} seeds"
    known = judged.looks[judged.judgement.look].known
    which = f"seeds {known + 1} to {seeds}" if known else f"{seeds} seeds"
    return f"look {n} of {len(judged.looks)}, {which}"


def what_is_left(judged: JudgedClaim) -> str:
    """Say what the next look at an undecided claim can detect, or what its last look has excluded.

    Empty for a claim that is decided or has a remark.
    """
    if judged.judgement.verdict is not Verdict.UNDECIDED or judged.remark:
        return ""
    if (look := judged.next_look) is not None:
        amount = judged.detectable(look)
        detects = f", which detects {number(amount)} {judged.unit}" if math.isfinite(amount) else ""
        return f"next look at {look.seeds} seeds{detects}"
    return f"undecided at the last look; excluded: {excluded(judged, weakest(judged))}"


def excluded(judged: JudgedClaim, index: int) -> str:
    """Say which differences the interval of a comparison excludes, such as ``below -0.001, above 0.002``."""
    ends = judged.differences[index]
    sides = (("below", ends.typical_low), ("above", ends.typical_high))
    return ", ".join(f"{side} {number(end)}" for side, end in sides if math.isfinite(end)) or "nothing"


def weakest(judged: JudgedClaim) -> int:
    """Return the comparison that a claim's verdict hangs on: the one that supports it least."""
    if judged.claim.within is not None:
        reach = [max(-each.typical_low, each.typical_high) for each in judged.differences]
        return reach.index(max(reach))
    refuted = judged.judgement.verdict in (Verdict.REFUTED, Verdict.REVERSED)
    ends = [each.typical_high if refuted else each.typical_low for each in judged.differences]
    return ends.index(min(ends))


def name_of(judged: JudgedClaim) -> str:
    """Return the name of a claim, with a mark if it was made post hoc."""
    name = " ".join(judged.claim.name.split())
    return f"{name} (post hoc)" if judged.post_hoc else name


def claim_line(judged: JudgedClaim) -> str:
    """Say in one line what is known about a claim while its sweep runs."""
    looks, look = judged.looks, judged.next_look
    if look is None:
        known = f"{judged.judgement.verdict} ({when_decided(judged)})"
    elif len(looks) == 1:
        known = f"waiting for {look.seeds} seeds"
    else:
        known = f"waiting for look {looks.index(look) + 1} of {len(looks)}, at {look.seeds} seeds"
    return f"{name_of(judged)}: {known}"


def verdict_lines(judged: JudgedClaim) -> list[str]:
    """Write the verdict on a claim; once a look has tested it, also the comparison that it hangs on."""
    p_value, verdict = judged.judgement.p_value, f"{judged.judgement.verdict} ({when_decided(judged)})"
    compared = f"p = {number(p_value)} {'<=' if p_value <= ALPHA else '>'} {ALPHA}"
    cost = f"{counted(judged.spent, 'training')}" + (f", {judged.spared} spared" if judged.spared else "")
    line = f"claim: {name_of(judged)}: {verdict}, {compared}; {cost}"
    if rest := judged.remark or what_is_left(judged):
        line += f"; {rest}"
    if judged.look is None:
        return [line]
    index = weakest(judged)
    difference = typical(judged.differences[index], judged.unit)
    return [line, f"  {judged.comparisons[index]}: {difference}, {position(judged, index)}"]


def look_lines(state: SweepState, judged: Sequence[JudgedClaim], going_on: int) -> list[str]:
    """Say what a look has decided, and how many of the configurations that it trained go on.

    If none does, the sweep is complete, and its summary has the verdicts.
    """
    taken, looks, n = state.taken, state.looks, len(state.taken)
    declared = [claim for claim in judged if not claim.post_hoc]
    decided = [claim for claim in declared if claim.judgement.verdict is not Verdict.UNDECIDED]
    claims = f"{len(decided)} of {counted(len(declared), 'claim')} decided"
    then = "no configuration goes on"
    if going_on:
        points = counted(len(state.rounds[0].points), "configuration")
        then = f"{going_on} of {points} go on to {looks[n].seeds} seeds"
    line = f"look {n} of {len(looks)}, {taken[-1].seeds} seeds: {claims}; {then}"
    found = [claim for claim in decided if claim.judgement.look == n - 1 and going_on]
    return [line, *(line for claim in found for line in verdict_lines(claim))]


def change_lines(state: SweepState) -> list[str]:
    """Say how a sweep was extended and which trials were retried, in the order of time."""
    events = sorted([*state.extensions, *state.retries], key=lambda event: event["time"])
    return [_retry_line(event) if event["event"] == "retry" else _extension_line(event) for event in events]


def _extension_line(event: Mapping[str, Any]) -> str:
    changes = "; ".join(f"{key}: {before} to {after}" for key, before, after in event["changes"])
    after = f"after {counted(event['looks_taken'], 'look')}"
    return f"Extended on {_minute(event)}, {after}: {changes}{_new_level(event)}"


def _retry_line(event: Mapping[str, Any]) -> str:
    trials = counted(len(event["trials"]), "failed trial")
    return f"Retried on {_minute(event)}: {trials} ({', '.join(event['trials'])}){_new_level(event)}"


def _minute(event: Mapping[str, Any]) -> str:
    return f"{datetime.fromtimestamp(event['time'] / 1000, UTC):%Y-%m-%d %H:%M} UTC"


def _new_level(event: Mapping[str, Any]) -> str:
    return f"; the level of {ALPHA} is that of the looks since then alone" if event["search"] else ""


def best_line(spec: Spec, best: Best) -> str:
    """Write the best configuration with its mean objective, and what is known about its arm."""
    metric, n = spec.objective.metric, len(best.trials)
    score = f"mean {metric} {best.mean:.4f} over {n} seeds" if n > 1 else f"{metric} {best.mean:.4f}"
    line = f"best: {f'{best.arm} {shown_values(spec, best.point)}'.rstrip()}, {score}"
    return f"{line}; {best.remark}" if best.remark else line

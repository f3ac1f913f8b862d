"""Formats metrics, numbers and verdicts for reports."""

import math
from collections.abc import Sequence

from sweeps.analysis.best import Best
from sweeps.analysis.claims import JudgedClaim
from sweeps.analysis.descriptions import shown_values
from sweeps.analysis.stats import PairedDifference, Summary
from sweeps.analysis.verdicts import MOST_SEEDS, Verdict
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

    All three are rounded to two significant digits of the interval's width.
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


def _estimate(n: int, estimate: tuple[float, float, float], unit: str) -> str:
    unit = f" {unit}" if unit else ""
    if n == 0:
        return "no seeds"
    center, low, high = estimate
    width = high - low
    if math.isinf(width):
        ends = ["unbounded" if math.isinf(end) else number(end) for end in (low, high)]
        if low == -high:
            ends = ends[:1]
        return f"{number(center)} [{', '.join(ends)}]{unit}" if n > 1 else f"{number(center)}{unit}"
    if not width > 0:
        every = " with every seed" if n > 1 else ""
        return f"{number(center)}{unit}{every}"
    digits = max(0 if width >= 100 else 1, 1 - math.floor(math.log10(width)))
    # Adding 0.0 turns -0.0 into 0.0.
    texts = (f"{round(value, digits) + 0.0:.{digits}f}" for value in estimate)
    return "{} [{}, {}]".format(*texts) + unit


def headline(judged: Sequence[JudgedClaim]) -> str:
    """Count the verdicts, as in ``Of 4 claims: 2 supported, 2 undecided.``; empty without claims."""
    if not judged:
        return ""
    verdicts = [claim.judgement.verdict for claim in judged]
    counts = [f"{verdicts.count(verdict)} {verdict}" for verdict in Verdict if verdict in verdicts]
    return f"Of {len(judged)} claim{'s' if len(judged) > 1 else ''}: {', '.join(counts)}."


def seeds_to_decide(judged: JudgedClaim) -> str:
    """Say how many seeds would decide a claim, as in ``about 34 seeds to support it``.

    Empty for a claim that is decided or has a remark.
    """
    needed = judged.judgement.seeds_needed
    if judged.judgement.verdict is not Verdict.UNDECIDED or judged.remark:
        return ""
    if min(difference.n for difference in judged.evidence.differences) < 2:
        return "more seeds"
    if needed is None:
        return f"more than {MOST_SEEDS:,} seeds"
    verb = "support" if judged.judgement.leaning is Verdict.SUPPORTED else "contradict"
    return f"about {float(f'{needed:.2g}'):,.0f} seeds to {verb} it"


def verdict_line(judged: JudgedClaim) -> str:
    """Write the verdict on a claim with its p-value, and the seeds it needs or another remark."""
    line = f"claim: {judged.claim.name}: {judged.judgement.verdict}, p = {number(judged.judgement.p_value)}"
    if needed := seeds_to_decide(judged):
        return f"{line}; it would take {needed}"
    return f"{line}; {judged.remark}" if judged.remark else line


def best_line(spec: Spec, best: Best) -> str:
    """Write the best configuration with its mean objective, and what is known about its arm."""
    metric, n = spec.objective.metric, len(best.trials)
    score = f"mean {metric} {best.mean:.4f} over {n} seeds" if n > 1 else f"{metric} {best.mean:.4f}"
    line = f"best: {f'{best.arm} {shown_values(spec, best.point)}'.rstrip()}, {score}"
    return f"{line}; {best.standing}" if best.standing else line

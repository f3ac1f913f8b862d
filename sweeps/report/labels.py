"""Numbers, metrics and verdicts as a report writes them."""

import math
from collections.abc import Sequence

from sweeps.analysis.claims import JudgedClaim
from sweeps.analysis.stats import Summary
from sweeps.analysis.verdicts import MOST_SEEDS, Verdict

_ROUNDING = 1e-12


def label_of(metric: str) -> str:
    """Write a metric with its unit, for an axis.

    Args:
        metric: Its name.

    Returns:
        Such as ``validation accuracy (fraction)``.
    """
    split, _, what = metric.partition("_")
    splits = {"val": "validation ", "test": "test ", "train": "training "}
    if split not in splits:
        return _UNITS.get(metric, metric)
    unit = {"accuracy": " (fraction correct)", "f1": " (F1 of entities)", "rmse": " RMSE (unit of the data)"}
    named = {"accuracy": "accuracy", "f1": "", "rmse": ""}
    return f"{splits[split]}{named.get(what, what.replace('_', ' '))}{unit.get(what, '')}".replace("  ", " ")


_UNITS = {
    "hessian_trace": "trace of the Hessian (loss per squared weight)",
    "hessian_top_eigenvalue": "top eigenvalue of the Hessian (loss per squared weight)",
}


def number(value: float | None) -> str:
    """Write a number for a table.

    Args:
        value: The number.

    Returns:
        Three significant digits; empty for None and NaN.
    """
    if value is None or math.isnan(value):
        return ""
    return f"{0.0 if abs(value) < _ROUNDING else value:.3g}"


def interval(summary: Summary) -> str:
    """Write a mean with its interval.

    Args:
        summary: The mean.

    Returns:
        Such as ``0.012 [0.004, 0.020]``: as many digits as two of the interval's width.
    """
    if summary.n == 0:
        return "no seeds"
    width = summary.high - summary.low
    if not width > 0:
        return number(summary.mean) + (" with every seed" if summary.n > 1 else "")
    digits = max(0 if width >= 100 else 1, 1 - math.floor(math.log10(width)))
    rounded = (round(value, digits) + 0.0 for value in (summary.mean, summary.low, summary.high))  # no -0.0
    mean, low, high = (f"{value:.{digits}f}" for value in rounded)
    return f"{mean} [{low}, {high}]"


def headline(judged: Sequence[JudgedClaim]) -> str:
    """Say in a line what became of the claims.

    Args:
        judged: The claims.

    Returns:
        Such as ``Of 4 claims: 2 supported, 2 undecided.``; empty for no claims.
    """
    if not judged:
        return ""
    counts = {verdict: sum(each.judgement.verdict is verdict for each in judged) for verdict in Verdict}
    parts = [f"{n} {verdict}" for verdict, n in counts.items() if n]
    return f"Of {len(judged)} claim{'s' if len(judged) > 1 else ''}: {', '.join(parts)}."


def seeds_needed(judged: JudgedClaim) -> str:
    """Say how many seeds a claim would take to decide.

    Args:
        judged: The claim.

    Returns:
        Such as ``about 34 seeds to support it``; empty for a claim that is decided, or has a remark.
    """
    needed = judged.judgement.seeds_needed
    if judged.judgement.verdict is not Verdict.UNDECIDED or judged.remark:
        return ""
    if min(found.n for found in judged.evidence.differences) < 2:
        return "unknown"
    if needed is None:
        return f"more than {MOST_SEEDS:,} seeds"
    towards = "support" if judged.judgement.leaning is Verdict.SUPPORTED else "contradict"
    return f"about {float(f'{needed:.2g}'):,.0f} seeds to {towards} it"


def in_words(judged: JudgedClaim) -> list[str]:
    """Say what became of a claim.

    Args:
        judged: The claim.

    Returns:
        Its verdict, its p-value, and what it would take to decide it or what else decided; may be empty.
    """
    needed = seeds_needed(judged)
    p_value = f"p {number(judged.judgement.p_value)}"
    return [str(judged.judgement.verdict), p_value, f"it would take {needed}" if needed else judged.remark]

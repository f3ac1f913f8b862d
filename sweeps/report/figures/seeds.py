"""The points of a category of a chart: one for each seed, and their mean."""

from collections.abc import Mapping

from sweeps.analysis.levels import interval_name
from sweeps.analysis.stats import Summary
from sweeps.report.charts import Series
from sweeps.report.styles import Style
from sweeps.spec.model import Spec

# The seeds of a category are spread over this width.
_JITTER = 0.3


def explained(spec: Spec) -> str:
    """Explain the markers of seeds and of means."""
    return f"Hollow markers: single seeds. Filled markers: their mean with its {interval_name(spec)}."


def of_seeds(label: str, style: Style, index: int, values: Mapping[int, float]) -> Series:
    """Return a hollow dot for each seed, beside the middle of a category."""
    hover = [f"seed {seed}" for seed in values]
    x = places(index, len(values))
    return Series(f"{label}: each seed", style, x, list(values.values()), "dots", hover=hover, hollow=True)


def of_means(label: str, style: Style, index: int, summary: Summary) -> Series:
    """Return the mean with its interval, left of the dots of the seeds."""
    return Series.of_means(f"{label}: mean of {summary.n} seeds", style, [index - 0.25], [summary], "dots")


def places(index: int, n: int) -> list[float]:
    """Return the x of n seeds of a category."""
    return [index + 0.02 + offset for offset in _offsets(n)]


def _offsets(n: int) -> list[float]:
    return [0.0] if n == 1 else [_JITTER * (index / (n - 1) - 0.5) for index in range(n)]

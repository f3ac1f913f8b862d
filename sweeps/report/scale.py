"""The scale of a chart's y-axis: linear near zero and logarithmic beyond, and the edges of an axis."""

import math
from collections.abc import Iterable, Sequence

import numpy as np

# Beyond this many times the linear width, small values could not be told apart on a linear axis.
_WIDE = 20
_MOST_TICKS = 11
_FEW_DECADES = 4


def symlog_width(values: Iterable[float], widths: Iterable[float]) -> float | None:
    """Return up to which value an axis is to be linear; None if it can be linear as a whole.

    The linear part is as wide as the narrower intervals (their lower quartile), within which a value does not
    differ from zero: arms that collapse also have the widest intervals.

    Args:
        values: What is to be shown, such as mean differences.
        widths: Half the widths of their intervals.
    """
    sizes, known = _finite(np.abs(list(values))), _finite(widths)
    known = known[known > 0]
    if not len(sizes) or not len(known):
        return None
    width = float(np.quantile(known, 0.25))
    return width if sizes.max() > _WIDE * width else None


def scaled(values: np.ndarray, width: float | None) -> np.ndarray:
    """Return places on the axis: arsinh(y / width), which is y / width near zero and a logarithm beyond."""
    return values if width is None else np.arcsinh(values / width)


def ticks(places: Iterable[float], width: float) -> tuple[list[float], list[str]]:
    """Return the places and the texts of ticks, at 0 and at 1 and 3 times powers of ten."""
    known = _finite(places)
    low, high = (float(np.sinh(end)) * width for end in (known.min(initial=0), known.max(initial=0)))
    largest = max(abs(low), abs(high), width)
    powers = range(math.floor(math.log10(width)), math.ceil(math.log10(largest)) + 1)
    sizes = [digit * 10.0**power for power in powers for digit in (1, 3)]
    sizes = [size for size in sizes if width <= size <= 1.3 * largest]
    shown = [sign * size for size in sizes for sign in (-1, 1) if 1.3 * low <= sign * size <= 1.3 * high]
    if len(shown) > _MOST_TICKS:
        shown = [value for value in shown if f"{abs(value):e}".startswith("1")]
    shown = sorted([0.0, *shown])
    return scaled(np.array(shown), width).tolist(), [f"{value:.6g}" for value in shown]


def side_by_side(x: float, index: int, count: int, ratio: float) -> float:
    """Return where one of several points at x is drawn on a logarithmic axis, neighbours a ratio apart."""
    return x * ratio ** (index - (count - 1) / 2)


def log_ticks(values: Iterable[float]) -> list[float]:
    """Return ticks for an axis that is logarithmic as a whole: 1 and 3 times powers of ten, if there are few.

    They go from the tick below the smallest value to the tick above the largest; of many, the powers stay.
    """
    known = _finite(values)
    known = known[known > 0]
    if not len(known):
        return []
    low, high = math.floor(math.log10(known.min())), math.ceil(math.log10(known.max()))
    digits = (1, 3) if high - low <= _FEW_DECADES else (1,)
    step = max(1, (high - low) // _MOST_TICKS + 1) if digits == (1,) else 1
    return [digit * 10.0**power for power in range(low, high + 1, step) for digit in digits]


def beyond(values: Iterable[float], *, above: bool, width: float | None = None) -> float:
    """Return a y just beyond all values that are finite, for what has no place on the axis."""
    places = scaled(_finite(values), width)
    if not len(places):
        return 0.0
    span = float(places.max() - places.min()) or abs(float(places.max())) or 1.0
    place = float(places.max()) + 0.08 * span if above else float(places.min()) - 0.08 * span
    return place if width is None else float(np.sinh(place)) * width


def fence(scores: Sequence[float], *, larger_is_better: bool) -> float:
    """Return the worst score that an axis needs to show: three interquartile ranges from the middle half.

    Scores beyond are "far out" (Tukey, 1977): on an axis that showed them, the others would look alike.
    """
    first, third = np.quantile(scores, [0.25, 0.75])
    reach = 3 * (third - first)
    return float(first - reach if larger_is_better else third + reach)


def _finite(values: Iterable[float] | np.ndarray) -> np.ndarray:
    array = np.asarray(values if isinstance(values, np.ndarray) else list(values), float)
    return array[np.isfinite(array)]

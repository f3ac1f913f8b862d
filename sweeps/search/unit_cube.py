"""The unit cube in which samplers choose points: a coordinate for each searched dimension."""

import math

from sweeps.spec.sections import Dimension, Scalar


def value_at(dimension: Dimension, q: float) -> Scalar:
    """Return the value of a dimension at a coordinate from 0 to 1."""
    if dimension.values:
        return dimension.values[min(int(q * len(dimension.values)), len(dimension.values) - 1)]
    low, high = dimension.bounds
    if dimension.int_uniform:
        return int(min(low + q * (high - low + 1), high))
    return float(min(low * (high / low) ** q if dimension.log_uniform else low + q * (high - low), high))


def coordinate(dimension: Dimension, value: float) -> float:
    """Return the coordinate of a number in the range of a dimension; that of an integer is in its middle."""
    low, high = dimension.bounds
    if dimension.int_uniform:
        return (value - low + 0.5) / (high - low + 1)
    if dimension.log_uniform:
        return math.log(value / low) / math.log(high / low)
    return (value - low) / (high - low)

"""The intervals that reports show: their level, and the bounds of what can be."""

from collections.abc import Collection, Mapping

from sweeps.analysis.arms import on_shared_seeds
from sweeps.analysis.stats import PairedDifference, Summary, paired_difference, summarise
from sweeps.spec.looks import share_out
from sweeps.spec.model import Spec
from trainables.declarations.base import Bounds


def error_of(spec: Spec, seeds: int) -> float:
    """Return 1 minus the confidence level of the intervals over this number of seeds.

    It is the error of the first look that has so many seeds; 0.05 if there is only one look.
    """
    looks = share_out(spec.n_seeds)
    return next((look for look in looks if look.seeds >= seeds), looks[-1]).error


def interval_name(spec: Spec) -> str:
    """Name the intervals that are shown: with their level if it is the same for all."""
    return "95% interval" if len(spec.n_seeds) == 1 else "interval"


def summary_of(spec: Spec, metric: str, values: Collection[float]) -> Summary:
    """Summarize a metric over seeds, with the interval that is shown for it."""
    error, bounds = error_of(spec, len(values)), spec.bounds(metric)
    return summarise(list(values), error=error, bounds=bounds)


def difference_of(
    spec: Spec, metric: str, first: Mapping[int, float], second: Mapping[int, float]
) -> PairedDifference:
    """Compare two arms' values of a metric by seed, over the seeds that both have; NaN if there are none."""
    pair = on_shared_seeds(first, second)
    return paired_difference(*pair, error=error_of(spec, len(pair[0])), bounds=_bounds(spec, metric))


def mean_difference_of(
    spec: Spec, metric: str, first: Mapping[int, float], second: Mapping[int, float]
) -> Summary:
    """Return the mean of ``difference_of`` with its interval, without its tests, which take far longer."""
    one, other = on_shared_seeds(first, second)
    return summarise(one - other, error=error_of(spec, len(one)), bounds=_bounds(spec, metric))


def _bounds(spec: Spec, metric: str) -> Bounds:
    low, high = spec.bounds(metric)
    return low - high, high - low

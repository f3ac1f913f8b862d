"""The size of the design from which the arms of a search take their first points."""

from collections.abc import Mapping

from sweeps.spec.model import Spec
from sweeps.spec.sections import Scalar
from sweeps.spec.space import budget_of

# An orthogonal array with p^2 rows takes a prime p.
_PRIMES = (31, 29, 23, 19, 17, 13, 11, 7, 5, 3, 2)


def third(trials: int) -> int:
    """Return how many of an arm's trials may be chosen without TPE: a third of them, at least one."""
    return max(1, trials // 3)


def full_trials(spec: Spec, tuned: Mapping[str, Scalar]) -> int:
    """Return the budget of one of ``spec.tuned`` in trials of full length."""
    stage = spec.search_stage
    return budget_of(spec, tuned) // (spec.max_epochs if stage and stage.epochs_per_arm else 1)


def crossed_levels(trials: int, dimensions: int) -> int:
    """Return the number of levels p of each dimension that a third of these trials cross; 0 if they cannot.

    Every level of one dimension meets every level of each other in p^2 points, p prime, for at most p + 1
    dimensions. A single dimension has nothing to cross.
    """
    levels = next((p for p in _PRIMES if p * p <= third(trials)), 0)
    return levels if 1 < dimensions <= levels + 1 else 0


def fewest_to_cross(dimensions: int) -> int:
    """Return the fewest trials of an arm whose first third can cross so many dimensions."""
    return 3 * min(p for p in _PRIMES if p + 1 >= dimensions) ** 2

"""The number of starting points: those that a search tries before its sampler can learn from trials."""

from collections.abc import Mapping

from sweeps.spec.model import Spec
from sweeps.spec.sections import Scalar
from sweeps.spec.space import budget_of, searched_by

# An orthogonal array with p^2 rows takes a prime p.
_PRIMES = (31, 29, 23, 19, 17, 13, 11, 7, 5, 3, 2)


def third(trials: int) -> int:
    """Return how many of an arm's trials may be chosen without the sampler: a third of them, at least one."""
    return max(1, trials // 3)


def n_random(spec: Spec) -> int:
    """Count the trials of a search without stages that are drawn at random before its sampler chooses any."""
    trials = spec.budget.trials or 0
    return {"random": trials, "qmc": 0}.get(spec.search_sampler, third(trials))


def trials_of(spec: Spec, tuned: Mapping[str, Scalar]) -> int:
    """Return the budget of one of ``spec.tuned`` in trials of full length."""
    stage = spec.search_stage
    return budget_of(spec, tuned) // (spec.max_epochs if stage and stage.epochs_per_arm else 1)


def design_size(spec: Spec) -> tuple[int, int]:
    """Return how many points the design of the starting points has, and how many levels it crosses.

    Every dimension has p levels and the design p^2 points; p is 0 if they cross nothing.
    """
    n, dimensions = third(max(trials_of(spec, tuned) for tuned in spec.tuned)), len(spec.search)
    levels = next((p for p in _PRIMES if p * p <= n), 0) if dimensions > 1 else 0
    return (levels**2, levels) if levels and dimensions <= levels + 1 else (n, 0)


def n_starting_points(spec: Spec, tuned: Mapping[str, Scalar]) -> int:
    """Count the points that one of ``spec.tuned`` tries before its sampler chooses any.

    In a design that crosses p levels, p of its p^2 points have the lowest level of a dimension that the arm
    lacks, and one has those of two such dimensions.
    """
    own = len(searched_by(spec, tuned))
    points, levels = design_size(spec)
    if levels:
        points = max(1, points // levels ** (len(spec.search) - own))
    return min(points, third(trials_of(spec, tuned))) if own else 0


def fewest_to_cross(dimensions: int) -> int:
    """Return the fewest trials of an arm whose starting points can cross so many dimensions."""
    return 3 * min(p for p in _PRIMES if p + 1 >= dimensions) ** 2

"""Compares the arms of two sweeps, of two studies, where both have them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.analysis.arms import Arm, all_points_of, arms_of, title_of
from sweeps.analysis.effects import difference_from
from sweeps.analysis.levels import error_of, summary_of
from sweeps.analysis.overlapping import difference_of_means
from sweeps.analysis.stats import PairedDifference, Summary
from sweeps.errors import SweepError
from sweeps.record.state import SweepState
from sweeps.spec.model import Spec


@dataclass(frozen=True)
class Side:
    """An arm in one of two sweeps.

    Attributes:
        mean: Its mean over the seeds that finished.
        difference: Its mean difference from the reference over shared seeds that finished in both arms; None
            for the reference itself.
    """

    arm: Arm
    mean: Summary
    difference: PairedDifference | None


@dataclass(frozen=True)
class Pair:
    """An arm at one point, in two sweeps.

    Attributes:
        point: The title of the point; empty if the arms have a single one.
        first: The arm in the first sweep.
        second: The arm in the second.
        change: The second difference from the reference less the first, with the ends of its interval
            (``difference_of_means``); None for the reference itself.
    """

    name: str
    point: str
    first: Side
    second: Side
    change: tuple[float, float, float] | None


def shared_metric(first: Spec, second: Spec) -> str:
    """Return the metric to compare two sweeps by: the one that arms are compared by, or else the objective.

    Raises:
        SweepError: If the sweeps share neither.
    """
    own = [(spec.verdict_metric, spec.objective.metric) for spec in (first, second)]
    for one, other in zip(*own, strict=True):
        if one == other:
            return one
    raise SweepError(
        f"{first.name} and {second.name} share no metric: one compares arms by {first.verdict_metric}, the "
        f"other by {second.verdict_metric}; compare studies with the same objective"
    )


def shared_reference(first: Spec, second: Spec) -> str:
    """Return the arm that others are compared with in both: ``none``, or the first that both have.

    Raises:
        SweepError: If the sweeps share no arm.
    """
    names = [str(arm) for arm in first.arms if str(arm) in map(str, second.arms)]
    if first.compared != second.compared or not names:
        arms = [f"{spec.compared}: {', '.join(map(str, spec.arms))}" for spec in (first, second)]
        raise SweepError(
            f"{first.name} and {second.name} share no arm ({arms[0]}; {arms[1]}); compare studies that "
            "compare some of the same values"
        )
    return "none" if "none" in names else names[0]


def compare_sweeps(first: SweepState, second: SweepState) -> list[Pair]:
    """Compare every arm, at every point, that two sweeps have.

    Raises:
        SweepError: If they share no metric, no arm or no point with results.
    """
    metric = shared_metric(first.spec, second.spec)
    reference = shared_reference(first.spec, second.spec)
    points = [point for point in all_points_of(first.spec) if point in all_points_of(second.spec)]
    pairs = list(_without_repetition(first, second, points, metric, reference))
    if not pairs:
        names = f"{first.spec.name} and {second.spec.name}"
        raise SweepError(f"{names} share no point at which both have arms with several seeds")
    return pairs


def _without_repetition(
    first: SweepState, second: SweepState, points: Sequence[Mapping[str, Any]], metric: str, reference: str
) -> Iterator[Pair]:
    """Yield the arms point by point; one that is the same at several points, as ``none``, only once."""
    shown = set[tuple[str, str]]()
    for point in points:
        sides = [_sides(state, point, metric, reference) for state in (first, second)]
        for name in (name for name in sides[0] if name in sides[1]):
            one, other = sides[0][name], sides[1][name]
            trials = one.arm.trials[0].id, other.arm.trials[0].id
            if trials not in shown:
                shown.add(trials)
                change = None
                if one.difference and other.difference:
                    bases = sides[0][reference].arm, sides[1][reference].arm
                    change = _change(first.spec, second.spec, metric, (one.arm, other.arm), bases)
                yield Pair(name, title_of(point), one, other, change)


def _sides(state: SweepState, point: Mapping[str, Any], metric: str, reference: str) -> dict[str, Side]:
    spec, arms = state.spec, {arm.name: arm for arm in arms_of(state, point)}
    base = arms.get(reference)
    sides = {}
    for name, arm in arms.items():
        difference = None
        if base and arm is not base:
            difference = difference_from(spec, arm, base, metric, finished=True)
        sides[name] = Side(arm, summary_of(spec, metric, arm.final(metric).values()), difference)
    return sides


def _change(
    first: Spec, second: Spec, metric: str, arms: tuple[Arm, Arm], bases: tuple[Arm, Arm]
) -> tuple[float, float, float]:
    differences = [_by_seed(arm, base, metric) for arm, base in zip(arms, bases, strict=True)]
    # Where the levels differ, use the stricter one.
    error = min(error_of(spec, len(each)) for spec, each in zip((first, second), differences, strict=True))
    return difference_of_means(differences[0], differences[1], error=error)


def _by_seed(arm: Arm, base: Arm, metric: str) -> dict[int, float]:
    values, other = arm.final(metric), base.final(metric)
    return {seed: values[seed] - other[seed] for seed in sorted(values.keys() & other.keys())}

"""Which arms differ significantly from one that they are compared with."""

from collections.abc import Sequence

from sweeps.analysis.arms import Arm
from sweeps.analysis.levels import difference_of
from sweeps.analysis.stats import PairedDifference, holm
from sweeps.spec.looks import ALPHA
from sweeps.spec.model import Spec


def told_apart(spec: Spec, groups: Sequence[Sequence[Arm]], base: str) -> list[dict[str, bool]]:
    """Find the arms that differ significantly from another by paired tests on the verdict metric.

    The p-values are corrected together by Holm's method. The mean must agree with the test, and an arm is not
    better if some of its seeds failed.

    Args:
        spec: The spec of the sweep.
        groups: The arms at each point.
        base: The arm that the others are compared with.

    Returns:
        For each group, the arms that differ, each with whether it is better than the base.
    """
    advantages = [_advantages(spec, arms, base) for arms in groups]
    # Each look may spend its part of alpha only.
    p_values = iter(holm([each.p_value * ALPHA / each.error for own in advantages for each in own.values()]))
    apart = []
    for arms, own in zip(groups, advantages, strict=True):
        failed = {arm.name for arm in arms if arm.failed}
        found = {name: _is_better(difference, next(p_values)) for name, difference in own.items()}
        # Failed seeds are missing from the test, which must not help their arm.
        apart.append(
            {
                name: better
                for name, better in found.items()
                if better is not None and (name if better else base) not in failed
            }
        )
    return apart


def _is_better(difference: PairedDifference, p_value: float) -> bool | None:
    """Return the sign of a significant difference; None if it is not significant."""
    better = difference.p_greater < difference.p_less
    # The test is blind to a few seeds that are far off, and the mean must agree with it.
    agrees = difference.mean > 0 if better else difference.mean < 0
    return better if p_value <= ALPHA and agrees else None


def _advantages(spec: Spec, arms: Sequence[Arm], base: str) -> dict[str, PairedDifference]:
    """Return how much better each other arm is than the base; one without shared seeds is left out."""
    metric, larger_is_better = spec.verdict_metric, spec.objective.mode == "max"
    sign = 1.0 if larger_is_better else -1.0
    by_arm = {arm.name: arm.final_or_worst(metric, larger_is_better=larger_is_better) for arm in arms}
    scores = {name: {seed: sign * score for seed, score in own.items()} for name, own in by_arm.items()}
    of_base = scores.pop(base, {})
    differences = {name: difference_of(spec, metric, own, of_base) for name, own in scores.items()}
    return {name: difference for name, difference in differences.items() if difference.n}

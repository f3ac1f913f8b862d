"""The effect of an arm: its paired difference from the reference, also at every listed sigma."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.analysis.arms import Arm, arms_of, reference_of
from sweeps.analysis.levels import difference_of
from sweeps.analysis.stats import PairedDifference
from sweeps.record.state import SweepState
from sweeps.spec.model import Spec
from sweeps.spec.sections import Scalar
from sweeps.spec.space import applicable


@dataclass(frozen=True)
class Effect:
    """An arm's paired difference from the reference in the verdict metric, at one sigma.

    Attributes:
        arm: The arm at this sigma.
        reference: The arm that it is compared with.
        at: The values of what is listed: sigma, and other hyperparameters such as its schedule.
        chosen: Whether this is the configuration that the search chose, or the given one.
        difference: Over all shared seeds, of which one that diverged ranks as worst.
        finished: Over the shared seeds that finished in both arms.
    """

    arm: Arm
    reference: Arm
    at: Mapping[str, Scalar]
    chosen: bool
    difference: PairedDifference
    finished: PairedDifference

    @property
    def sigma(self) -> float:
        """The standard deviation of the noise."""
        return float(self.at["sigma"] or 0)

    @property
    def others(self) -> dict[str, Scalar]:
        """What is listed besides sigma, such as ``{"sigma_schedule": "follow_lr"}``."""
        return {name: value for name, value in self.at.items() if name != "sigma"}


def effects_of(state: SweepState, stratum: Mapping[str, Scalar]) -> list[Effect]:
    """List the effects of all arms at every listed sigma and as the search chose them, arm by arm.

    The sigmas are those of the confirm stage's ``at`` or of a grid; the list is empty if none are listed.
    Arms without sigma have no effects, and there are none before the reference has a seed.
    """
    spec, listed = state.spec, _listed(state.spec)
    if "sigma" not in listed:
        return []
    points = [dict(zip(listed, values, strict=True)) for values in itertools.product(*listed.values())]
    found = [effect for point in points for effect in _effects_at(state, {**stratum, **point}, listed, False)]
    if spec.confirms:
        found += _effects_at(state, stratum, listed, True)
    order = [str(arm) for arm in spec.arms]
    # Sorting is stable: the listed order of the others stays.
    others = [effect.others for effect in found]
    return sorted(
        found,
        key=lambda e: (order.index(e.arm.name), not e.chosen, others.index(e.others), e.sigma),
    )


def _listed(spec: Spec) -> Mapping[str, Sequence[Scalar]]:
    """Return the values of what is listed beside the arms: in ``at``, or in a grid."""
    if spec.confirm:
        return spec.confirm.at
    if not spec.is_grid or spec.compared == "sigma":
        return {}
    return {
        name: dimension.values
        for name, dimension in spec.space.items()
        if name != spec.compared and (name == "sigma" or len(dimension.values) > 1)
    }


def _effects_at(
    state: SweepState, where: Mapping[str, Scalar], listed: Mapping[str, Any], chosen: bool
) -> list[Effect]:
    spec, arms = state.spec, arms_of(state, where)
    reference = find_reference(spec, arms)
    effects = []
    for arm in arms:
        values = spec.values(arm.point)
        at = {name: values[name] for name in listed}
        if reference and arm is not reference and applicable(spec, {"sigma": 1.0}, arm.point) and at["sigma"]:
            difference = difference_from(spec, arm, reference, spec.verdict_metric)
            finished = difference_from(spec, arm, reference, spec.verdict_metric, finished=True)
            effects.append(Effect(arm, reference, at, chosen, difference, finished))
    return effects


def find_reference(spec: Spec, arms: Sequence[Arm]) -> Arm | None:
    """Return the arm that the others are compared with; None if it has no trials yet."""
    return next((arm for arm in arms if arm.name == reference_of(spec)), None)


def difference_from(
    spec: Spec, arm: Arm, reference: Arm, metric: str, *, finished: bool = False
) -> PairedDifference:
    """Compare an arm with the reference over the seeds that both have; NaN if there are none.

    A seed that diverged has the worst value, -inf or inf, if the metric has a better direction.

    Args:
        finished: Leave out the seeds that diverged instead.
    """
    direction = spec.directions.get(metric)
    if direction is None or finished:
        return difference_of(spec, metric, arm.final(metric), reference.final(metric))
    larger = direction == "max"
    first, second = (each.final_or_worst(metric, larger_is_better=larger) for each in (arm, reference))
    return difference_of(spec, metric, first, second)

"""Which arms differ significantly from the reference."""

from collections.abc import Mapping, Sequence
from typing import Any

from sweeps.analysis.arms import reference_of
from sweeps.analysis.places import places_of
from sweeps.analysis.tested_claim import TestedClaim
from sweeps.analysis.verdicts import Verdict, judge
from sweeps.record.state import SweepState
from sweeps.spec.claim import Claim


def told_apart(state: SweepState, points: Sequence[Mapping[str, Any]]) -> list[dict[str, bool]]:
    """Find the arms that differ significantly from the reference on the verdict metric, at some points.

    They are judged like claims that each is better than the reference, at the looks that have been taken, and
    corrected together.

    Args:
        state: The sweep.
        points: The points.

    Returns:
        For each point, the arms that differ, each with whether it is better than the reference.
    """
    spec, reference = state.spec, reference_of(state.spec)
    others = [arm for arm in spec.arms if str(arm) != reference]
    base = next(arm for arm in spec.arms if str(arm) == reference)
    tested: list[tuple[int, str, TestedClaim]] = []
    for index, where in enumerate(points):
        for arm in others:
            if places_of(spec, where, (str(arm), reference)):
                name, metric = f"{arm} at {index}", spec.verdict_metric
                claim = Claim(name=name, metric=metric, better=[arm], worse=[base], where=dict(where))
                tested.append((index, str(arm), TestedClaim(state, claim)))
    apart: list[dict[str, bool]] = [{} for _ in points]
    judgements = judge([each.case for _, _, each in tested])
    for (index, arm, _), judgement in zip(tested, judgements, strict=True):
        if judgement.verdict is not Verdict.UNDECIDED:
            apart[index][arm] = judgement.verdict is Verdict.SUPPORTED
    return apart

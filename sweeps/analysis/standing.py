"""What tests and claims together say about the arm of the best configuration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from sweeps.analysis.arms import Arm, all_points_of, arms_of, reference_of, title_of
from sweeps.analysis.claims import JudgedClaim, judge_claims
from sweeps.analysis.places import places_of
from sweeps.analysis.significance import told_apart
from sweeps.analysis.verdicts import Verdict
from sweeps.record.state import SweepState
from sweeps.spec.claim import Claim


@dataclass(frozen=True)
class Standing:
    """What is known about an arm and the others, as a part of a sentence.

    ``is_better`` says whether the arm is shown to be better than the reference.
    """

    is_better: bool = False
    text: str = ""


@dataclass(frozen=True)
class ComparedPoint:
    """A point at which arms are compared, with their configurations there."""

    where: Mapping[str, Any]
    arms: Sequence[Arm]

    def has(self, configuration: Arm) -> bool:
        """Whether a configuration is compared here."""
        return any(arm.name == configuration.name and arm.trials == configuration.trials for arm in self.arms)


def compared_points(state: SweepState) -> list[ComparedPoint]:
    """List all points at which arms are compared."""
    return [ComparedPoint(where, arms_of(state, where)) for where in all_points_of(state.spec)]


def standing_of(state: SweepState, points: Sequence[ComparedPoint], best: Arm | None) -> Standing:
    """Say how the arm of the best configuration compares with the reference and with the other arms.

    The tests of all points are corrected together, as the best configuration is chosen among all points. What
    they say is subject to the claims: an arm is better than another if a claim that says so is supported, and
    not if such a claim is not.

    Args:
        state: The sweep.
        points: The points that ``compared_points`` lists.
        best: The best configuration, which is compared at one of them; None if there is none yet.
    """
    if len(state.spec.arms) < 2:
        return Standing()
    reference = reference_of(state.spec)
    tests = _Tests(state, points)
    apart = tests.apart(reference)
    own = [index for index, point in enumerate(points) if best and point.has(best)]
    if best and any(apart[index].get(best.name) for index in own):
        names = dict.fromkeys(arm.name for index in own for arm in points[index].arms)
        others = [name for name in names if name not in (best.name, reference)]
        found = [tests.apart(best.name)[index] for index in own]
        return Standing(True, f"better than {reference}{_rivals(others, found)}")
    return Standing(False, _not_better(reference, points, apart))


def _rivals(others: Sequence[str], apart: Sequence[Mapping[str, bool]]) -> str:
    """Name the other arms that are better than the best configuration's, or cannot be told from it."""
    ahead = [name for name in others if any(found.get(name) for found in apart)]
    level = [name for name in others if not any(name in found for found in apart)]
    text = f"; {_are(ahead)} better than it" if ahead else ""
    return text + (f"; {', '.join(level)} cannot be told from it" if level else "")


def _not_better(reference: str, points: Sequence[ComparedPoint], apart: Sequence[Mapping[str, bool]]) -> str:
    if not any(apart):
        return f"no arm can be told from {reference}"
    ahead = [
        f"{name} at {title}" if (title := title_of(point.where)) else name
        for point, found in zip(points, apart, strict=True)
        for name, is_better in found.items()
        if is_better
    ]
    if not ahead:
        return f"no arm is shown to be better than {reference}"
    return f"{_are(ahead)} better than {reference}"


def _are(names: Sequence[str]) -> str:
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


class _Tests:
    """The tests between arms at all points, subject to the verdicts on the claims."""

    def __init__(self, state: SweepState, points: Sequence[ComparedPoint]) -> None:
        self._spec, self._points = state.spec, points
        declared = [judged for judged in judge_claims(state) if not judged.post_hoc]
        plain = [judged for judged in declared if self._is_plain(judged.claim)]
        # Those that are supported have the last word.
        self._claims = sorted(plain, key=_is_supported)

    def _is_plain(self, claim: Claim) -> bool:
        """Whether a claim orders arms by the scores that the tests compare."""
        special = (claim.than, claim.reach, claim.epoch, claim.area)
        is_of_last = all(value is None for value in special)
        return claim.better is not None and is_of_last and claim.metric == self._spec.verdict_metric

    def apart(self, base: str) -> list[dict[str, bool]]:
        """Return, for each point, the arms that differ from one, each with whether it is better."""
        found = told_apart(self._spec, [point.arms for point in self._points], base)
        for judged in self._claims:
            for better, worse in _pairs(judged.claim):
                if base in (better, worse):
                    arm, is_better = (better, True) if worse == base else (worse, False)
                    for index in self._indices_of(judged.claim, (better, worse)):
                        _overrule(found[index], arm, is_better, is_supported=_is_supported(judged))
        return found

    def _indices_of(self, claim: Claim, arms: Sequence[str]) -> list[int]:
        """List the indices of the points at which a claim compares arms."""
        names = {name for point in self._points for name in point.where}
        listed = places_of(self._spec, claim.where, arms).values()
        wheres = [{name: point[name] for name in point.keys() & names} for point in listed]
        return [index for index, point in enumerate(self._points) if point.where in wheres]


def _overrule(apart: dict[str, bool], arm: str, is_better: bool, *, is_supported: bool) -> None:
    """Put the verdict on the claim that an arm is better, or worse, above the test."""
    if is_supported:
        apart[arm] = is_better
    elif apart.get(arm) is is_better:
        del apart[arm]


def _is_supported(judged: JudgedClaim) -> bool:
    return judged.judgement.verdict is Verdict.SUPPORTED


def _pairs(claim: Claim) -> list[tuple[str, str]]:
    return list(product(map(str, claim.better or []), map(str, claim.worse or [])))

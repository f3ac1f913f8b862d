"""Which arms are shown to be better than the reference, by the tests of all points and by the claims."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sweeps.analysis.arms import reference_of
from sweeps.analysis.claims import judge_claims
from sweeps.analysis.comparisons import Comparisons
from sweeps.analysis.significance import told_apart
from sweeps.analysis.tested_claim import JudgedClaim
from sweeps.analysis.verdicts import Verdict
from sweeps.record.state import SweepState
from sweeps.spec.claim import Claim
from sweeps.spec.space import identity_of


@dataclass(frozen=True)
class Standing:
    """What is shown of the arms, as a part of a sentence.

    Attributes:
        better: The arms that are shown to be better than the reference.
        beaten: The configurations that a supported claim says are worse than another arm's, by their
            ``identity``, with that arm.
        text: The sentence; empty if there is nothing to compare.
    """

    better: Sequence[str] = ()
    beaten: Mapping[str, str] = field(default_factory=dict, repr=False)
    text: str = ""


def standing_of(state: SweepState, points: Sequence[Mapping[str, Any]]) -> Standing:
    """Say which arms are shown to be better than the reference, on the verdict metric.

    Of an arm that claims say is better, made in advance, the claims decide: one of them must be supported.
    Of the others, the tests at all points do, corrected together.

    Args:
        state: The sweep.
        points: The points at which arms are compared.
    """
    if len(state.spec.arms) < 2:
        return Standing()
    reference, claims = reference_of(state.spec), _claims_of_order(state)
    supported = [each.claim for each in claims if each.judgement.verdict is Verdict.SUPPORTED]
    reversed_ = [each.claim for each in claims if each.judgement.verdict is Verdict.REVERSED]
    beaten = {name: better for claim in supported for name, better in _beaten(state, claim)}
    found = told_apart(state, points)
    better = {name for apart in found for name, is_better in apart.items() if is_better}
    better -= _said_better(reference, [each.claim for each in claims])
    better |= _said_better(reference, supported)
    if names := [name for name in map(str, state.spec.arms) if name in better]:
        return Standing(names, beaten, f"shown to be better than {reference}: {', '.join(names)}")
    if any(found) or any(reference in map(str, claim.arms) for claim in [*supported, *reversed_]):
        return Standing([], beaten, f"no arm is shown to be better than {reference}")
    return Standing([], beaten, f"no arm can be told from {reference}")


def _claims_of_order(state: SweepState) -> list[JudgedClaim]:
    """List the claims, made in advance, that arms are better than others in the scores that are compared."""
    metric = state.spec.verdict_metric
    claims = [claim for claim in judge_claims(state) if claim.claim.better and not claim.post_hoc]
    return [
        each
        for each in claims
        if each.claim.metric == metric and not (each.claim.than or each.claim.reach or each.claim.epoch)
    ]


def _said_better(reference: str, claims: Sequence[Claim]) -> set[str]:
    """Return the arms of which claims say that they are better than the reference."""
    return {arm for claim in claims if reference in _worse(claim) for arm in _better(claim)}


def _beaten(state: SweepState, claim: Claim) -> Iterator[tuple[str, str]]:
    """Yield each configuration that a claim says is worse, by its ``identity``, with the better arm."""
    for comparison in Comparisons(state, claim).all:
        if comparison.arms:
            better, worse = comparison.arms
            yield identity_of(state.spec, worse.point), better.name


def _better(claim: Claim) -> list[str]:
    return list(map(str, claim.better or []))


def _worse(claim: Claim) -> list[str]:
    return list(map(str, claim.worse or []))

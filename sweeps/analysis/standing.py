"""Which arms are shown to be better than the reference, by the tests of all points and by the claims."""

from collections.abc import Sequence
from dataclasses import dataclass

from sweeps.analysis.arms import Arm, reference_of
from sweeps.analysis.claims import JudgedClaim, judge_claims
from sweeps.analysis.significance import told_apart
from sweeps.analysis.verdicts import Verdict
from sweeps.record.state import SweepState


@dataclass(frozen=True)
class Standing:
    """The arms that are shown to be better than the reference, and that as a part of a sentence."""

    better: Sequence[str] = ()
    text: str = ""


def standing_of(state: SweepState, points: Sequence[Sequence[Arm]]) -> Standing:
    """Say which arms are shown to be better than the reference, on the verdict metric.

    Of an arm that claims say is better, made in advance, the claims decide: one of them must be supported.
        Of the
    others, the tests at all points do, corrected together.

    Args:
        state: The sweep.
        points: The arms at each point where they are compared.
    """
    if len(state.spec.arms) < 2:
        return Standing()
    reference, claims = reference_of(state.spec), _claims_of_order(state)
    found = told_apart(state.spec, points, reference)
    better = {name for apart in found for name, is_better in apart.items() if is_better}
    better -= _said_better(reference, claims)
    better |= _said_better(reference, [claim for claim in claims if _is(claim, Verdict.SUPPORTED)])
    names = [name for name in map(str, state.spec.arms) if name in better]
    if names:
        return Standing(names, f"shown to be better than {reference}: {', '.join(names)}")
    decided = [claim for claim in claims if _is(claim, Verdict.SUPPORTED, Verdict.REVERSED)]
    if any(found) or any(reference in map(str, claim.claim.arms) for claim in decided):
        return Standing([], f"no arm is shown to be better than {reference}")
    return Standing([], f"no arm can be told from {reference}")


def _claims_of_order(state: SweepState) -> list[JudgedClaim]:
    """List the claims, made in advance, that arms are better than others in the scores that are compared."""
    metric = state.spec.verdict_metric
    claims = [claim for claim in judge_claims(state) if claim.claim.better and not claim.post_hoc]
    return [
        each
        for each in claims
        if each.claim.metric == metric and not (each.claim.than or each.claim.reach or each.claim.epoch)
    ]


def _is(judged: JudgedClaim, *verdicts: Verdict) -> bool:
    return judged.judgement.verdict in verdicts


def _said_better(reference: str, claims: Sequence[JudgedClaim]) -> set[str]:
    """Return the arms of which claims say that they are better than the reference."""
    of_reference = [each.claim for each in claims if reference in map(str, each.claim.worse or [])]
    return {str(arm) for claim in of_reference for arm in claim.better or []}

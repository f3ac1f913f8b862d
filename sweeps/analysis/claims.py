"""Judges the claims of studies by their trials."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sweeps.analysis.comparisons import Comparisons
from sweeps.analysis.remarks import doubt_about, why_undecided
from sweeps.analysis.verdicts import Evidence, Judgement, Verdict, equivalence, judge, superiority
from sweeps.record.state import SweepState
from sweeps.spec.claim import Claim


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its verdict.

    Attributes:
        comparisons: What each difference in the evidence compares, such as ``layer over none, sigma 0.03``.
            It is positive where the first is better.
        unit: Of the differences: epochs, or a metric.
        remark: Why a claim is undecided where the number of seeds does not explain it; otherwise empty.
    """

    claim: Claim
    comparisons: list[str]
    evidence: Evidence
    judgement: Judgement
    unit: str
    remark: str = ""


def judge_claims(state: SweepState) -> list[JudgedClaim]:
    """Judge the claims of a study together: p-values are corrected for their number."""
    (judged,) = judge_studies([state])
    return judged


def judge_studies(states: Sequence[SweepState]) -> list[list[JudgedClaim]]:
    """Judge the claims of several studies together: p-values are corrected for the number of all of them."""
    cases = [[_Case(state, claim) for claim in state.spec.claims] for state in states]
    judgements = iter(judge([case.evidence for of_study in cases for case in of_study]))
    return [[case.judged(next(judgements)) for case in of_study] for of_study in cases]


class _Case:
    """A claim with the results that it is judged by."""

    def __init__(self, state: SweepState, claim: Claim) -> None:
        self._state, self._claim = state, claim
        self._comparisons = Comparisons(state, claim)
        pairs = [comparison.pair for comparison in self._comparisons.all]
        self.evidence = (
            equivalence(pairs, claim.within or 0.0) if claim.equal else superiority(pairs, claim.by or 0.0)
        )

    def judged(self, judgement: Judgement) -> JudgedClaim:
        """Withdraw a verdict that there is a doubt about, and say why a claim is undecided."""
        claim, measured = self._claim, self._comparisons.measured
        verdict = judgement.verdict
        if verdict is not Verdict.UNDECIDED and (
            doubt := doubt_about(claim, measured, self.evidence, verdict)
        ):
            judgement = replace(judgement, verdict=Verdict.UNDECIDED, doubt=doubt)
        elif verdict is Verdict.UNDECIDED:
            supports = self.evidence.p_support < self.evidence.p_contradict
            verdict = Verdict.SUPPORTED if supports else Verdict.CONTRADICTED
        remark = ""
        if judgement.doubt:
            remark = f"it would be {verdict}, but {judgement.doubt}"
        elif judgement.verdict is Verdict.UNDECIDED:
            remark = why_undecided(self._state, claim, measured, judgement)
        texts = [comparison.text for comparison in self._comparisons.all]
        unit = claim.measured if claim.reach is None else "epochs"
        return JudgedClaim(claim, texts, self.evidence, judgement, unit, remark)

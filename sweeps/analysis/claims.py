"""What the trials of a study say of each of its claims."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sweeps.analysis.arms import Arm, arms_of, common_target, on_shared_seeds
from sweeps.analysis.stats import (
    ALPHA,
    Evidence,
    Judgement,
    Verdict,
    censored,
    equivalence,
    judge,
    superiority,
    wilcoxon_floor,
)
from sweeps.record.state import SweepState
from sweeps.spec.model import Spec
from sweeps.spec.sections import Claim


@dataclass(frozen=True)
class JudgedClaim:
    """A claim and what became of it.

    Attributes:
        claim: The claim.
        pairs: Names of the arms behind each of the evidence's differences: the first is to be better.
        evidence: Its tests; differences are positive where the first of the pair is better.
        judgement: The verdict.
        unit: Of the differences.
        remark: What else decided; may be empty.
    """

    claim: Claim
    pairs: Sequence[tuple[str, str]]
    evidence: Evidence
    judgement: Judgement
    unit: str
    remark: str = ""


def judge_claims(state: SweepState) -> list[JudgedClaim]:
    """Judge the claims of a study, together: p-values are corrected for their number.

    Args:
        state: The sweep.

    Returns:
        One result a claim, in their order.
    """
    gathered = [_gather(state, claim) for claim in state.spec.claims]
    judgements = judge([evidence for evidence, _, _ in gathered])
    return [
        _qualified(state, JudgedClaim(claim, pairs, evidence, judgement, unit))
        for claim, (evidence, pairs, unit), judgement in zip(
            state.spec.claims, gathered, judgements, strict=True
        )
    ]


def _gather(state: SweepState, claim: Claim) -> tuple[Evidence, list[tuple[str, str]], str]:
    names = [str(name) for name in claim.arms]
    arms = {arm.name: arm for arm in arms_of(state, claim.where)}
    if claim.equal:
        pairs = [(first, second) for index, first in enumerate(names) for second in names[index + 1 :]]
    else:
        pairs = [(str(better), str(worse)) for better in claim.better or [] for worse in claim.worse or []]
    values = _oriented(state, claim, list(arms.values()))
    paired = [on_shared_seeds(values.get(first, {}), values.get(second, {})) for first, second in pairs]
    unit = "epochs" if claim.reach is not None else claim.metric
    if claim.equal:
        return equivalence(paired, claim.within or 0.0), pairs, unit
    return superiority(paired), pairs, unit


def _oriented(state: SweepState, claim: Claim, arms: Sequence[Arm]) -> dict[str, dict[int, float]]:
    # By arm and seed; of these the larger is the better. What has no direction stays as it is.
    larger_is_better = state.spec.directions.get(claim.metric) != "min"
    sign = 1.0 if larger_is_better else -1.0
    if claim.reach is None:
        return {
            arm.name: {seed: sign * value for seed, value in arm.final(claim.metric, claim.epoch).items()}
            for arm in arms
        }
    target = target_of(claim, arms, larger_is_better=larger_is_better)
    if target is None or not arms:
        return {}
    horizon = min(arm.horizon for arm in arms)  # an arm that trains longer gains nothing by that
    epochs = {
        arm.name: {
            seed: epoch if epoch and epoch <= horizon else None
            for seed, epoch in arm.reaching(claim.metric, target, larger_is_better=larger_is_better).items()
        }
        for arm in arms
    }
    return {
        name: dict(zip(by_seed, -censored(list(by_seed.values()), horizon).astype(float), strict=True))
        for name, by_seed in epochs.items()
    }


def target_of(claim: Claim, arms: Sequence[Arm], *, larger_is_better: bool) -> float | None:
    """Say which score a claim about speed is to reach.

    Args:
        claim: One with ``reach``.
        arms: The arms that it is judged by.
        larger_is_better: The metric's direction.

    Returns:
        The score; None if it is ``common`` and there is none.
    """
    if isinstance(claim.reach, float | int):
        return float(claim.reach)
    return common_target(arms, claim.metric, larger_is_better=larger_is_better)


def _qualified(state: SweepState, judged: JudgedClaim) -> JudgedClaim:
    # What the tests do not see: arms without a score, seeds that diverged, seeds that never reached a score.
    arms = {arm.name: arm for arm in arms_of(state, judged.claim.where)}
    verdict = judged.judgement.verdict
    if verdict is Verdict.UNDECIDED:
        missing = _what_is_missing(state, judged.claim, arms)
        return replace(judged, remark=missing or _out_of_reach(state, judged.claim, arms))
    why = _doubt(state, judged, arms)
    if not why:
        return judged
    judgement = Judgement(Verdict.UNDECIDED, judged.judgement.p_value, None)
    return replace(judged, judgement=judgement, remark=f"it would be {verdict}, but {why}")


def _doubt(state: SweepState, judged: JudgedClaim, arms: Mapping[str, Arm]) -> str:
    claim, verdict = judged.claim, judged.judgement.verdict
    if unsound := _unsound_for(claim, verdict, arms):
        names = " and ".join(unsound)
        return f"with some seeds {names} diverged, failed, or had a score that is not finite"
    if claim.equal and verdict is Verdict.SUPPORTED:
        if claim.reach is not None and (never := _never_reaching(state, claim, arms)):
            return f"with some seeds {' and '.join(never)} never reached the score"
        if not _is_within(judged):
            return "an interval reaches beyond the margin"
    return ""


def _is_within(judged: JudgedClaim) -> bool:
    # The signed-rank test is about the typical difference, and blind to a few seeds that are far off.
    margin = judged.claim.within or 0.0
    return all(-margin < found.low and found.high < margin for found in judged.evidence.differences)


def _unsound_for(claim: Claim, verdict: Verdict, arms: Mapping[str, Arm]) -> list[str]:
    # A run without a score cannot be tested, but it must not speak for its arm by being absent.
    helped = [*(claim.better or []), *(claim.equal or [])] if verdict is Verdict.SUPPORTED else claim.worse
    names = map(str, helped or [])
    if claim.reach is not None:  # one that diverged counts as one that never reached it
        return [name for name in names if name in arms and arms[name].failed]
    return [name for name in names if name in arms and arms[name].is_unsound(claim.metric, claim.epoch)]


def _never_reaching(state: SweepState, claim: Claim, arms: Mapping[str, Arm]) -> list[str]:
    return [name for name in map(str, claim.equal or []) if None in _reaching(state, claim, arms, name)]


def _out_of_reach(state: SweepState, claim: Claim, arms: Mapping[str, Arm]) -> str:
    names = [str(name) for name in claim.arms]
    if claim.reach is None or any(set(_reaching(state, claim, arms, name)) - {None} for name in names):
        return ""
    return f"no seed of {', '.join(names)} reached the score: train longer, or claim one that is easier"


def _reaching(state: SweepState, claim: Claim, arms: Mapping[str, Arm], name: str) -> list[int | None]:
    larger_is_better = state.spec.directions.get(claim.metric) != "min"
    target = target_of(claim, list(arms.values()), larger_is_better=larger_is_better)
    if target is None or name not in arms:
        return []
    return list(arms[name].reaching(claim.metric, target, larger_is_better=larger_is_better).values())


def _what_is_missing(state: SweepState, claim: Claim, arms: Mapping[str, Arm]) -> str:
    missing: dict[str, list[str]] = {}
    for name in dict.fromkeys(map(str, claim.arms)):
        if why := _missing(state, claim, name, arms.get(name)):
            missing.setdefault(why, []).append(name)
    return "; ".join(f"{', '.join(names)}: {why}" for why, names in missing.items())


def _missing(state: SweepState, claim: Claim, name: str, arm: Arm | None) -> str:
    left_out = name not in {str(point[state.spec.compared]) for point in state.selected or []}
    if state.spec.confirms and left_out:
        return "not confirmed, as no trial of the search had a score"
    if arm is None or all(trial.status not in ("finished", "diverged") for trial in arm.trials):
        return "no seed has finished"
    if claim.reach is None and arm.diverged and not arm.final(claim.metric, claim.epoch):
        return "no score, as every seed diverged"
    if claim.reach is None and not arm.final(claim.metric, claim.epoch):
        return f"no {claim.metric}"
    return ""


def undecidable(spec: Spec) -> str:
    """Say where no result could decide the claims, as there are too few seeds.

    Args:
        spec: The sweep.

    Returns:
        A note; empty where there are enough.
    """
    seeds = len(spec.confirm_seeds) if spec.confirms else spec.seeds
    if not spec.claims or wilcoxon_floor(seeds) * len(spec.claims) <= ALPHA:
        return ""
    enough = next(n for n in range(1, 100) if wilcoxon_floor(n) * len(spec.claims) <= ALPHA)
    claims = "a claim" if len(spec.claims) == 1 else f"{len(spec.claims)} claims"
    return f"with {seeds} seeds no result can decide {claims}: it takes {enough} at least"

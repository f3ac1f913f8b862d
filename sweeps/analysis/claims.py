"""Judges the claims of a study by its trials."""

from dataclasses import dataclass
from itertools import combinations, product

from sweeps.analysis.arms import arms_of, common_target, on_shared_seeds
from sweeps.analysis.verdicts import Evidence, Judgement, Verdict, equivalence, judge, min_seeds, superiority
from sweeps.record.state import SweepState
from sweeps.spec.claim import Claim
from sweeps.spec.model import Spec


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its verdict.

    ``pairs`` names the two arms of each difference in the evidence, which is positive where the first is
    better; its ``unit`` is epochs or a metric. ``remark`` says why a claim is undecided where the tests do
    not show it, and is otherwise empty.
    """

    claim: Claim
    pairs: list[tuple[str, str]]
    evidence: Evidence
    judgement: Judgement
    unit: str
    remark: str = ""


def judge_claims(state: SweepState) -> list[JudgedClaim]:
    """Judge the claims of a study together: p-values are corrected for their number."""
    cases = [_Case(state, claim) for claim in state.spec.claims]
    judgements = judge([case.evidence for case in cases])
    return [case.judged(judgement) for case, judgement in zip(cases, judgements, strict=True)]


def too_few_seeds_note(spec: Spec) -> str:
    """Return a note if there are too few seeds for any result to decide the claims; empty otherwise."""
    seeds = len(spec.confirm_seeds) if spec.confirms else spec.seeds
    if not spec.claims or seeds >= min_seeds(len(spec.claims)):
        return ""
    claims = "a claim" if len(spec.claims) == 1 else f"{len(spec.claims)} claims"
    return f"with {seeds} seeds no result can decide {claims}: use at least {min_seeds(len(spec.claims))}"


class _Case:
    """A claim with the results that it is judged by."""

    def __init__(self, state: SweepState, claim: Claim) -> None:
        self._state, self._claim = state, claim
        self._names = list(dict.fromkeys(map(str, claim.arms)))
        self._arms = {arm.name: arm for arm in arms_of(state, claim.where)}
        # A metric without a direction keeps its sign.
        self._larger_is_better = state.spec.directions.get(claim.metric) != "min"
        self._epochs = self._epochs_to_target()
        self._pairs = list(product(map(str, claim.better or []), map(str, claim.worse or [])))
        if claim.equal:
            self._pairs = list(combinations(map(str, claim.equal), 2))
        scores = self._scores()
        paired = [on_shared_seeds(scores.get(one, {}), scores.get(other, {})) for one, other in self._pairs]
        self.evidence = equivalence(paired, claim.within or 0.0) if claim.equal else superiority(paired)

    def _epochs_to_target(self) -> dict[str, dict[int, int | None]]:
        """Return ``Arm.reaching`` by arm for a claim about speed; empty for any other."""
        metric, target, larger_is_better = self._claim.metric, self._claim.reach, self._larger_is_better
        if isinstance(target, str):
            target = common_target(list(self._arms.values()), metric, larger_is_better=larger_is_better)
        if target is None:
            return {}
        return {
            name: arm.reaching(metric, target, larger_is_better=larger_is_better)
            for name, arm in self._arms.items()
        }

    def _scores(self) -> dict[str, dict[int, float]]:
        """Return scores by arm and seed, larger if better: the metric, or minus the epochs to a target.

        A run that never reached the target has horizon + 1 epochs. That is the least it can be, so a
        difference from such a run is a lower bound.
        """
        claim = self._claim
        if claim.reach is None:
            sign = 1.0 if self._larger_is_better else -1.0
            finals = {name: arm.final(claim.metric, claim.epoch) for name, arm in self._arms.items()}
            return {name: {seed: sign * x for seed, x in by_seed.items()} for name, by_seed in finals.items()}
        # The shortest horizon counts for every arm: one that trains longer gains nothing by that.
        censored = 1.0 + min((arm.horizon for arm in self._arms.values()), default=0)
        return {
            name: {seed: -min(epoch or censored, censored) for seed, epoch in by_seed.items()}
            for name, by_seed in self._epochs.items()
        }

    def judged(self, judgement: Judgement) -> JudgedClaim:
        """Add a remark, and withdraw a verdict that ignores missing scores or outliers."""
        remark = ""
        if judgement.verdict is Verdict.UNDECIDED:
            remark = self._missing() or self._out_of_reach()
        elif doubt := self._doubt(judgement.verdict):
            remark = f"it would be {judgement.verdict}, but {doubt}"
            judgement = Judgement(Verdict.UNDECIDED, judgement.p_value, None)
        unit = self._claim.metric if self._claim.reach is None else "epochs"
        return JudgedClaim(self._claim, self._pairs, self.evidence, judgement, unit, remark)

    def _doubt(self, verdict: Verdict) -> str:
        """Return why the verdict of the tests must not stand; empty if it may."""
        if names := self._unsound(verdict):
            return f"some seeds of {' and '.join(names)} diverged, failed, or had a score that is not finite"
        if self._claim.equal and verdict is Verdict.SUPPORTED:
            if names := [name for name in self._names if None in self._epochs.get(name, {}).values()]:
                return f"some seeds of {' and '.join(names)} never reached the score"
            # The signed-rank test is about the typical difference, and blind to a few seeds that are far off.
            margin = self._claim.within or 0.0
            if not all(-margin < pair.low and pair.high < margin for pair in self.evidence.differences):
                return "an interval reaches beyond the margin"
        return ""

    def _unsound(self, verdict: Verdict) -> list[str]:
        """List the arms that the verdict favours although some of their seeds have no score."""
        favoured = self._claim.worse or []
        if verdict is Verdict.SUPPORTED:
            favoured = [*(self._claim.better or []), *(self._claim.equal or [])]
        arms = [self._arms[name] for name in map(str, favoured) if name in self._arms]
        if self._claim.reach is not None:
            # A seed that diverged counts as one that never reached the score.
            return [arm.name for arm in arms if arm.failed]
        return [arm.name for arm in arms if arm.is_unsound(self._claim.metric, self._claim.epoch)]

    def _missing(self) -> str:
        """Return which arms have no score, and why; empty if all have one."""
        names_by_reason: dict[str, list[str]] = {}
        for name in self._names:
            if reason := self._why_missing(name):
                names_by_reason.setdefault(reason, []).append(name)
        return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in names_by_reason.items())

    def _why_missing(self, name: str) -> str:
        selected = (str(point[self._state.spec.compared]) for point in self._state.selected or [])
        if self._state.spec.confirms and name not in selected:
            return "not confirmed, as no trial of the search had a score"
        arm = self._arms.get(name)
        if arm is None or all(trial.status not in ("finished", "diverged") for trial in arm.trials):
            return "no seed has finished"
        if self._claim.reach is not None or arm.final(self._claim.metric, self._claim.epoch):
            return ""
        return "no score, as every seed diverged" if arm.diverged else f"no {self._claim.metric}"

    def _out_of_reach(self) -> str:
        """Return a remark if no seed reached the score of a claim about speed; empty otherwise."""
        reached = any(any(self._epochs.get(name, {}).values()) for name in self._names)
        if self._claim.reach is None or reached:
            return ""
        return f"no seed of {', '.join(self._names)} reached the score: train longer or claim an easier score"

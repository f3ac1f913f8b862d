"""Claims with the results that they are judged by, and with their verdicts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from sweeps.analysis.bootstrap import beyond_test_set, correctness
from sweeps.analysis.comparisons import Comparisons
from sweeps.analysis.remarks import lasting_doubt, margin_doubt, why_undecided
from sweeps.analysis.stats import PairedDifference, detectable, paired_difference
from sweeps.analysis.verdicts import Case, Evidence, Judgement, Verdict, equivalence, superiority
from sweeps.record.state import SweepState
from sweeps.record.trials import ENDED
from sweeps.spec.claim import Claim
from sweeps.spec.looks import Look
from sweeps.spec.space import identity_of
from trainables.declarations.base import UNBOUNDED


@dataclass(frozen=True)
class JudgedClaim:
    """A claim with its verdict.

    Attributes:
        claims: The number of claims that it was judged with, itself included.
        post_hoc: Whether the claim was made after the sweep had begun. It is corrected for such claims alone.
        comparisons: What each difference compares, such as ``layer over none, sigma 0.03``. It is positive
            where the first is better.
        differences: Over the seeds of the look that decided, or of the last one that tested the claim; over
            all seeds before the first. Their intervals have the error of that look.
        beyond: The ends of the interval of each mean difference for other test examples too, at the same
            error; None where it is not known which examples the networks had right.
        looks: All declared looks, to which the judgement's ``look`` is an index.
        next_look: The look that an undecided claim waits for; None if it is decided, or if none follows.
        unit: Of the differences: epochs, or a metric.
        spent: The number of trials of the compared configurations up to ``look`` that have ended.
        spared: The number of their trials at later looks, which a decided claim does not need; 0 for an
            undecided one.
        remark: Why a claim is undecided; otherwise empty.
    """

    claim: Claim
    claims: int
    post_hoc: bool
    comparisons: Sequence[str]
    differences: Sequence[PairedDifference]
    beyond: Sequence[tuple[float, float] | None]
    judgement: Judgement
    looks: Sequence[Look]
    next_look: Look | None
    unit: str
    spent: int
    spared: int
    remark: str = ""

    @property
    def look(self) -> Look | None:
        """The look that decided, or else the last that tested the claim; None before the first."""
        return None if self.judgement.look is None else self.looks[self.judgement.look]

    def detectable(self, look: Look) -> float:
        """Return the smallest advantage that a look detects in one comparison, if these vary as they do now.

        It is in the unit of the differences, with power 0.8 and corrected for the number of claims; the
        comparison that varies most counts.
        """
        std = max(difference.std for difference in self.differences)
        return detectable(look.n_tested, look.error / self.claims) * std


class TestedClaim:
    """A claim with the results that it is judged by, at each look that has been taken.

    Attributes:
        case: Its tests, for ``judge``.
    """

    def __init__(self, state: SweepState, claim: Claim) -> None:
        self._state, self._claim, self._looks = state, claim, state.taken
        self._now = Comparisons(state, claim)
        self._at = [Comparisons(state.at_look(look), claim) for look in self._looks]
        evidence = [_weigh(claim, comparisons) for comparisons in self._at]
        self.case = Case(evidence, list(self._shares()), self._doubt)

    def _shares(self) -> Iterator[np.ndarray]:
        """Yield the share of alpha that each look spends on each test."""
        ends = [0, *(look.seeds for look in self._looks)]
        for look, comparisons, first in zip(self._looks, self._at, ends, strict=False):
            new = self._state.spec.replicates[max(first, look.known) : look.seeds]
            shares = [look.share if each.has_one_of(new) else 0.0 for each in comparisons.all]
            yield np.repeat(shares, 2 if self._claim.equal else 1)

    def _doubt(self, look: int, verdict: Verdict) -> str:
        return self._lasting_doubt(look, verdict) or margin_doubt(
            self._claim, self._differences(look), verdict
        )

    def _lasting_doubt(self, look: int, verdict: Verdict) -> str:
        return lasting_doubt(self._claim, self._at[look].measured, verdict)

    def may_be_decided(self, judgement: Judgement) -> bool:
        """Whether more seeds may decide a claim that is not decided yet."""
        look, verdict = judgement.look, judgement.doubted
        if judgement.verdict is not Verdict.UNDECIDED:
            return False
        return look is None or verdict is None or not self._lasting_doubt(look, verdict)

    def _differences(self, look: int | None) -> list[PairedDifference]:
        """Return the differences at a look, whose intervals may err as the look; None: before the first."""
        comparisons = self._now if look is None else self._at[look]
        error, bounds = self._state.looks[look or 0].error, UNBOUNDED
        if self._claim.reach is None and self._claim.than is None:
            low, high = self._state.spec.bounds(self._claim.measured)
            bounds = low - high, high - low
        return [paired_difference(*each.pair, error=error, bounds=bounds) for each in comparisons.all]

    def _beyond(self, look: int | None) -> list[tuple[float, float] | None]:
        """Return the intervals beyond this test set, of a claim about accuracy after the last epoch."""
        claim, comparisons = self._claim, self._now if look is None else self._at[look]
        if claim.metric != "test_accuracy" or claim.drops or claim.than or claim.reach is not None:
            return [None] * len(comparisons.all)
        error = self._state.looks[look or 0].error
        known = [correctness(*each.arms) if each.arms else None for each in comparisons.all]
        return [beyond_test_set(*pair, error)[1:] if pair else None for pair in known]

    @property
    def identities(self) -> set[str]:
        """The ``identity`` of each configuration that has another one to be compared with."""
        arms = [arm for comparison in self._now.all for arm in comparison.arms]
        return {identity_of(self._state.spec, arm.point) for arm in arms}

    def judged(self, judgement: Judgement, claims: int, *, post_hoc: bool) -> JudgedClaim:
        """Add to a judgement, of so many claims together, what the claim was judged by."""
        claim, state, decided = self._claim, self._state, judgement.verdict is not Verdict.UNDECIDED
        look = self._last_tested(judgement.look)
        if not decided:
            judgement = replace(judgement, look=look)
        comparisons = self._now if look is None else self._at[look]
        spent, spared = self._trainings(judgement.look)
        later = () if decided or post_hoc or state.complete else state.looks[len(self._looks) :]
        return JudgedClaim(
            claim=claim,
            claims=claims,
            post_hoc=post_hoc,
            comparisons=[comparison.text for comparison in comparisons.all],
            differences=self._differences(look),
            beyond=self._beyond(look),
            judgement=judgement,
            looks=state.looks,
            next_look=next(iter(later), None),
            unit=claim.measured if claim.reach is None else "epochs",
            spent=spent,
            spared=spared if decided else 0,
            remark="" if decided else why_undecided(state, claim, comparisons.measured, judgement),
        )

    def _last_tested(self, look: int | None) -> int | None:
        """Return the last look, up to this one, that had new seeds for the claim."""
        looks = range(look, -1, -1) if look is not None else ()
        return next((each for each in looks if self.case.shares[each].any()), None)

    def _trainings(self, look: int | None) -> tuple[int, int]:
        """Count the compared configurations' trials that have ended by a look, and those of later looks."""
        own, all_seeds, trials = self.identities, self._state.spec.replicates, self._state.by_point_and_seed
        seeds = all_seeds if look is None else all_seeds[: self._looks[look].seeds]
        spent = sum(
            name in own and seed in seeds and trial.status in ENDED for (name, seed), trial in trials.items()
        )
        return spent, len(own) * (len(all_seeds) - len(seeds))


def _weigh(claim: Claim, comparisons: Comparisons) -> Evidence:
    pairs = [comparison.pair for comparison in comparisons.all]
    return equivalence(pairs, claim.within or 0.0) if claim.equal else superiority(pairs, claim.by or 0.0)

"""Studies whose seeds are drawn from a known truth, judged look by look as the driver does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from sweeps.analysis.verdicts import Case, Evidence, Judgement, Verdict, judge, superiority
from sweeps.spec.looks import Look, share_out

ARMS = ("none", "all", "layer", "after_all", "after_layer")
# Better arms and worse ones; the claims overlap, and the last has six pairs.
CLAIMS = (
    (("layer",), ("none",)),
    (("none", "layer"), ("all",)),
    (("none", "all", "layer"), ("after_all", "after_layer")),
)
LOOKS = share_out((13, 20, 40, 80, 160))
# Draws the scores of all arms, by seed: shape (arms, seeds).
Draw = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class Study:
    """A simulated study: its judgements, and the number of trainings that it took."""

    judgements: list[Judgement]
    trainings: int

    def false_verdicts(self, truth: Mapping[str, float], by: float) -> int:
        """Count the verdicts that are wrong, given the true typical score of each arm."""
        return sum(map(_is_false, self.judgements, CLAIMS, [truth] * len(CLAIMS), [by] * len(CLAIMS)))


def _is_false(
    judgement: Judgement,
    claim: tuple[Sequence[str], Sequence[str]],
    truth: Mapping[str, float],
    by: float,
) -> bool:
    advantages = [truth[better] - truth[worse] for better, worse in product(*claim)]
    is_true = {
        Verdict.SUPPORTED: min(advantages) > 0,
        Verdict.REFUTED: min(advantages) < by,
        Verdict.REVERSED: min(advantages) < 0,
        Verdict.UNDECIDED: True,
    }
    return not is_true[judgement.verdict]


def run_study(draw: Draw, rng: np.random.Generator, *, by: float, looks: Sequence[Look] = LOOKS) -> Study:
    """Draw seeds look by look; an arm stops when every claim that names it is decided."""
    scores = dict(zip(ARMS, draw(rng, looks[-1].seeds), strict=True))
    seeds = dict.fromkeys(ARMS, 0)
    going_on, evidence, shares = (
        set(ARMS),
        [list[Evidence]() for _ in CLAIMS],
        [list[np.ndarray]() for _ in CLAIMS],
    )
    judgements: list[Judgement] = []
    for look in looks:
        seeds |= dict.fromkeys(going_on, look.seeds)
        for index, claim in enumerate(CLAIMS):
            pairs = list(product(*claim))
            evidence[index].append(superiority([_shared(scores, seeds, pair) for pair in pairs], by))
            shares[index].append(np.array([_share(look, pair, going_on) for pair in pairs]))
        judgements = judge([Case(*each) for each in zip(evidence, shares, strict=True)])
        undecided = [c for c, j in zip(CLAIMS, judgements, strict=True) if j.verdict is Verdict.UNDECIDED]
        going_on = {arm for better, worse in undecided for arm in (*better, *worse)}
        if not going_on:
            break
    return Study(judgements, sum(seeds.values()))


def _shared(
    scores: Mapping[str, np.ndarray], seeds: Mapping[str, int], pair: tuple[str, str]
) -> tuple[np.ndarray, np.ndarray]:
    n = min(seeds[arm] for arm in pair)
    return scores[pair[0]][:n], scores[pair[1]][:n]


def _share(look: Look, pair: tuple[str, str], going_on: set[str]) -> float:
    return look.share if going_on.issuperset(pair) else 0.0

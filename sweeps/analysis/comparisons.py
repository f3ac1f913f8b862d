"""The comparisons that a claim consists of: pairs of scores by seed."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from sweeps.analysis.arms import Arm, on_shared_seeds, title_of
from sweeps.analysis.measures import Measured, Scores
from sweeps.analysis.places import places_of
from sweeps.record.state import SweepState
from sweeps.spec.claim import Claim
from sweeps.spec.model import Spec


@dataclass(frozen=True)
class Comparison:
    """Two scores of every seed, larger if better.

    Attributes:
        text: What is compared, such as ``layer over none, sigma 0.03``.
        arms: The arms whose trials have the scores; empty if one of them has none.
    """

    text: str
    first: Scores
    second: Scores
    arms: Sequence[Arm]

    @property
    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        """The scores of the seeds that both have, in the same order."""
        return on_shared_seeds(self.first, self.second)

    def has_one_of(self, seeds: range) -> bool:
        """Whether some of these seeds are compared."""
        return any(seed in self.first and seed in self.second for seed in seeds)


class Comparisons:
    """All comparisons of a claim; each must hold for the claim to hold.

    Attributes:
        measured: What the claim measures at each of its points, by the point's title.
    """

    def __init__(self, state: SweepState, claim: Claim) -> None:
        self._state, self._claim = state, claim
        self.measured: dict[str, Measured] = {}
        self.all = list(self._compare())

    def _compare(self) -> Iterator[Comparison]:
        for arms in pairs_of(self._claim):
            for title, place in places_of(self._state.spec, self._claim.where, arms).items():
                measured, at = self._at(title, place, arms), f", {title}" if title else ""
                first, second = arms
                both = _present(measured, arms)
                if self._claim.drops:
                    text = f"{first} at its best epoch over its last{at}"
                    yield Comparison(text, *measured.best_and_last(first), both[:1])
                elif (than := self._claim.than) is not None:
                    other, title = self._at(title_of(than), than, arms), title_of(than)
                    advantages = (advantage(measured, *arms), advantage(other, *arms))
                    there = _present(other, arms)
                    text = f"{first} over {second}{at} over {title}"
                    yield Comparison(text, *advantages, [*both, *there] if both and there else [])
                else:
                    text = f"{first} {'and' if self._claim.equal else 'over'} {second}{at}"
                    yield Comparison(text, measured.scores(first), measured.scores(second), both)

    def _at(self, title: str, place: Mapping[str, Any], arms: tuple[str, str]) -> Measured:
        """Return what is measured at a point, where these arms are compared."""
        if title not in self.measured:
            self.measured[title] = Measured(self._state, self._claim, place)
        self.measured[title].compared.update(dict.fromkeys(arms))
        return self.measured[title]


def pairs_of(claim: Claim) -> list[tuple[str, str]]:
    """List the arms that a claim compares; an arm that is said to drop is compared with itself."""
    if claim.equal:
        return list(combinations(map(str, claim.equal), 2))
    if claim.drops:
        return [(name, name) for name in map(str, claim.drops)]
    return list(product(map(str, claim.better or []), map(str, claim.worse or [])))


def n_tests(spec: Spec, claim: Claim) -> int:
    """Count the tests of a claim, one of which may refute it: one a comparison, two for equivalence."""
    comparisons = sum(len(places_of(spec, claim.where, arms)) for arms in pairs_of(claim))
    return comparisons * (2 if claim.equal else 1)


def _present(measured: Measured, names: Sequence[str]) -> list[Arm]:
    """Return these arms; none if one of them has no trials at the point."""
    arms = [measured.arms[name] for name in names if name in measured.arms]
    return arms if len(arms) == len(names) else []


def advantage(measured: Measured, first: str, second: str) -> Scores:
    """Return by seed how much better one arm is than another; 0 where both diverged."""
    one, other = measured.scores(first), measured.scores(second)
    shared = sorted(one.keys() & other.keys())
    return {seed: 0.0 if one[seed] == other[seed] else one[seed] - other[seed] for seed in shared}

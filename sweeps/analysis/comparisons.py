"""The comparisons that a claim consists of: pairs of scores by seed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from sweeps.analysis.arms import on_shared_seeds, title_of
from sweeps.analysis.measures import Measured, Scores
from sweeps.analysis.places import places_of
from sweeps.record.state import SweepState
from sweeps.spec.claim import Claim


@dataclass(frozen=True)
class Comparison:
    """Two scores of every seed, larger if better.

    Attributes:
        text: What is compared, such as ``layer over none, sigma 0.03``.
    """

    text: str
    first: Scores
    second: Scores

    @property
    def pair(self) -> tuple[np.ndarray, np.ndarray]:
        """The scores of the seeds that both have, in the same order."""
        return on_shared_seeds(self.first, self.second)


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
        for arms in self._pairs():
            for title, place in places_of(self._state.spec, self._claim.where, arms).items():
                measured, at = self._at(title, place, arms), f", {title}" if title else ""
                first, second = arms
                if self._claim.drops:
                    text = f"{first} at its best epoch over its last{at}"
                    yield Comparison(text, *measured.best_and_last(first))
                elif (than := self._claim.than) is not None:
                    other, title = self._at(title_of(than), than, arms), title_of(than)
                    advantages = (advantage(measured, *arms), advantage(other, *arms))
                    text = f"{first} over {second}{at} over {title}{self._by()}"
                    yield Comparison(text, *advantages)
                else:
                    margin = self._claim.within
                    text = f"{first} over {second}{self._by()}"
                    if margin is not None:
                        text = f"{first} and {second}, within {margin:.3g}"
                    yield Comparison(f"{text}{at}", measured.scores(first), measured.scores(second))

    def _by(self) -> str:
        amount = self._claim.by
        return "" if amount is None else f", by more than {amount:.3g}"

    def _pairs(self) -> list[tuple[str, str]]:
        """List the arms that are compared; an arm that is said to drop is compared with itself."""
        claim = self._claim
        if claim.equal:
            return list(combinations(map(str, claim.equal), 2))
        if claim.drops:
            return [(name, name) for name in map(str, claim.drops)]
        return list(product(map(str, claim.better or []), map(str, claim.worse or [])))

    def _at(self, title: str, place: Mapping[str, Any], arms: tuple[str, str]) -> Measured:
        """Return what is measured at a point, where these arms are compared."""
        if title not in self.measured:
            self.measured[title] = Measured(self._state, self._claim, place)
        self.measured[title].compared.update(dict.fromkeys(arms))
        return self.measured[title]


def advantage(measured: Measured, first: str, second: str) -> Scores:
    """Return by seed how much better one arm is than another; 0 where both diverged."""
    one, other = measured.scores(first), measured.scores(second)
    shared = sorted(one.keys() & other.keys())
    return {seed: 0.0 if one[seed] == other[seed] else one[seed] - other[seed] for seed in shared}

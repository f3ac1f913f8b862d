"""The looks of a study: after how many seeds its claims are judged, and how much of the level each spends."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

# The chance of any false verdict among the claims of a study.
ALPHA = 0.05


class Look(NamedTuple):
    """A look at the results after so many seeds, with its share of alpha: those of all looks sum to 1.

    ``known`` is the number of seeds whose results were known when the look was declared: 0, but for looks
    that a sweep was extended by. The look is of the seeds that follow.
    """

    seeds: int
    share: float
    known: int = 0

    @property
    def error(self) -> float:
        """The chance of an error that this look may spend, alpha times its share."""
        return ALPHA * self.share

    @property
    def n_tested(self) -> int:
        """The number of seeds that the look tests."""
        return self.seeds - self.known


def share_out(seeds: Sequence[int], taken: Sequence[Look] = (), known: int = 0) -> list[Look]:
    """Share alpha among looks in proportion to the square root of the seeds that they test.

    As the shares sum to 1, the chance that any look's p-value is at most its part of alpha is at most alpha
    (Bonferroni). This holds for shares and seeds that are fixed in advance. Those of later looks may depend
    on earlier results only if the looks test other seeds than those with these results.

    Args:
        seeds: The number of seeds at each look, ascending.
        taken: Looks that have been taken. They keep their shares, and the others have what is left.
        known: The number of seeds whose results were known when the others were declared.
    """
    waiting = [n for n in seeds if not taken or n > taken[-1].seeds]
    left, total = 1 - sum(look.share for look in taken), sum(math.sqrt(n - known) for n in waiting)
    return [*taken, *(Look(n, left * math.sqrt(n - known) / total, known) for n in waiting)]


def can_decide(look: Look, tests: int) -> bool:
    """Whether differences of one sign in every seed are significant after a correction for so many tests.

    The smallest two-sided p-value of n pairs is 2 / 2^n (``signed_rank``).
    """
    return 2.0 ** (1 - look.n_tested) * tests <= look.error


def fewest_seeds(tests: int, later: Sequence[int] = ()) -> int:
    """Return the fewest seeds with which a first look can decide; ``later`` has the seeds of later looks."""
    return next(
        n
        for n in itertools.count(1)
        if can_decide(share_out([n, *(each for each in later if each > n)])[0], tests)
    )


def n_choosing(seeds: int) -> int:
    """Return how many of an arm's seeds choose its best epoch for ``drops``: a fifth, at least one."""
    return max(1, seeds // 5)

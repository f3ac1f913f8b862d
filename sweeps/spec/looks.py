"""The looks of a study: after how many seeds its claims are judged, and how much of the level each spends."""

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

# The chance of any false verdict among the claims of a study.
ALPHA = 0.05


class Look(NamedTuple):
    """A look at the results after so many seeds, with its share of alpha: those of all looks sum to 1."""

    seeds: int
    share: float

    @property
    def error(self) -> float:
        """The chance of an error that this look may spend, alpha times its share."""
        return ALPHA * self.share


def share_out(seeds: Sequence[int], taken: Sequence[Look] = ()) -> list[Look]:
    """Share alpha among looks in proportion to the square root of their seeds.

    As the shares sum to 1, the chance that any look's p-value is at most its part of alpha is at most alpha
    (Bonferroni), whatever the results of one look say about the next.

    Args:
        seeds: The number of seeds at each look, ascending.
        taken: Looks that have been taken. They keep their shares, and the others have what is left.
    """
    waiting = [n for n in seeds if not taken or n > taken[-1].seeds]
    left, total = 1 - sum(look.share for look in taken), sum(map(math.sqrt, waiting))
    return [*taken, *(Look(n, left * math.sqrt(n) / total) for n in waiting)]


def can_decide(look: Look, tests: int) -> bool:
    """Whether differences of one sign in every seed are significant after a correction for so many tests.

    The smallest two-sided p-value of n pairs is 2 / 2^n (``signed_rank``).
    """
    return 2.0 ** (1 - look.seeds) * tests <= look.error


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

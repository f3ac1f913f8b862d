"""The rounds of a confirm stage or a grid: what is trained for each look at its results."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.spec.model import Spec
from sweeps.spec.space import identity_of


@dataclass(frozen=True)
class Round:
    """What is trained for one look: each of some configurations with each of its seeds, which are new.

    Attributes:
        points: The configurations by their ``identity``.
    """

    points: Mapping[str, Mapping[str, Any]]
    seeds: range

    def __iter__(self) -> Iterator[tuple[str, int]]:
        """Yield each trial as identity and seed.

        Every configuration gets the first seed before any gets the second: a round that is cut short is
        balanced.
        """
        return ((name, seed) for seed in self.seeds for name in self.points)

    def __len__(self) -> int:
        return len(self.points) * len(self.seeds)


def rounds_of(spec: Spec, points: Sequence[Sequence[Mapping[str, Any]]]) -> list[Round]:
    """Return the rounds that have begun, given the configurations of each."""
    ends = [0, *spec.n_seeds]
    return [
        Round({identity_of(spec, point): point for point in listed}, spec.replicates[first:last])
        for listed, first, last in zip(points, ends, ends[1:], strict=False)
    ]

"""Checks of seeds and looks: that there are seeds for all, and claims to look at."""

from collections.abc import Iterator

from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.model import LAST_SEED


def check_seeds(draft: Draft) -> Iterator[Problem]:
    if draft.valid(1, "seeds") != 1 and draft.valid(None, "looks") is not None:
        yield ("looks",), "must not be beside seeds: keep one of them"
    left = LAST_SEED - draft.valid(0, "seed")
    # The seeds of a confirm stage begin at seed + 1, those of a grid at seed.
    for section, most in ((("stages", "confirm"), left), ((), left + 1)):
        none: list[int] = []
        counts = {"seeds": [draft.valid(0, *section, "seeds")], "looks": draft.valid(none, *section, "looks")}
        for key, count in counts.items():
            if count and (count[-1] or 0) > most:
                rule = f"must be at most {most}, as the last seed is {LAST_SEED}, got {count[-1]}"
                yield (*section, key), rule


def check_looks(draft: Draft) -> Iterator[Problem]:
    """Check that looks have claims to judge, of configurations that other seeds have chosen."""
    location = ("stages", "confirm", "looks") if draft.confirm else ("looks",)
    none: list[int] = []
    looks = draft.valid(none, *location)
    if not looks:
        return
    if not draft.has_claims:
        yield location, "needs claims to judge: give seeds instead"
    elif draft.valid(1, "stages", "confirm", "top") != 1:
        rule = "leave it out beside looks: the seeds that choose the best of several must not also judge it"
        yield ("stages", "confirm", "top"), rule

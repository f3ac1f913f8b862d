"""Checks of seeds and looks: that there are seeds for all, and that the first look can decide every claim."""

from collections.abc import Iterator
from typing import Any

from sweeps.errors import Location
from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.checks.places import pairs_of, shared_values
from sweeps.spec.claim import Between, Claim, in_range
from sweeps.spec.looks import can_decide, fewest_seeds, n_choosing, share_out
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
    """Check that looks have claims to judge, and that the first can decide each of them."""
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
    elif draft.confirm or draft.is_grid:
        yield from _too_early(draft, location, looks)


def _too_early(draft: Draft, location: Location, looks: list[int]) -> Iterator[Problem]:
    """Check that seeds that all agree decide every claim at the first look, one way or the other."""
    m, first = len(draft.claims), share_out(looks)[0]
    too_early: list[tuple[int, int, str]] = []
    for claim in draft.claims.values():
        tests, chosen = n_tests(draft, claim), n_choosing(looks[0]) if claim.drops else 0
        if can_decide(first._replace(seeds=looks[0] - chosen), m * tests):
            continue
        enough = fewest_seeds(m * tests, looks[1:])
        while claim.drops and enough - n_choosing(enough) < fewest_seeds(m * tests, looks[1:]):
            enough += 1
        too_early.append((enough, tests, claim.name))
    if too_early:
        # What is enough for this claim is enough for all.
        enough, tests, name = max(too_early)
        claims = "1 claim" if m == 1 else f"{m} claims"
        what = f"{claims}, this one ({name}) with {tests} test{'s' if tests > 1 else ''}"
        yield location, f"{looks[0]} seeds at the first look cannot decide {what}: begin with {enough}"


def n_tests(draft: Draft, claim: Claim) -> int:
    """Count the tests of a claim, of which one may refute it: one for each comparison, two of equivalence."""
    ranges = {name: place for name, place in claim.where.items() if isinstance(place, Between)}
    tests = 0
    for arms in pairs_of(claim):
        places = 1
        for name, place in ranges.items():
            values: list[Any] = shared_values(draft, name, arms)
            places *= max(1, len(in_range(place, values)))
        tests += places * (2 if claim.equal else 1)
    return tests

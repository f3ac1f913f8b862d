"""Advice about a study: what its plan cannot show, and what its search did not do."""

from sweeps.analysis.verdicts import min_seeds
from sweeps.spec.model import Spec


def notes(spec: Spec) -> list[str]:
    """Return what the plan of a study cannot show."""
    return [note for note in (too_few_seeds_note(spec),) if note]


def too_few_seeds_note(spec: Spec) -> str:
    """Return a note if there are too few seeds for any result to decide the claims; empty otherwise."""
    seeds = len(spec.confirm_seeds) if spec.confirms else spec.seeds
    if not spec.claims or seeds >= min_seeds(len(spec.claims)):
        return ""
    claims = "a claim" if len(spec.claims) == 1 else f"{len(spec.claims)} claims"
    return f"with {seeds} seeds no result can decide {claims}: use at least {min_seeds(len(spec.claims))}"

"""Checks of claims: that their arms, metrics, epochs and points exist, and can be judged."""

from collections.abc import Iterator
from contextlib import suppress

from sweeps.errors import one_of, shown, unknown_message
from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.checks.places import check_than, check_where
from sweeps.spec.claim import Between, Claim
from sweeps.spec.model import CURVATURE
from trainables.declarations.base import PREFIXES, EvaluationSplit
from trainables.declarations.hyperparameters import LARGEST_SIGMA


def check_claims(draft: Draft) -> Iterator[Problem]:
    if not draft.has_claims:
        return
    has_confirm = draft.stages.get("confirm") is not None
    has_one_seed = draft.valid(1, "seeds") == 1 and draft.content.get("looks") is None
    if draft.is_grid and not draft.has_stages and has_one_seed:
        yield ("seeds",), "must be 2 or more to judge claims, such as 10"
    if not draft.compares and not draft.has_stages:
        yield ("claims",), "needs compare: the hyperparameter whose values are the arms, such as noise"
        return
    if draft.stages and not draft.is_grid and not has_confirm:
        yield ("claims",), "needs seeds to judge by, from stages.confirm or mode: grid"
        return
    names: dict[str, int] = {}
    for index, claim in draft.claims.items():
        first = names.setdefault(claim.name, index)
        if first != index:
            yield ("claims", index, "name"), f"{shown(claim.name)} is already the name of claims[{first}]"
        if draft.is_grid or has_confirm:
            for find in (_arms, _metric, _epochs, check_where, check_than):
                for location, message in find(draft, claim):
                    yield ("claims", index, *location), message


def _arms(draft: Draft, claim: Claim) -> Iterator[Problem]:
    compared = draft.compared or "noise"
    if compared in draft.broken:
        return
    arms = [str(arm) for arm in (draft.arms if draft.compared else draft.possible_values("noise"))]
    for key in ("better", "worse", "equal", "drops"):
        names = getattr(claim, key) or []
        for name in names:
            if str(name) not in arms:
                yield (key,), unknown_message(name, arms, "is not an arm")
            elif key == "worse" and name in (claim.better or []):
                yield (key,), f"{shown(name)} cannot be better than itself"
        if len(set(map(str, names))) < len(names):
            yield (key,), f"lists an arm twice, got {shown(names)}"


def _metric(draft: Draft, claim: Claim) -> Iterator[Problem]:
    metric, key = claim.measured, "metric" if claim.area is None else "area"
    every_epoch, at_the_end = draft.declaration.metrics(), draft.declaration.test_metrics()
    reads_test = not draft.is_grid or draft.valid(False, "test")
    known = every_epoch | dict(CURVATURE) | (at_the_end if reads_test else {})
    split: EvaluationSplit = "test" if reads_test else "validation"
    known |= draft.declaration.noise_metrics(split, draft.weight_noise)
    if metric not in known and (sigma := _sigma_in(draft, metric)):
        yield from _not_scored(draft, key, metric, split, sigma)
        return
    if metric not in known:
        only = "is reported only by a confirm stage, or a grid with test: true"
        yield (key,), unknown_message(metric, list(known), only if metric in at_the_end else "is not known")
        return
    if known[metric] is None and (claim.better or claim.drops or claim.reach is not None):
        judged = [name for name, direction in known.items() if direction]
        yield (key,), f"has no better direction; this claim can be about {one_of(judged)}"
    when = draft.confirm.get("curvature", draft.fixed.get("curvature", "never"))
    if metric in CURVATURE and when == "never" and "curvature" not in draft.search:
        yield (key,), f"needs curvature: end, in {'fixed' if draft.is_grid else 'stages.confirm'}"
    for form in ("reach", "epoch", "area", "drops"):
        if metric not in every_epoch and getattr(claim, form) is not None:
            possible = one_of(name for name, direction in every_epoch.items() if direction)
            yield (form,), f"needs a metric of every epoch: {possible}"


def _sigma_in(draft: Draft, metric: str) -> float | None:
    """Read the sigma in the name of a score under weight noise; None for any other name."""
    with suppress(ValueError):
        sigma = float(metric.rpartition("_under_")[2])
        if any(metric in draft.declaration.noise_metrics(split, [sigma]) for split in PREFIXES):
            return sigma if 0 < sigma <= LARGEST_SIGMA else None
    return None


def _not_scored(
    draft: Draft, key: str, metric: str, split: EvaluationSplit, sigma: float
) -> Iterator[Problem]:
    """Say how to measure a score under weight noise that this sweep does not measure."""
    here = PREFIXES[split] + metric.partition("_")[2]
    if draft.weight_noise_is_wrong:
        return
    if here != metric:
        yield (key,), f"is measured on the {split} split in this sweep, as {here}"
    else:
        listed = ", ".join(f"{value:g}" for value in sorted([*draft.weight_noise, sigma]))
        place = "fixed" if draft.is_grid or "weight_noise" in draft.fixed else "stages.confirm"
        yield (key,), f"needs weight_noise: [{listed}], in {place}"


def _epochs(draft: Draft, claim: Claim) -> Iterator[Problem]:
    if "epochs" in draft.broken:
        return
    epochs = draft.most_epochs
    if "epochs" in claim.where or draft.compared == "epochs":
        place = claim.where.get("epochs")
        given = [place.between[0]] if isinstance(place, Between) else claim.arms if place is None else [place]
        epochs = min(int(value) if isinstance(value, int | float) else 0 for value in given)
    if epochs < 1:
        # Another check reports epochs that are not a whole number above 0.
        return
    for key in ("epoch", "until"):
        last = getattr(claim, key)
        if last is not None and last > epochs:
            yield (key,), f"must be at most the {epochs} epochs of a trial, got {last}"
    if claim.drops and epochs < 3:
        yield ("drops",), f"needs trials of at least 3 epochs, got {epochs}"
    for key in ("within", "by"):
        amount = getattr(claim, key)
        if claim.reach is not None and amount is not None and amount >= epochs:
            rule = f"counts epochs when reach is given, and must be below the {epochs} of a trial"
            yield (key,), f"{rule}, got {amount:g}"

"""Checks of claims: that their arms, metrics, epochs and points exist, and can be judged."""

from collections.abc import Iterator

from sweeps.errors import one_of, shown, unknown_message
from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.claim import Claim
from sweeps.spec.model import CURVATURE
from sweeps.spec.sections import is_among


def check_claims(draft: Draft) -> Iterator[Problem]:
    if not draft.has_claims:
        return
    has_confirm = draft.stages.get("confirm") is not None
    if draft.is_grid and not draft.has_stages and draft.valid(1, "seeds") == 1:
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
            for find in (_arms, _metric, _epochs, _point):
                for location, message in find(draft, claim):
                    yield ("claims", index, *location), message


def _arms(draft: Draft, claim: Claim) -> Iterator[Problem]:
    compared = draft.compared or "noise"
    if compared in draft.broken:
        return
    arms = [str(arm) for arm in (draft.arms if draft.compared else draft.possible_values("noise"))]
    for key in ("better", "worse", "equal"):
        names = getattr(claim, key) or []
        for name in names:
            if str(name) not in arms:
                yield (key,), unknown_message(name, arms, "is not an arm")
            elif key == "worse" and name in (claim.better or []):
                yield (key,), f"{shown(name)} cannot be better than itself"
        if len(set(map(str, names))) < len(names):
            yield (key,), f"lists an arm twice, got {shown(names)}"


def _metric(draft: Draft, claim: Claim) -> Iterator[Problem]:
    every_epoch, only_confirm = draft.declaration.metrics(), draft.declaration.test_metrics()
    known = every_epoch | dict(CURVATURE) | ({} if draft.is_grid else only_confirm)
    if claim.metric not in known:
        problem = "is reported only by a confirm stage" if claim.metric in only_confirm else "is not known"
        yield ("metric",), unknown_message(claim.metric, list(known), problem)
        return
    if known[claim.metric] is None and (claim.better or claim.reach is not None):
        judged = [name for name, direction in known.items() if direction]
        yield ("metric",), f"has no better direction; this claim can be about {one_of(judged)}"
    when = draft.section("stages", "confirm").get("curvature", draft.fixed.get("curvature", "never"))
    if claim.metric in CURVATURE and when == "never" and "curvature" not in draft.search:
        yield ("metric",), f"needs curvature: end, in {'fixed' if draft.is_grid else 'stages.confirm'}"
    for key in ("reach", "epoch"):
        if claim.metric not in every_epoch and getattr(claim, key) is not None:
            possible = one_of(name for name, direction in every_epoch.items() if direction)
            yield (key,), f"needs a metric of every epoch: {possible}"


def _epochs(draft: Draft, claim: Claim) -> Iterator[Problem]:
    if "epochs" in draft.broken:
        return
    epochs = draft.most_epochs
    if "epochs" in claim.where or draft.compared == "epochs":
        given = [claim.where["epochs"]] if "epochs" in claim.where else claim.arms
        epochs = min(value if isinstance(value, int) else 0 for value in given)
    if epochs < 1:
        # Another check reports epochs that are not a whole number above 0.
        return
    if claim.epoch is not None and claim.epoch > epochs:
        yield ("epoch",), f"must be at most the {epochs} epochs of a trial, got {claim.epoch}"
    if claim.reach is not None and claim.within is not None and claim.within >= epochs:
        rule = f"counts epochs when reach is given, and must be below the {epochs} of a trial"
        yield ("within",), f"{rule}, got {claim.within:g}"


def _point(draft: Draft, claim: Claim) -> Iterator[Problem]:
    """Check that a claim says which point of a grid it is about."""
    if not draft.is_grid:
        if claim.where:
            yield ("where",), "is for mode: grid; after a search each arm has its own best configuration"
        return
    compared = draft.compared or "noise"
    listed = {key: item.values for key, item in draft.dimensions.items() if key != compared and item.values}
    for name, value in claim.where.items():
        if name == compared:
            yield ("where", name), "tells the arms apart: name them in better and worse, or in equal"
        elif name in listed:
            if not is_among(value, listed[name]):
                possible = one_of(map(str, listed[name]))
                yield ("where", name), f"{shown(value)} is not a value of {name}; it can be {possible}"
        elif name not in {*draft.broken, *draft.search}:
            message = "leave it out: the grid has no dimension but the arms"
            if listed:
                message = unknown_message(name, list(listed), "is not searched")
            yield ("where", name), message
    # A misspelt key, reported above, may be the one that would be missing here.
    if claim.where.keys() <= listed.keys():
        for name, values in listed.items():
            if len(values) > 1 and name not in claim.where.keys() | draft.broken:
                yield ("where",), f"must say which {name}, such as {{{name}: {values[0]}}}"

"""Checks of trials: their stages, number, seeds, objective and early stopping."""

import math
from collections.abc import Iterator, Mapping

from sweeps.errors import unknown_message
from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.checks.looks import check_looks, check_seeds
from sweeps.spec.model import MEASURING
from sweeps.spec.sections import MOST_TRIALS, SearchStage, Stages


def check_stages(draft: Draft) -> Iterator[Problem]:
    is_search = draft.content.get("mode") in (None, "search")
    if draft.compared and is_search and not draft.has_stages:
        rule = "needs stages, such as {search: {trials_per_arm: 20}, confirm: {seeds: 10}}, or mode: grid"
        yield ("compare",), rule
    if draft.has_stages and draft.is_grid:
        yield ("stages",), "leave it out: mode: grid runs every point with every seed"
    elif draft.has_stages:
        if draft.stages.get("search") is not None:
            yield from _search_stage(draft)
        elif not draft.configurations and draft.stages.keys() <= Stages.model_fields.keys():
            yield (
                ("stages", "search"),
                "is missing: such as {trials_per_arm: 20}; or give stages.confirm.configurations",
            )
        yield from _beside_stages(draft)


def _search_stage(draft: Draft) -> Iterator[Problem]:
    location = ("stages", "search")
    stage = draft.section(*location)
    given = [key for key in ("trials_per_arm", "epochs_per_arm") if stage.get(key) is not None]
    has_misspelt_key = not stage.keys() <= SearchStage.model_fields.keys()
    if len(given) == 2:
        yield location, "must have trials_per_arm or epochs_per_arm, not both"
    elif not given and not has_misspelt_key:
        yield location, "must have trials_per_arm, such as 20, or epochs_per_arm"
    top = draft.valid(1, "stages", "confirm", "top")
    for key in given:
        most = draft.valid(top, *location, key)
        if most < top:
            yield ("stages", "confirm", "top"), f"must be at most the {most} {key}, got {top}"


def _beside_stages(draft: Draft) -> Iterator[Problem]:
    for name in MEASURING:
        if name in draft.fixed and name in draft.confirm:
            yield ("stages", "confirm", name), "is already in fixed; keep one"
    if "curvature" in draft.search:
        yield ("search", "curvature"), "cannot be searched: put it in stages.confirm or in fixed"
    if draft.valid(None, "budget", "trials") is not None:
        yield ("budget", "trials"), "leave it out: the stages set the number of trials"
    if draft.content.get("scheduler") not in (None, "none"):
        yield ("scheduler",), "put it in stages.search"
    if draft.content.get("sampler") is not None:
        yield ("sampler",), "put it in stages.search"
    if draft.valid(1, "seeds") != 1:
        yield ("seeds",), "leave it out: stages.confirm.seeds sets the seeds"
    if draft.valid(None, "looks") is not None:
        yield ("looks",), "put it in stages.confirm"


def check_size(draft: Draft) -> Iterator[Problem]:
    """Check the number of trials before any list of them is made."""
    is_grid = draft.is_grid or all(dimension.is_grid for dimension in draft.dimensions.values())
    if is_grid and not draft.has_stages:
        points = [len(dimension.values) for dimension in draft.dimensions.values() if dimension.values]
        yield from _too_many(("search",), *points, _n_seeds(draft))
    confirm = ("stages", "confirm")
    top, seeds = draft.valid(1, *confirm, "top"), _n_seeds(draft, *confirm)
    at = math.prod(len(draft.valid([], *confirm, "at", name)) for name in draft.at) if draft.at else 0
    strata = [len(draft.strata)] if draft.strata else []
    yield from _too_many(confirm, len(draft.arms) or 1, *strata, top + at, seeds)


def _n_seeds(draft: Draft, *section: str) -> int:
    none: list[int] = []
    looks = draft.valid(none, *section, "looks") or none
    return looks[-1] if looks else draft.valid(1, *section, "seeds") or 1


def _too_many(location: tuple[str, ...], *factors: int) -> Iterator[Problem]:
    if math.prod(factors) > MOST_TRIALS:
        product = " x ".join(f"{factor:,}" for factor in factors)
        yield location, f"must give at most {MOST_TRIALS:,} trials, got {product}"


def check_objective(draft: Draft) -> Iterator[Problem]:
    metric, mode = (draft.valid("", "objective", key) for key in ("metric", "mode"))
    metrics = draft.declaration.metrics()
    if metric and metric not in metrics:
        yield ("objective", "metric"), unknown_message(metric, list(metrics))
    elif metric and mode and metrics[metric] not in (mode, None):
        yield ("objective", "mode"), f"must be {metrics[metric]} for {metric}"


def check_budget(draft: Draft) -> Iterator[Problem]:
    kinds = {name: item.kind for name, item in draft.dimensions.items() if name != draft.compared}
    if draft.is_grid:
        for name, kind in kinds.items():
            if draft.dimensions[name].bounds:
                yield ("search", name), f"must be a list in mode: grid, got {kind}"
        yield from _no_trials(draft)
    elif draft.has_stages:
        for name, kind in kinds.items():
            if kind.startswith("grid"):
                yield ("search", name), "must be choice in a search; grid is for mode: grid"
    elif not draft.compares:
        yield from _joint_budget(draft, kinds)


def _joint_budget(draft: Draft, kinds: Mapping[str, str]) -> Iterator[Problem]:
    """Check the budget of a search without arms, or of a grid that does not say ``mode: grid``."""
    sampled = next((name for name, kind in kinds.items() if not kind.startswith("grid")), None)
    if sampled is None:
        # A dimension whose form is wrong may have been meant to sample.
        is_mapping = isinstance(draft.content.get("search", {}), Mapping)
        if is_mapping and draft.search.keys() <= draft.dimensions.keys():
            yield from _no_trials(draft)
        return
    for name, kind in kinds.items():
        if kind.startswith("grid"):
            yield ("search", name), f"grid cannot be mixed with {kinds[sampled]} ({sampled})"
    if draft.valid(None, "budget", "trials") is None:
        yield ("budget", "trials"), "is missing: how many trials to run, such as 20"
    for key, default in (("seeds", 1), ("looks", None)):
        if draft.valid(default, key) != default:
            yield (key,), "is for a grid, which runs every point with every seed"


def _no_trials(draft: Draft) -> Iterator[Problem]:
    if draft.valid(None, "budget", "trials") is not None:
        yield ("budget", "trials"), "leave it out: a grid counts its own trials (points x seeds)"


def check_sampler(draft: Draft) -> Iterator[Problem]:
    """Check that a sampler can model what is searched; a grid has nothing to sample."""
    location = ("stages", "search", "sampler") if draft.stages else ("sampler",)
    sampler = draft.valid(None, *location)
    if sampler is None:
        return
    searched = {
        name: each for name, each in draft.dimensions.items() if name not in (draft.compared, draft.across)
    }
    if not draft.stages and (draft.is_grid or all(each.is_grid for each in searched.values())):
        yield location, "leave it out: a grid runs all combinations"
        return
    has_parents = any((dimension.when or {}).keys() & searched.keys() for dimension in searched.values())
    others = "tpe, qmc or random" if has_parents else "gp, tpe, qmc or random"
    for name, dimension in searched.items():
        parent = next((parent for parent in dimension.when or {} if parent in searched), None)
        if sampler == "cmaes" and dimension.values:
            # A dimension can depend on a list alone, so that none is left that depends on another.
            yield (
                location,
                f"cmaes searches ranges of numbers, and {name} is a list: use {others}",
            )
            return
        if sampler == "gp" and parent:
            yield location, f"gp cannot search {name}, as it depends on {parent}: use tpe, qmc or random"
            return


def check_scheduler(draft: Draft) -> Iterator[Problem]:
    location = ("stages", "search", "scheduler") if draft.stages else ("scheduler",)
    written = draft.section(*location[:-1]).get("scheduler")
    if written is None or written == "none":
        return
    if draft.has_claims and not draft.stages:
        yield location, "leave it out: trials that are stopped early cannot be compared"
    if "epochs" not in draft.broken:
        yield from _never_stops(draft, location, written)


def _never_stops(draft: Draft, location: tuple[str, ...], written: object) -> Iterator[Problem]:
    """Check that a scheduler, given by its name or with its keys, can stop the longest trial."""
    epochs, given = draft.most_epochs, draft.section(*location)
    for rule in given or [str(written)]:
        grace = draft.valid(1, *location, rule, "grace_epochs")
        # Hyperband's last bracket stops no trial, so that it needs two.
        factor = draft.valid(3.0, *location, rule, "reduction_factor") if rule == "hyperband" else None
        if factor and grace * factor > epochs:
            limit = f"at most the {epochs} epochs of a trial divided by reduction_factor {factor:g}"
        elif grace >= epochs:
            limit = f"below the {epochs} epochs of a trial"
        else:
            continue
        place, key = ((*location, rule, "grace_epochs"), "") if given else (location, "grace_epochs ")
        yield place, f"{key}must be {limit}, or no trial is ever stopped, got {grace}"


def check_test(draft: Draft) -> Iterator[Problem]:
    kinds = [dimension.kind for name, dimension in draft.dimensions.items() if name != draft.compared]
    is_grid = draft.is_grid or all(kind == "grid" for kind in kinds)
    if draft.valid(False, "test") and (draft.has_stages or not is_grid):
        reason = (
            "a confirm stage reads the test split"
            if draft.has_stages
            else "a search never reads the test split"
        )
        yield ("test",), f"is for a grid; {reason}"


TRIAL_CHECKS = (
    check_test,
    check_stages,
    check_seeds,
    check_looks,
    check_size,
    check_objective,
    check_budget,
    check_sampler,
    check_scheduler,
)

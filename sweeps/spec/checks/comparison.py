"""Checks of a comparison: its arms and its stages."""

from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter
from pydantic.fields import FieldInfo

from sweeps.errors import Location, shown, unknown
from sweeps.spec.checks.draft import Draft, Problem
from sweeps.spec.checks.hyperparameters import value_problem
from sweeps.spec.sections import MOST_VALUES, SearchStage, has_duplicates


def check_comparison(draft: Draft) -> Iterator[Problem]:
    name, arms = draft.compared, draft.arms
    if name is None:
        if draft.has_stages and not draft.compares:
            yield ("stages",), "needs compare: the hyperparameter whose values are the arms, such as noise"
        return
    is_name = isinstance(draft.content["compare"], str)
    location: Location = ("compare",) if is_name else ("compare", name)
    if name not in draft.fields:
        yield location, unknown(name, list(draft.fields))
    elif is_name and not arms:
        yield location, f"must list its values, such as {{{name}: [...]}}"
    elif len(arms) > MOST_VALUES:
        yield location, f"must have at most {MOST_VALUES:,} values, got {len(arms):,}"
    elif len(arms) < 2 or has_duplicates(arms):
        yield location, f"must have two values or more, each once, got {shown(arms)}"
    elif name == "curvature" and draft.has_stages:
        yield location, "must be the same for all arms: put it in stages.confirm, and compare something else"
    else:
        for index, arm in enumerate(arms):
            if problem := value_problem(draft.fields[name], arm) or _spelling(draft.fields[name], arm):
                yield (*location, index), problem


def _spelling(field: FieldInfo, arm: Any) -> str | None:
    annotation: Any = field.annotation
    text = str(TypeAdapter(annotation).validate_python(arm))
    return None if text == str(arm) else f"must be written {text}, because arms are named by their text"


def check_stages(draft: Draft) -> Iterator[Problem]:
    is_search = draft.content.get("mode") in (None, "search")
    if draft.compared and is_search and not draft.has_stages:
        rule = "needs stages, such as {search: {trials_per_arm: 20}, confirm: {seeds: 10}}, or mode: grid"
        yield ("compare",), rule
    if draft.has_stages and draft.is_grid:
        yield ("stages",), "leave it out: mode: grid runs every point with every seed"
    elif draft.stages:
        yield from _search_stage(draft)
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
    if "curvature" in draft.fixed and "curvature" in draft.section("stages", "confirm"):
        yield ("stages", "confirm", "curvature"), "is already in fixed; keep one"
    if "curvature" in draft.search:
        yield ("search", "curvature"), "cannot be searched: put it in stages.confirm or in fixed"

    if draft.valid(None, "budget", "trials") is not None:
        yield ("budget", "trials"), "leave it out: stages.search sets the budget"
    if draft.content.get("scheduler") not in (None, "none"):
        yield ("scheduler",), "put it in stages.search"
    if draft.valid(1, "seeds") != 1:
        yield ("seeds",), "leave it out: stages.confirm.seeds sets the seeds"

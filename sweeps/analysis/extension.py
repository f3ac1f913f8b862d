"""Extends a sweep that has begun: more looks at its results, or a larger search."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.analysis.advice import check_first_look
from sweeps.analysis.claims import closing_event, judge_claims, undecided_points
from sweeps.analysis.descriptions import counted
from sweeps.analysis.verdicts import Verdict
from sweeps.errors import SpecError, SweepError
from sweeps.record.journal import Event
from sweeps.record.state import SweepState
from sweeps.spec.load import load_spec
from sweeps.spec.looks import share_out
from sweeps.spec.model import Spec
from sweeps.spec.space import budget_of


@dataclass(frozen=True)
class Extension:
    """A permitted extension of a sweep.

    Attributes:
        spec: The sweep's spec with it.
        events: What the journal must record before anything else runs.
        cost: What it costs, in sentences.
    """

    spec: Spec
    events: list[Event]
    cost: list[str]


def extension(state: SweepState, looks: Sequence[int] | None, trials_per_arm: int | None) -> Extension:
    """Plan the extension of a sweep.

    Looks that have been taken keep their share of alpha, and those that follow have what is left. So
    undeclared looks may only take the place of declared ones that have not been taken.

    Args:
        state: The sweep.
        looks: The number of seeds at every look, those taken included; None to leave them.
        trials_per_arm: The larger budget of the search; None to leave it.

    Raises:
        SweepError: If the extension is not permitted.
    """
    content, cost, changes = (
        state.spec.model_dump(exclude_none=True),
        list[str](),
        list[tuple[str, Any, Any]](),
    )
    if looks is not None:
        _check_looks(state, looks)
        section = content["stages"]["confirm"] if state.spec.confirms else content
        section.pop("seeds", None)
        section["looks"] = list(looks)
        changes.append(("looks", state.spec.n_seeds, list(looks)))
        cost += _cost_of_looks(state, looks)
    if trials_per_arm is not None:
        changes.append(("trials_per_arm", _trials_per_arm(state, trials_per_arm), trials_per_arm))
        content["stages"]["search"]["trials_per_arm"] = trials_per_arm
    if not changes:
        raise SweepError("nothing to extend: give --looks or --trials-per-arm")
    spec = _checked(state, content)
    if trials_per_arm is not None:
        cost += _cost_of_search(state.spec, spec)
    closing = closing_event(state)
    event = {"event": "extend", "search": trials_per_arm is not None, "changes": changes}
    return Extension(
        spec, [*([closing] if closing else []), {**event, "looks_taken": len(state.taken)}], cost
    )


def _checked(state: SweepState, content: dict[str, Any]) -> Spec:
    try:
        spec = load_spec(content)
        if not state.taken:
            check_first_look(spec)
        return spec
    except SpecError as error:
        problem = str(error).removeprefix("spec: ")
    raise SweepError(f"{state.spec.name} cannot be extended: {problem}")


def _check_looks(state: SweepState, looks: Sequence[int]) -> None:
    taken = [look.seeds for look in state.taken]
    problem = ""
    if state.looked_stage is None or not state.spec.claims:
        problem = "it has no claims to look at"
    elif all(claim.judgement.verdict is not Verdict.UNDECIDED for claim in _declared(state)):
        problem = "all of its claims are decided"
    elif len(taken) == len(state.looks):
        problem = (
            f"its last declared look, at {taken[-1]} seeds, has been taken, and all of alpha is spent; more "
            "seeds would be an undeclared look. Start another sweep with another seed, and declare its looks "
            "(run with --new)"
        )
    elif list(looks[: len(taken)]) != taken or len(looks) == len(taken):
        problem = f"looks that have been taken stay: begin with {', '.join(map(str, taken))}, and add others"
    if problem:
        raise SweepError(f"{state.spec.name} cannot have other looks: {problem}")


def _declared(state: SweepState) -> list[Any]:
    return [claim for claim in judge_claims(state) if not claim.post_hoc]


def _cost_of_looks(state: SweepState, looks: Sequence[int]) -> Iterator[str]:
    if state.rounds:
        points = len(undecided_points(state))
        more = points * max(0, looks[-1] - state.looks[-1].seeds)
        yield f"at most {counted(more, 'more training')}, of {counted(points, 'undecided configuration')}"
    before = {look.seeds: look for look in state.looks}
    for look in share_out(looks, state.taken)[len(state.taken) :]:
        earlier = f", not {100 * (1 - before[look.seeds].error):.4g}%" if look.seeds in before else ""
        yield f"the look at {look.seeds} seeds has intervals of {100 * (1 - look.error):.4g}%{earlier}"


def _trials_per_arm(state: SweepState, trials: int) -> int:
    """Return the budget of the search so far, which the new one must exceed."""
    stage = state.spec.search_stage
    if stage is None or stage.trials_per_arm is None:
        raise SweepError(f"{state.spec.name} has no search stage with trials_per_arm to extend")
    if trials <= stage.trials_per_arm:
        rule = f"must be more than its {stage.trials_per_arm}, as trials that exist are kept"
        raise SweepError(f"{state.spec.name}: --trials-per-arm {rule}, got {trials}")
    return stage.trials_per_arm


def _cost_of_search(before: Spec, after: Spec) -> Iterator[str]:
    more = sum(budget_of(after, tuned) - budget_of(before, tuned) for tuned in before.tuned)
    yield f"{counted(more, 'more trial')} of the search"
    yield "the confirm stage follows from what it then chooses; trials of the same configurations are kept"

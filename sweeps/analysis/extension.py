"""Extends a sweep that has begun: more looks at its results, or a larger search."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.analysis.advice import check_first_look
from sweeps.analysis.claims import closing_event, undecided_points
from sweeps.analysis.comparisons import n_tests
from sweeps.analysis.descriptions import counted
from sweeps.errors import SpecError, SweepError
from sweeps.record.journal import Event
from sweeps.record.state import SweepState
from sweeps.spec.load import load_spec
from sweeps.spec.looks import can_decide, share_out
from sweeps.spec.model import Spec
from sweeps.spec.space import budget_of, with_points_at


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

    Looks that have been taken keep their share of alpha, and those that follow have what is left. As whoever
    extends a sweep may know its results, these looks test the seeds that follow those with results.

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
        cost += _cost_of_search(state, spec)
    event = {
        "event": "extend",
        "search": trials_per_arm is not None,
        "changes": changes,
        "looks_taken": len(state.taken),
        "known": state.n_known,
    }
    return Extension(spec, [*filter(None, [closing_event(state)]), event], cost)


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
    taken, to_come = [look.seeds for look in state.taken], list(looks[len(state.taken) :])
    problem = ""
    if state.looked_stage is None or not state.spec.claims:
        problem = "it has no claims to look at"
    elif len(taken) == len(state.looks):
        seed = state.spec.replicates[-1] + 1
        problem = (
            f"its last declared look, at {taken[-1]} seeds, has been taken, and all of alpha is spent; more "
            "seeds would be an undeclared look. Start another sweep (run with --new) with all looks "
            f"declared, and with seeds of its own (seed: {seed} or more)"
        )
    elif state.complete:
        problem = "no claim of it can be decided by more seeds"
    elif list(looks) == state.spec.n_seeds:
        problem = f"{_listed(looks)} are its looks"
    elif list(looks[: len(taken)]) != taken or not to_come:
        problem = f"looks that have been taken stay: begin with {_listed(taken)}, and add others"
    elif to_come[0] <= state.n_known:
        problem = f"{state.n_known} seeds have results, or will soon: the looks to come must have more"
    if problem:
        raise SweepError(f"{state.spec.name} cannot have other looks: {problem}")


def _listed(looks: Sequence[int]) -> str:
    return ", ".join(map(str, looks))


def _cost_of_looks(state: SweepState, looks: Sequence[int]) -> Iterator[str]:
    if state.rounds:
        points = len(undecided_points(state))
        more = points * (looks[-1] - state.looks[-1].seeds)
        trainings = counted(abs(more), f"{'more' if more >= 0 else 'fewer'} training")
        yield f"at most {trainings}, of {counted(points, 'undecided configuration')}"
    if state.n_known:
        yield f"the looks to come test the seeds after the first {state.n_known}, whose results may be known"
    tests = max(n_tests(state.spec, claim) for claim in state.spec.claims) * len(state.spec.claims)
    for look in share_out(looks, state.taken, state.n_known)[len(state.taken) :]:
        nothing = "" if can_decide(look, tests) else ", and may decide nothing, as it tests too few seeds"
        level = f"has intervals of {100 * (1 - look.error):.4g}%"
        yield f"the look at {look.seeds} seeds tests {look.n_tested}, {level}{nothing}"


def _trials_per_arm(state: SweepState, trials: int) -> int:
    """Return the budget of the search so far, which the new one must exceed."""
    stage = state.spec.search_stage
    if stage is None or stage.trials_per_arm is None:
        raise SweepError(f"{state.spec.name} has no search stage with trials_per_arm to extend")
    if trials <= stage.trials_per_arm:
        rule = f"must be more than its {stage.trials_per_arm}, as trials that exist are kept"
        raise SweepError(f"{state.spec.name}: --trials-per-arm {rule}, got {trials}")
    return stage.trials_per_arm


def _cost_of_search(state: SweepState, after: Spec) -> Iterator[str]:
    before = state.spec
    more = sum(budget_of(after, tuned) - budget_of(before, tuned) for tuned in before.tuned)
    yield f"{counted(more, 'more trial')} of the search"
    first, points = after.n_seeds[0], len(with_points_at(before, before.tuned))
    yield (
        f"at most {counted(first * points, 'training')} for the first look at what it then chooses; those of "
        "the same configurations are kept"
    )

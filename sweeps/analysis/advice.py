"""Advice about a study: what its plan cannot show, and what its search did not do."""

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from sweeps.analysis.arms import Arm, arms_of, reference_of, title_of
from sweeps.analysis.comparisons import n_tests
from sweeps.analysis.descriptions import counted
from sweeps.analysis.effects import difference_from
from sweeps.analysis.stats import detectable
from sweeps.errors import shown
from sweeps.record.state import SweepState
from sweeps.record.trials import ENDED, SEARCH
from sweeps.spec.claim import Claim
from sweeps.spec.looks import Look, fewest_seeds, n_choosing, share_out
from sweeps.spec.methods import SAMPLERS
from sweeps.spec.model import Spec, mode_of
from sweeps.spec.sections import Dimension
from sweeps.spec.space import is_active, searched_by, tuned_by
from sweeps.spec.starting import design_size, fewest_to_cross, n_starting_points, trials_of

# A value is at an edge of its range if it lies in this part of it.
_EDGE = 0.05


def notes(spec: Spec, looks: Sequence[Look] | None = None) -> list[str]:
    """Return what the plan of a study can detect, and what it cannot show.

    Args:
        spec: The spec.
        looks: Its looks, if they are those of a sweep that has begun.
    """
    found = (
        too_few_seeds_note(spec),
        detectable_note(spec, looks or share_out(spec.n_seeds)),
        *_search_notes(spec),
        _common_note(spec),
        gradients_note(spec),
        *_default_notes(spec),
    )
    return [note for note in found if note]


def too_few_seeds_note(spec: Spec) -> str:
    """Return a note if there are too few seeds for any result to decide the claims; empty otherwise."""
    seeds, claims = spec.n_seeds[-1], len(spec.claims)
    if not claims:
        return ""
    needed = fewest_seeds(claims)
    if seeds < needed:
        return f"with {counted(seeds, 'seed')} no result can decide {_claims(claims)}: use at least {needed}"
    choosing = n_choosing(seeds)
    if seeds - choosing >= needed or not any(claim.drops for claim in spec.claims):
        return ""
    enough = next(n for n in range(seeds, 2 * needed + 1) if n - n_choosing(n) >= needed)
    choose = "1 chooses" if choosing == 1 else f"{choosing} choose"
    rule = f"with {seeds} seeds no result can decide drops, as {choose} the best epoch"
    return f"{rule}: use at least {enough}"


def check_first_look(spec: Spec) -> None:
    """Check that seeds which all agree decide every claim at the first declared look, one way or the other.

    It is not a check of every YAML: claims that are added to a sweep later are not judged with the others.

    Raises:
        SpecError: If they do not.
    """
    if not (spec.confirm or spec).looks or not spec.claims:
        return
    needed, claim = max(((_fewest_first(spec, claim), claim) for claim in spec.claims), key=itemgetter(0))
    if spec.n_seeds[0] < needed:
        tests, claims = counted(n_tests(spec, claim), "test"), counted(len(spec.claims), "claim")
        which = f"{claim.name!r} ({tests}; {claims} in all)"
        rule = f"{spec.n_seeds[0]} seeds at the first look cannot decide the claim {which}"
        raise spec.error_at("looks", f"{rule}: begin with {needed}")


def _fewest_first(spec: Spec, claim: Claim) -> int:
    """Return the fewest seeds with which the first look can decide a claim, those that choose included."""
    tests, later = len(spec.claims) * n_tests(spec, claim), spec.n_seeds[1:]
    fewest = fewest_seeds(tests, later)
    return next(n for n in itertools.count(fewest) if not claim.drops or n - n_choosing(n) >= fewest)


def detectable_note(spec: Spec, looks: Sequence[Look]) -> str:
    """Say which differences the looks can detect; empty without claims, or if no result can decide them."""
    if not spec.claims or too_few_seeds_note(spec):
        return ""
    found = [
        f"{detectable(look.n_tested, look.error / len(spec.claims)):.2g} at {look.seeds}" for look in looks
    ]
    rule = f"smallest differences detected with power 0.8, by seeds, for {_claims(len(spec.claims))}"
    return f"{rule}: {', '.join(found)} (in standard deviations of the paired differences)"


def _claims(n: int) -> str:
    return "a claim" if n == 1 else f"{n} claims"


def gradients_note(spec: Spec) -> str:
    """Say what modes that take several gradients a step get, if the study has any; empty otherwise."""
    gradients = {mode: mode_of(mode).gradients for mode in spec.noise_modes}
    several = [mode for mode, n in gradients.items() if n > 1]
    if not several or len(gradients) == 1:
        return ""
    most = max(gradients.values())
    takes, has = ("takes", "has") if len(several) == 1 else ("take", "have")
    who = f"{_listed(several)} {takes} {most} gradients a step and {has}"
    if spec.budget.equal == "steps":
        times = "twice" if most == 2 else f"{most} times"
        return f"{who} as many steps an epoch as the other modes, so {times} as many gradients"
    part = "half" if most == 2 else f"1/{most}"
    rule = f"{who} as many gradients an epoch as the other modes, so {part} as many steps"
    return f"{rule}: a difference may come from that (budget: {{equal: steps}} gives all steps)"


def _default_notes(spec: Spec) -> Iterator[str]:
    """Say what training uses where the YAML lists an empty value, which is easily taken for zero."""
    for name in spec.varied:
        if {name: None} in spec.options(name) and (used := spec.used({name: None})):
            default = f"the default of each optimizer, such as {shown(used[name])}"
            value = default if "optimizer" in spec.varied else f"the default, {shown(used[name])}"
            yield f"where {name} is null (None in tables), training uses {value}"


def _search_notes(spec: Spec) -> Iterator[str]:
    if spec.search_stage is None or not spec.search:
        return
    trials, names = max(trials_of(spec, tuned) for tuned in spec.tuned), list(spec.search)
    _, levels = design_size(spec)
    if all(n_starting_points(spec, tuned) >= trials_of(spec, tuned) for tuned in spec.tuned):
        few = f"with {counted(trials, 'trial')} an arm, all are starting points"
        yield f"{_sampler(spec)} never chooses: {few}; use at least 12"
    elif len(names) > 1 and not levels:
        few = f"{counted(trials, 'trial')} an arm are too few to cross {_listed(names)}"
        yield f"{few}: use at least {fewest_to_cross(len(names))}"


def _common_note(spec: Spec) -> str:
    names = [claim.name for claim in spec.claims if claim.reach == "common"]
    if not names:
        return ""
    rule = "reach: common is a score that the results set; a claim made in advance gives a number"
    return f"{rule} ({'; '.join(names)})"


def _listed(names: list[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else names[0]


def search_remarks(state: SweepState) -> list[str]:
    """Return what the search of a comparison did not do, for its report; empty before it is complete.

    They are the arms for which the sampler never chose or found nothing better than a starting point, choices
    at an edge of their range, and noisy arms which the search's choice does not tell from the reference.
    """
    if state.spec.search_stage is None or state.selected is None:
        return []
    return [*_without_sampler(state), *_by_remark(_at_edges(state)), *_by_remark(_switched_off(state))]


def _by_remark(found: Iterable[tuple[str, str]]) -> list[str]:
    """Write one sentence for all arms, given as (arm, remark), that a remark is about."""
    arms: dict[str, list[str]] = {}
    for arm, remark in found:
        arms.setdefault(remark, []).append(arm)
    return [f"{', '.join(names)}{remark}" for remark, names in arms.items()]


def _without_sampler(state: SweepState) -> Iterator[str]:
    spec, never, no_better = state.spec, list[str](), list[str]()
    ended = [trial for trial in state.of_stage(SEARCH) if trial.status in ENDED]
    for index, tuned in enumerate(spec.tuned):
        own = [trial for trial in ended if tuned_by(spec, trial.hyperparameters) == index]
        n, best = n_starting_points(spec, tuned), next(iter(state.ranked(own)), None)
        if n and len(own) <= n:
            never.append(_name(spec, tuned))
        elif best in own[:n]:
            no_better.append(_name(spec, tuned))
    if never:
        rule = "never chose in these arms, as all of their trials are starting points"
        yield f"{_sampler(spec)} {rule}: {', '.join(never)}"
    if no_better:
        rule = "found nothing better than a starting point in these arms"
        yield f"{_sampler(spec)} {rule}: {', '.join(no_better)}"


def _sampler(spec: Spec) -> str:
    """Name the sampler at the beginning of a sentence."""
    name = SAMPLERS[spec.search_sampler]
    return name[0].upper() + name[1:]


def _name(spec: Spec, point: Mapping[str, Any]) -> str:
    """Name an arm in its stratum, such as ``layer (model deep)``."""
    stratum = title_of({name: point[name] for name in spec.strata[0]})
    return f"{point[spec.compared]} ({stratum})" if stratum else str(point[spec.compared])


def _at_edges(state: SweepState) -> Iterator[tuple[str, str]]:
    spec, seen = state.spec, set[int]()
    for point in state.selected or []:
        index = tuned_by(spec, point)
        if index in seen:
            # Only the first of each arm is the search's choice; others are its runners-up.
            continue
        seen.add(index)
        for name in searched_by(spec, spec.tuned[index]):
            dimension = spec.search[name]
            # One that depends on another searched one may not apply to the choice.
            if is_active(spec, dimension, point) and (edge := _edge(dimension, point[name])):
                low, high = (f"{bound:.3g}" for bound in dimension.bounds)
                where = f"at the {edge} edge of its range, {low} to {high}"
                remark = f": {name} {point[name]:.3g}, which the search chose, is {where}"
                yield _name(spec, point), remark


def _edge(dimension: Dimension, value: float) -> str:
    """Return the edge of a range that a value is near, ``lower`` or ``upper``; empty for neither."""
    if not dimension.uniform and not dimension.log_uniform:
        return ""
    low, high = dimension.bounds
    if dimension.log_uniform:
        low, high, value = math.log(low), math.log(high), math.log(value)
    share = (value - low) / (high - low)
    return "lower" if share <= _EDGE else "upper" if share >= 1 - _EDGE else ""


def _switched_off(state: SweepState) -> Iterator[tuple[str, str]]:
    """Name the noisy arms that cannot be told from ``none`` at the sigma that the search chose."""
    spec = state.spec
    if spec.compared != "noise" or "sigma" not in spec.search or reference_of(spec) != "none":
        return
    for stratum in spec.strata:
        arms = {arm.name: arm for arm in arms_of(state, stratum)}
        reference = arms.pop("none", None)
        for arm in arms.values():
            if reference and _is_undistinguished(spec, arm, reference):
                sigma = f"sigma {arm.point['sigma']:.3g}, which the search chose"
                advice = "it may have switched the noise off"
                yield _name(spec, arm.point), f" cannot be told from none at {sigma}: {advice}"


def _is_undistinguished(spec: Spec, arm: Arm, reference: Arm) -> bool:
    """Whether a signed-rank test finds no difference, from as many seeds as could show one."""
    difference = difference_from(spec, arm, reference, spec.verdict_metric)
    return difference.n >= fewest_seeds(1) and difference.p_value > difference.error

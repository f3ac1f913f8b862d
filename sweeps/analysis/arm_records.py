"""What MLflow is told of each arm: its mean curves with intervals, its differences, verdicts about it."""

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sweeps.analysis.arms import Arm, arms_of, is_judgeable, points_of
from sweeps.analysis.claims import JudgedClaim, judge_claims
from sweeps.analysis.comparisons import Comparisons
from sweeps.analysis.effects import find_reference
from sweeps.analysis.levels import mean_difference_of, summary_of
from sweeps.analysis.stats import Summary
from sweeps.record.state import SweepState
from sweeps.record.trials import ENDED
from sweeps.spec.model import Spec
from sweeps.spec.space import identity_of, listed_point, points_at

# The name of a metric, and its values by epoch.
Curves = dict[str, dict[int, float]]


def arm_records(state: SweepState) -> str:
    """Return as JSON what the publisher, which judges nothing, logs of a sweep's arms and claims.

    ``arms`` has a record for each arm and point with a trial that ended: its configuration, its trials and
    its ``metrics`` by epoch. For a metric NAME these are the mean over the seeds that finished (``NAME``),
    its interval (``interval/NAME_low`` and ``_high``) and the paired difference from the reference, such as
    ``minus_none/NAME``, with ``_low`` and ``_high``. ``verdicts`` has the verdict of each claim, ``metrics``
    the metrics to show first, of which the first is the objective, and ``mode`` its better direction. The
    others are empty before configurations have several seeds.
    """
    several = is_judgeable(state)
    judged = judge_claims(state) if several else []
    records = list(_records(state, _verdicts_by_identity(state, judged))) if several else []
    objective = state.spec.objective
    first = list(dict.fromkeys([objective.metric, state.spec.verdict_metric]))
    content = {"verdicts": _verdicts(judged), "metrics": first, "mode": objective.mode}
    return json.dumps({"arms": records, **content})


def _verdicts(judged: Sequence[JudgedClaim]) -> dict[str, str]:
    return {each.claim.name: str(each.judgement.verdict) for each in judged}


def _verdicts_by_identity(state: SweepState, judged: Sequence[JudgedClaim]) -> dict[str, dict[str, str]]:
    """Return the verdicts of the claims about each configuration."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for each in judged:
        arms = [arm for comparison in Comparisons(state, each.claim).all for arm in comparison.arms]
        for arm in arms:
            found[identity_of(state.spec, arm.point)] |= _verdicts([each])
    return found


def _records(state: SweepState, verdicts: Mapping[str, Mapping[str, str]]) -> Iterator[dict[str, Any]]:
    for title, point in points_of(state.spec):
        known = set[str]()
        for at in ({}, *points_at(state.spec)):
            arms = arms_of(state, {**point, **at})
            reference = find_reference(state.spec, arms)
            for arm in arms:
                identity = identity_of(state.spec, arm.point)
                # Nothing of `at` applies to `none`, for example, which is there only once.
                if identity not in known and any(trial.status in ENDED for trial in arm.trials):
                    known.add(identity)
                    yield _record(state.spec, arm, reference, title, verdicts.get(identity, {}))


def _record(
    spec: Spec, arm: Arm, reference: Arm | None, point: str, verdicts: Mapping[str, str]
) -> dict[str, Any]:
    ended = [trial for trial in arm.trials if trial.status in ENDED]
    return {
        "arm": arm.name,
        "point": point,
        "confirmed": spec.confirms,
        "at": listed_point(spec, ended[0].hyperparameters),
        "seeds": len(ended),
        "diverged": arm.diverged,
        "failed": arm.failed,
        "started": min(trial.started for trial in ended),
        "ended": max(trial.ended or 0 for trial in ended),
        "hyperparameters": ended[0].logged,
        "verdicts": dict(verdicts),
        "metrics": _curves(spec, arm, reference if reference is not arm else None),
    }


def _curves(spec: Spec, arm: Arm, reference: Arm | None) -> Curves:
    curves: Curves = defaultdict(dict)
    for epoch in sorted({epoch for trial in arm.trials for epoch in trial.epochs}):
        for metric in sorted({name for trial in arm.trials for name in trial.epochs.get(epoch, {})}):
            values = arm.after(epoch, metric)
            mean = summary_of(spec, metric, values.values())
            _add(curves, epoch, (metric, f"interval/{metric}"), mean)
            if reference:
                name = f"minus_{reference.name}/{metric}"
                difference = mean_difference_of(spec, metric, values, reference.after(epoch, metric))
                _add(curves, epoch, (name, name), difference)
    return curves


def _add(curves: Curves, epoch: int, names: tuple[str, str], summary: Summary) -> None:
    """Add a mean and the ends of its interval; what too few seeds do not have is left out."""
    mean, ends = names
    for name, value in ((mean, summary.mean), (f"{ends}_low", summary.low), (f"{ends}_high", summary.high)):
        # NaN is not equal to itself.
        if value == value:
            curves[name][epoch] = value

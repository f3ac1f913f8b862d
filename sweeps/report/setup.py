"""The set-up of a sweep as its report lists it: every value that results depend on, with defaults marked."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sweeps.analysis.advice import gradients_note
from sweeps.analysis.descriptions import plan
from sweeps.record.state import SweepState
from sweeps.spec.methods import Sampler
from sweeps.spec.model import MEASURING, Spec, name_in
from sweeps.spec.sections import Dimension, is_noisy
from sweeps.spec.space import budget_of
from sweeps.spec.starting import n_random, n_starting_points

_SAMPLERS: Mapping[Sampler, str] = {
    "tpe": "TPE (Optuna), multivariate",
    "random": "random search (Optuna)",
    "cmaes": "CMA-ES (cmaes), from the best of the trials before it",
    "qmc": "QMC, a scrambled Sobol sequence (SciPy)",
    "gp": "GP, a Gaussian process (Optuna) on normal scores",
}


def setup(state: SweepState) -> list[tuple[str, str]]:
    """Return names and texts of what a sweep ran, with which software, where and when."""
    spec = state.spec
    searched = [f"{name} {_range(spec.search[name])}" for name in spec.search]
    facts = [
        ("plan", plan(spec)),
        (spec.compared if spec.compare is not None else "", ", ".join(map(str, spec.arms))),
        (name_in(spec.across) or "", ", ".join(str(*stratum.values()) for stratum in spec.strata if stratum)),
        ("hyperparameters that are not searched", _resolved(spec)),
        ("searched" if not spec.is_grid else "grid", "; ".join(searched)),
        ("equal in every noise mode", spec.budget.equal if gradients_note(spec) else ""),
        *_of_search(spec),
        *_of_confirm(spec),
        ("objective", f"{spec.objective.metric} ({spec.objective.mode}) after the last epoch"),
        ("compared by", spec.verdict_metric),
        ("test split", _test_split(spec)),
        ("seeds", _seeds(state)),
        ("resources of a trial", _resources(spec)),
        ("retries of a failed trial", str(spec.max_failures)),
        *_record(state),
    ]
    return [(name, value) for name, value in facts if name and value]


def _resolved(spec: Spec) -> str:
    """List all hyperparameters that do not differ between trials, such as ``momentum 0.9 (default)``."""
    given = [point.keys() for point in spec.confirm.configurations.values()] if spec.confirm else []
    hidden = {
        *spec.space,
        *(set.intersection(*map(set, given)) if given else ()),
        *(MEASURING if spec.confirm else ()),
    }
    texts = []
    # The defaults of some depend on the optimizer.
    variants = {str(each.optimizer): each for each in spec.variants(["optimizer"])}
    for name in spec.declaration.Hyperparameters.model_fields:
        if name not in hidden:
            text = _value({optimizer: getattr(each, name) for optimizer, each in variants.items()})
            is_default = spec.fixed.get(name) is None
            texts.append(f"{name} {text}{' (default)' if is_default else ''}")
    return ", ".join(texts)


def _value(by_optimizer: Mapping[str, Any]) -> str:
    texts = {optimizer: shown(value) for optimizer, value in by_optimizer.items()}
    if len(set(texts.values())) == 1:
        return next(iter(texts.values()))
    return " or ".join(f"{text} with {optimizer}" for optimizer, text in texts.items())


def shown(value: Any) -> str:
    """Write a value as YAML would, but nothing as ``empty``."""
    if value is None or value == ():
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple):
        return f"[{_listed(value)}]"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _listed(values: Sequence[Any]) -> str:
    return ", ".join(map(shown, values))


def _range(dimension: Dimension) -> str:
    if dimension.grid_by_arm:
        text = "; ".join(f"{arm}: {_listed(values)}" for arm, values in dimension.grid_by_arm.items())
        return f"grid ({text})"
    values, bounds = dimension.values, dimension.bounds
    text = (
        f"{dimension.kind} {_listed(values)}"
        if values
        else f"{dimension.kind} from {bounds[0]:g} to {bounds[1]:g}"
    )
    if is_noisy(dimension.when):
        return f"{text} (in every noise mode but none)"
    conditions = [
        f"{name} is {' or '.join(map(shown, allowed))}" for name, allowed in (dimension.when or {}).items()
    ]
    return f"{text} (where {' and '.join(conditions)})" if conditions else text


def _of_search(spec: Spec) -> list[tuple[str, str]]:
    if spec.is_grid or (spec.stages and not spec.search_stage):
        return []
    concurrent = spec.budget.concurrent
    return [
        ("search budget", _budgets(spec)),
        (
            "search method",
            _SAMPLERS[spec.search_sampler] + (", after the starting points" if spec.stages else ""),
        ),
        ("early stopping", _early_stopping(spec)),
        ("trials at a time", str(concurrent) if concurrent else "as many as fit (default)"),
    ]


def _budgets(spec: Spec) -> str:
    stage = spec.search_stage
    if stage is None:
        n = spec.budget.trials or 0
        first = n_random(spec)
        return f"{n} trials, of which the first {first} random" if 0 < first < n else f"{n} trials"
    unit = "trials" if stage.trials_per_arm else "epochs"
    return "; ".join(
        f"{' '.join(map(str, tuned.values()))}: {budget_of(spec, tuned)} {unit}, "
        f"{n_starting_points(spec, tuned)} of them starting points"
        for tuned in spec.tuned
    )


def _early_stopping(spec: Spec) -> str:
    rule = spec.early_stopping
    if rule is None:
        return "none"
    return f"{rule.label} with {', '.join(f'{name} {value:g}' for name, value in rule)}"


def _of_confirm(spec: Spec) -> list[tuple[str, str]]:
    confirm = spec.confirm
    if confirm is None:
        return []
    given = "; ".join(
        f"{arm}: {', '.join(f'{name} {shown(value)}' for name, value in point.items()) or 'nothing'}"
        for arm, point in confirm.configurations.items()
    )
    at = "; ".join(f"{name} {_listed(values)}" for name, values in confirm.at.items())
    top = "" if confirm.configurations else f"the best {confirm.top} of each arm"
    return [
        ("given configurations", given),
        ("confirmed", top),
        ("also confirmed at", at),
        ("curvature", str(spec.fixed.get("curvature", confirm.curvature))),
        ("scored under weight noise", _listed(spec.weight_noise)),
    ]


def _resources(spec: Spec) -> str:
    resources = spec.resources.model_dump()
    amounts = {**resources.pop("custom"), **resources}
    return ", ".join(f"{name} {amount:g}" for name, amount in amounts.items() if amount)


def _test_split(spec: Spec) -> str:
    if not spec.reads_test:
        return "not read"
    return f"read once by each {'confirmed ' if spec.confirms else ''}trial, after its last epoch"


def _seeds(state: SweepState) -> str:
    spec, seeds = state.spec, state.spec.replicates
    search = f"search {spec.seed}; confirm " if spec.search_stage else ""
    text = f"{search}{seeds[0]} to {seeds[-1]}, the same for every arm" if len(seeds) > 1 else str(spec.seed)
    return f"{text}; looks at {', '.join(map(str, spec.n_seeds))} seeds" if len(spec.n_seeds) > 1 else text


def _record(state: SweepState) -> list[tuple[str, str]]:
    first = min(trial.started for trial in state.trials.values())
    last = max(trial.ended or trial.started for trial in state.trials.values())
    times = [datetime.fromtimestamp(milliseconds / 1000, UTC) for milliseconds in (first, last)]
    return [
        ("time", " to ".join(f"{time:%Y-%m-%d %H:%M} UTC" for time in times)),
        ("data fingerprint", ", ".join(sorted(state.fingerprints)) or "unknown"),
        ("hosts", ", ".join(sorted(state.hosts)) or "unknown"),
        ("versions", "; ".join(sorted(state.versions)) or "unknown"),
        ("git commit", ", ".join(sorted(state.commits))),
    ]

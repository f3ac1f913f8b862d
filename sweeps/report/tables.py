"""The tables of a report, as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.analysis.arms import Arm, arms_of, common_target, on_shared_seeds, reference_of
from sweeps.analysis.claims import JudgedClaim
from sweeps.analysis.convergence import reached_by
from sweeps.analysis.descriptions import shown_values
from sweeps.analysis.stats import paired_difference, summarise
from sweeps.record.state import SEARCH, SweepState
from sweeps.report.labels import interval, number, seeds_needed


@dataclass(frozen=True)
class Table:
    """A table of text; the first columns are words, the others numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    note: str = ""


def claims_table(judged: Sequence[JudgedClaim]) -> Table:
    """Tabulate claims with their verdicts.

    Args:
        judged: The claims.

    Returns:
        One row for each pair of arms that a claim compares.
    """
    rows = []
    for each in judged:
        for index, ((first, second), found) in enumerate(
            zip(each.pairs, each.evidence.differences, strict=True)
        ):
            head = [each.claim.name, each.judgement.verdict] if index == 0 else ["", ""]
            tail = [number(each.judgement.p_value), seeds_needed(each)] if index == 0 else ["", ""]
            p_value = "" if each.claim.equal else number(found.p_value)
            arms = f"{first} over {second}"
            if each.claim.equal:
                arms = f"{first} and {second}, within {number(each.claim.within)}"
            arms += "".join(f", {name} {value}" for name, value in each.claim.where.items())
            rows.append(
                [
                    *head,
                    arms,
                    f"{interval(found)} {each.unit}",
                    number(found.effect_size),
                    str(found.n),
                    p_value,
                    *tail,
                ]
            )
    columns = [
        "claim",
        "verdict",
        "arms",
        "advantage of the first [95% interval]",
        "effect size",
        "seeds",
        "p of the pair",
        "p of the claim (Holm)",
        "to decide",
    ]
    return Table("Claims", columns, rows, words=4)


def arms_table(state: SweepState, suffix: str, where: Mapping[str, Any]) -> Table:
    """Tabulate arms by what they came to over their seeds.

    Args:
        state: The sweep.
        suffix: Names the point of a grid.
        where: That point.

    Returns:
        One row an arm.
    """
    spec = state.spec
    arms = arms_of(state, where)
    metric, reference = spec.verdict_metric, reference_of(spec)
    base = next((arm.final(metric) for arm in arms if arm.name == reference), {})
    objective = spec.objective.metric
    target = common_target(arms, objective, larger_is_better=spec.objective.mode == "max")
    lower = " (lower is better)" if spec.directions.get(metric) == "min" else ""
    columns = [
        spec.compared,
        "with",
        "seeds",
        "diverged",
        "failed",
        f"mean {metric}{lower} [95% interval]",
        "standard deviation",
        f"difference to {reference} [95% interval]",
        f"epochs to {objective} {number(target)}: median",
        "Hessian trace [95% interval]",
    ]
    rows = [_arm_row(state, arm, base, target) for arm in arms]
    # A column that says nothing of any arm is left out.
    kept = [index for index in range(len(columns)) if any(row[index] not in ("", "0") for row in rows)]
    rows = [[row[index] for index in kept] for row in rows]
    title = f"The arms at {suffix}" if suffix else "The arms"
    return Table(title, [columns[index] for index in kept], rows, words=2 if 1 in kept else 1)


def _arm_row(state: SweepState, arm: Arm, base: Mapping[int, float], target: float | None) -> list[str]:
    spec = state.spec
    scores = arm.final(spec.verdict_metric)
    summary = summarise(list(scores.values()))
    difference = paired_difference(*on_shared_seeds(scores, base))
    trace = summarise(list(arm.final("hessian_trace").values()))
    return [
        arm.name,
        shown_values(spec, arm.point),
        str(summary.n),
        str(arm.diverged),
        str(arm.failed),
        interval(summary),
        number(summary.std),
        "" if arm.name == reference_of(spec) else interval(difference),
        "" if target is None else _median_epochs(state, arm, target),
        "" if trace.n == 0 else interval(trace),
    ]


def _median_epochs(state: SweepState, arm: Arm, target: float) -> str:
    objective = state.spec.objective
    epochs = arm.reaching(objective.metric, target, larger_is_better=objective.mode == "max")
    if not epochs:  # no seed has ended
        return ""
    found = reached_by(list(epochs.values()), arm.horizon).median
    return f"more than {arm.horizon}" if found is None else f"{found:g}"


def search_table(state: SweepState) -> Table | None:
    """Tabulate the search of each arm.

    Args:
        state: The sweep.

    Returns:
        One row an arm; None for a grid.
    """
    if state.spec.is_grid:
        return None
    rows = []
    for arm in state.arms():
        trials = [trial for trial in state.of_stage(SEARCH) if trial.arm == arm]
        by_status = [
            str(sum(trial.status == status for trial in trials))
            for status in ("finished", "stopped", "diverged", "failed")
        ]
        ranked = state.ranking(arm, SEARCH)
        best = ranked[0] if ranked else None
        epochs = str(sum(len(trial.epochs) for trial in trials))
        score = number(state.score(best)) if best else ""
        configuration = shown_values(state.spec, best.hyperparameters) if best else ""
        rows.append([arm, configuration, str(len(trials)), epochs, *by_status, score])
    columns = [
        state.spec.compared,
        "best configuration",
        "trials",
        "epochs in all",
        "finished",
        "stopped by ASHA",
        "diverged",
        "failed",
        f"best {state.spec.objective.metric}",
    ]
    return Table("The search", columns, rows, words=2)

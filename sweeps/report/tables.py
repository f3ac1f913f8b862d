"""The tables of a report, as text."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.analysis.arms import Arm, arms_of, common_target, on_shared_seeds, reference_of
from sweeps.analysis.claims import JudgedClaim
from sweeps.analysis.descriptions import shown_values
from sweeps.analysis.stats import PairedDifference, paired_difference, reached_by, summarise
from sweeps.record.state import SEARCH, SweepState
from sweeps.report.labels import interval, number, seeds_to_decide
from sweeps.spec.model import Spec


@dataclass(frozen=True)
class Table:
    """A table of text. The first ``words`` columns hold words, the others numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


def claims_table(judged: Sequence[JudgedClaim]) -> Table:
    """Return one row for each pair of arms that a claim compares."""
    differences = ["advantage of the first [95% interval]", "effect size", "seeds", "p of the pair"]
    columns = ["claim", "verdict", "arms", *differences, "p of the claim (Holm)", "to decide"]
    return Table("Claims", columns, [row for claim in judged for row in _claim_rows(claim)], words=4)


def _claim_rows(judged: JudgedClaim) -> list[list[str]]:
    claim, judgement = judged.claim, judged.judgement
    rows = []
    for text, difference in zip(judged.comparisons, judged.evidence.differences, strict=True):
        p_value = "" if claim.equal else number(difference.p_value)
        advantage, effect = interval(difference, judged.unit), number(difference.effect_size)
        rows.append(["", "", text, advantage, effect, str(difference.n), p_value, "", ""])
    # Cells about the whole claim are filled in its first row only.
    rows[0][:2] = claim.name, judgement.verdict
    rows[0][-2:] = number(judgement.p_value), seeds_to_decide(judged)
    return rows


def arms_table(state: SweepState, suffix: str, where: Mapping[str, Any]) -> Table:
    """Return one row for each arm at the point ``where`` of a grid, which ``suffix`` names."""
    spec, arms = state.spec, arms_of(state, where)
    metric, objective, reference = spec.verdict_metric, spec.objective, reference_of(spec)
    summaries = [summarise(list(arm.final(metric).values())) for arm in arms]
    traces = [summarise(list(arm.final("hessian_trace").values())) for arm in arms]
    differences = {name: interval(pair) for name, pair in differences_from_reference(spec, arms).items()}
    target = common_target(arms, objective.metric, larger_is_better=objective.mode == "max")
    epochs = f"epochs to {objective.metric} {number(target)}: median"
    lower = " (lower is better)" if spec.directions.get(metric) == "min" else ""
    columns = [
        (spec.compared, [arm.name for arm in arms]),
        ("with", [shown_values(spec, arm.point) for arm in arms]),
        ("seeds", [str(summary.n) for summary in summaries]),
        ("diverged", [str(arm.diverged) for arm in arms]),
        ("failed", [str(arm.failed) for arm in arms]),
        (f"mean {metric}{lower} [95% interval]", [interval(summary) for summary in summaries]),
        ("standard deviation", [number(summary.std) for summary in summaries]),
        (f"difference from {reference} [95% interval]", [differences.get(arm.name, "") for arm in arms]),
        (epochs, ["" if target is None else _median_epochs(state, arm, target) for arm in arms]),
        ("Hessian trace [95% interval]", [interval(trace) if trace.n else "" for trace in traces]),
    ]
    # A column of nothing but empty cells and zeros is left out.
    shown = [(name, cells) for name, cells in columns if any(cell not in ("", "0") for cell in cells)]
    names, rows = [name for name, _ in shown], list(zip(*(cells for _, cells in shown), strict=True))
    title = f"The arms at {suffix}" if suffix else "The arms"
    return Table(title, names, rows, words=2 if "with" in names[:2] else 1)


def differences_from_reference(spec: Spec, arms: Sequence[Arm]) -> dict[str, PairedDifference]:
    """Return each other arm's difference in score from the reference; it is NaN without shared seeds."""
    scores = {arm.name: arm.final(spec.verdict_metric) for arm in arms}
    base = scores.pop(reference_of(spec), {})
    return {name: paired_difference(*on_shared_seeds(values, base)) for name, values in scores.items()}


def _median_epochs(state: SweepState, arm: Arm, target: float) -> str:
    objective = state.spec.objective
    epochs = arm.reaching(objective.metric, target, larger_is_better=objective.mode == "max")
    # Before one of its seeds has ended, an arm has no curve.
    if not epochs:
        return ""
    median = reached_by(list(epochs.values()), arm.horizon).median
    return f"more than {arm.horizon}" if median is None else f"{median:g}"


def search_table(state: SweepState) -> Table | None:
    """Return one row for each arm that the search has tried; None for a grid."""
    spec = state.spec
    if spec.is_grid:
        return None
    rows = []
    for arm in state.arms():
        trials = [trial for trial in state.of_stage(SEARCH) if trial.arm == arm]
        statuses = [trial.status for trial in trials]
        counts = [str(statuses.count(status)) for status in ("finished", "stopped", "diverged", "failed")]
        epochs = str(sum(len(trial.epochs) for trial in trials))
        best = next(iter(state.ranked(trials)), None)
        score = number(state.score(best)) if best else ""
        configuration = shown_values(spec, best.hyperparameters) if best else ""
        rows.append([arm, configuration, str(len(trials)), epochs, *counts, score])
    ends, best_score = ["finished", "stopped by ASHA", "diverged", "failed"], f"best {spec.objective.metric}"
    columns = [spec.compared, "best configuration", "trials", "epochs in total", *ends, best_score]
    return Table("The search", columns, rows, words=2)

"""The report of a sweep: one page of HTML, one of Markdown, and the figures as PNG."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from sweeps.charts_html import plotly_script, to_html
from sweeps.charts_png import save
from sweeps.claims import (
    Arm,
    JudgedClaim,
    arms_of,
    common_target,
    is_judgeable,
    judge_claims,
    on_shared_seeds,
    points_of,
    undecidable,
)
from sweeps.display import plan, progress_line, shown_values
from sweeps.figures import figures, label_of, reference_of
from sweeps.mistakes import SweepError
from sweeps.source import dump
from sweeps.state import SEARCH, SweepState
from sweeps.stats import ALPHA, MOST_SEEDS, Summary, Verdict, paired_difference, reached_by, summarise
from sweeps.storage import SweepFolder

_ROUNDING = 1e-12
_HOW_CLAIMS_ARE_JUDGED = (
    "A claim is judged by Wilcoxon's signed-rank test of the differences (exact, zeros after Pratt), "
    "two-sided, corrected by Holm for the number of claims ({claims}), at {alpha:g}. One that names several "
    "arms is supported if all of its pairs are (its p is the largest of theirs), and contradicted if any "
    "pair is the other way round (its p is the smallest times the number of pairs). An advantage is "
    "positive where the first arm is the better: lower losses, errors, traces of the Hessian and epochs "
    "are better. Intervals are of one difference each, not corrected. The effect size is the mean "
    "difference over its standard deviation, corrected for few seeds (Hedges). What it would take to "
    "decide is for 80% power, if what these seeds show is so; from few seeds it is a rough guess."
)
HTML, MARKDOWN = "report.html", "report.md"


@dataclass(frozen=True)
class Table:
    """A table of text; the first columns are words, the others numbers."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1
    note: str = ""


def write_report(folder: SweepFolder) -> Path:
    """Write a sweep's report, in its folder.

    Args:
        folder: The sweep, complete or not.

    Returns:
        The page; ``report.md`` and the figures are beside it.

    Raises:
        SweepError: If no trial has an epoch yet.
    """
    state = folder.state()
    if not any(trial.epochs for trial in state.trials.values()):
        raise SweepError(f"{folder.path}: nothing to report yet, no trial has finished an epoch")
    charts = figures(state)
    folder.report.mkdir(exist_ok=True)
    for old in folder.report.glob("*.png"):
        old.unlink()
    for chart in charts:
        save(chart, folder.report / f"{chart.slug}.png")
    content = {**gather(state, folder), "charts": charts}
    render("report.md.j2", folder.report / MARKDOWN, **content)
    page = folder.report / HTML
    render("report.html.j2", page, **content, drawn=to_html(charts), script=plotly_script())
    return page


def render(template: str, path: Path, **content: Any) -> None:
    """Fill in a template.

    Args:
        template: Its name.
        path: What to write.
        **content: Its values.
    """
    path.write_text(_environment().get_template(template).render(content), encoding="utf-8")


def _environment() -> Environment:
    environment = Environment(
        # Not by the package's name: a job's folder may have a folder of that name.
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        autoescape=select_autoescape(["html.j2"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["plain"] = lambda text: str(text).replace("<", "&lt;").replace("\n", " ")
    environment.filters["cell"] = lambda text: environment.filters["plain"](text).replace("|", "\\|")
    return environment


def gather(state: SweepState, folder: SweepFolder) -> dict[str, Any]:
    """Gather what both pages say.

    Args:
        state: The sweep.
        folder: Its folder.

    Returns:
        Values of the templates.
    """
    spec = state.spec
    judged = judge_claims(state) if spec.claims and is_judgeable(state) else []
    return {
        "name": spec.name,
        "sweep": folder.path.name,
        "question": spec.question or f"Which {spec.compared} gives the best {label_of(spec.verdict_metric)}?",
        "progress": "" if state.complete else progress_line(state, running=folder.is_running()),
        "headline": headline(judged),
        "claims": [claims_table(judged)] if judged else [],
        "remarks": [f"{each.claim.name}: {each.remark}" for each in judged if each.remark],
        "arms": _arms_tables(state),
        "search": search_table(state),
        "setup": _setup(state),
        "notes": _notes(state),
        "spec": dump(spec.model_dump(exclude={"data_dir"}, exclude_none=True, exclude_defaults=True)),
    }


def headline(judged: Sequence[JudgedClaim]) -> str:
    """Say in a line what became of the claims.

    Args:
        judged: The claims.

    Returns:
        Such as ``Of 4 claims: 2 supported, 2 undecided.``; empty for no claims.
    """
    if not judged:
        return ""
    counts = {verdict: sum(each.judgement.verdict is verdict for each in judged) for verdict in Verdict}
    parts = [f"{n} {verdict}" for verdict, n in counts.items() if n]
    return f"Of {len(judged)} claim{'s' if len(judged) > 1 else ''}: {', '.join(parts)}."


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


def seeds_needed(judged: JudgedClaim) -> str:
    """Say how many seeds a claim would take to decide.

    Args:
        judged: The claim.

    Returns:
        Such as ``about 34 seeds to support it``; empty for a claim that is decided, or has a remark.
    """
    needed = judged.judgement.seeds_needed
    if judged.judgement.verdict is not Verdict.UNDECIDED or judged.remark:
        return ""
    if min(found.n for found in judged.evidence.differences) < 2:
        return "unknown"
    if needed is None:
        return f"more than {MOST_SEEDS:,} seeds"
    towards = "support" if judged.judgement.leaning is Verdict.SUPPORTED else "contradict"
    return f"about {float(f'{needed:.2g}'):,.0f} seeds to {towards} it"


def summary_lines(folder: SweepFolder) -> list[str]:
    """Say in lines what became of the claims, and where the report is.

    Args:
        folder: The sweep.

    Returns:
        A line for each claim that can be judged, and one for the report if it is written.
    """
    state = folder.state()
    judged = judge_claims(state) if is_judgeable(state) else []
    lines = [f"claim: {each.claim.name}: {', '.join(filter(None, _in_words(each)))}" for each in judged]
    return lines + [f"Report: {folder.report / HTML}"] * (folder.report / HTML).exists()


def _in_words(judged: JudgedClaim) -> list[str]:
    needed = seeds_needed(judged)
    p_value = f"p {number(judged.judgement.p_value)}"
    return [str(judged.judgement.verdict), p_value, f"it would take {needed}" if needed else judged.remark]


def number(value: float | None) -> str:
    """Write a number for a table.

    Args:
        value: The number.

    Returns:
        Three significant digits; empty for None and NaN.
    """
    if value is None or math.isnan(value):
        return ""
    return f"{0.0 if abs(value) < _ROUNDING else value:.3g}"


def interval(summary: Summary) -> str:
    """Write a mean with its interval.

    Args:
        summary: The mean.

    Returns:
        Such as ``0.012 [0.004, 0.020]``: as many digits as two of the interval's width.
    """
    if summary.n == 0:
        return "no seeds"
    width = summary.high - summary.low
    if not width > 0:
        return number(summary.mean) + (" with every seed" if summary.n > 1 else "")
    digits = max(0 if width >= 100 else 1, 1 - math.floor(math.log10(width)))
    rounded = (round(value, digits) + 0.0 for value in (summary.mean, summary.low, summary.high))  # no -0.0
    mean, low, high = (f"{value:.{digits}f}" for value in rounded)
    return f"{mean} [{low}, {high}]"


def _arms_tables(state: SweepState) -> list[Table]:
    return [
        table for suffix, where in points_of(state.spec) if (table := arms_table(state, suffix, where)).rows
    ]


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


def _setup(state: SweepState) -> list[tuple[str, str]]:
    spec = state.spec
    first = min(trial.started for trial in state.trials.values())
    last = max(trial.ended or trial.started for trial in state.trials.values())
    facts = [
        ("plan", plan(spec)),
        ("fixed", ", ".join(f"{name} {value}" for name, value in spec.fixed.items())),
        ("searched", ", ".join(f"{name} {_range(spec.search[name])}" for name in spec.search)),
        ("chosen by", "" if spec.is_grid else f"{spec.objective.metric} ({spec.objective.mode}), last epoch"),
        ("compared by", spec.verdict_metric),
        ("seeds", _seeds(state)),
        ("run", f"{_when(first)} to {_when(last)}"),
        ("data", ", ".join(sorted(state.fingerprints)) or "unknown"),
        ("on", ", ".join(sorted(state.hosts)) or "unknown"),
        ("with", "; ".join(sorted(state.versions)) or "unknown"),
        ("git commit", ", ".join(sorted(state.commits))),
    ]
    return [(key, value) for key, value in facts if value]


def _range(dimension: Any) -> str:
    values = dimension.values or dimension.bounds
    text = f"{dimension.kind} {', '.join(map(str, values))}"
    return f"{text} (where {', '.join(dimension.when)} allows)" if dimension.when else text


def _seeds(state: SweepState) -> str:
    spec = state.spec
    if spec.confirms:
        seeds = spec.confirm_seeds
        return f"search {spec.seed}; confirm {seeds[0]} to {seeds[-1]}, the same for every arm"
    return f"{spec.seed} to {spec.seed + spec.seeds - 1}" if spec.seeds > 1 else str(spec.seed)


def _when(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _notes(state: SweepState) -> list[str]:
    spec, notes = state.spec, []
    if not is_judgeable(state) and spec.confirms:
        return [
            "The search is not over: what is shown is what it has found so far, with one seed, on "
            "validation. Arms are compared, and claims judged, once the best of each is confirmed on fresh "
            "seeds."
        ]
    if not is_judgeable(state):
        return [
            "Every trial shares one seed: what is shown is what a search found, not evidence for an arm. "
            "Give the sweep stages with confirm, or mode: grid with seeds."
        ]
    notes.append(
        "Arms share seeds: with one seed every arm starts from the same weights and sees the same batches in "
        "the same order. Comparisons are of the differences, seed by seed."
    )
    if spec.confirms:
        notes.append(
            "Configurations were chosen on the validation split, with one seed, and trained again on fresh "
            "seeds; the test split was read once, after the last epoch."
        )
    if spec.claims:
        notes.append(_HOW_CLAIMS_ARE_JUDGED.format(claims=len(spec.claims), alpha=ALPHA))
    if any(claim.reach is not None for claim in spec.claims):
        notes.append(
            "An epoch that a seed did not reach counts as the one after the last: differences in epochs are "
            "then lower bounds."
        )
    if note := undecidable(spec):
        notes.append(f"{note[0].upper()}{note[1:]}.")
    if spec.fixed.get("train_subset"):
        notes.append(f"Trained on {spec.fixed['train_subset']:,} examples alone: full training may differ.")
    once = "split of the data is one" if spec.is_grid else "split of the data and the search are one each"
    notes.append(
        f"Seeds vary the initial weights, the order of batches and the noise. The {once}: verdicts are about "
        "these configurations on these data."
    )
    return notes

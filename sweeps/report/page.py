"""The report of a sweep: one page of HTML, one of Markdown, and the figures as PNG."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sweeps.analysis.arms import is_judgeable, points_of
from sweeps.analysis.claims import judge_claims, undecidable
from sweeps.analysis.descriptions import plan, progress_line
from sweeps.analysis.stats import ALPHA
from sweeps.errors import SweepError
from sweeps.record.folder import SweepFolder
from sweeps.record.state import SweepState
from sweeps.report.figures import figures
from sweeps.report.html import plotly_script, to_html
from sweeps.report.labels import headline, in_words, label_of
from sweeps.report.png import save
from sweeps.report.render import render
from sweeps.report.tables import Table, arms_table, claims_table, search_table
from sweeps.spec.source import dump

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


def _arms_tables(state: SweepState) -> list[Table]:
    return [
        table for suffix, where in points_of(state.spec) if (table := arms_table(state, suffix, where)).rows
    ]


def summary_lines(folder: SweepFolder) -> list[str]:
    """Say in lines what became of the claims, and where the report is.

    Args:
        folder: The sweep.

    Returns:
        A line for each claim that can be judged, and one for the report if it is written.
    """
    state = folder.state()
    judged = judge_claims(state) if is_judgeable(state) else []
    lines = [f"claim: {each.claim.name}: {', '.join(filter(None, in_words(each)))}" for each in judged]
    return lines + [f"Report: {folder.report / HTML}"] * (folder.report / HTML).exists()


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

"""The report of a sweep: a page of HTML, one of Markdown, and the figures as PNGs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sweeps.analysis.advice import too_few_seeds_note
from sweeps.analysis.arms import is_judgeable, points_of
from sweeps.analysis.descriptions import plan, progress_line
from sweeps.analysis.stats import ALPHA
from sweeps.errors import SweepError
from sweeps.record.folder import SweepFolder
from sweeps.record.state import SweepState
from sweeps.report.figures import figures
from sweeps.report.html import plotly_script, to_html
from sweeps.report.labels import headline, label_of
from sweeps.report.png import save
from sweeps.report.render import render, write_pages
from sweeps.report.summary import PAGE, judged_claims
from sweeps.report.tables import arms_table, claims_table, search_table
from sweeps.spec.yaml import dump


def write_report(folder: SweepFolder) -> Path:
    """Write the report of a sweep, complete or not, into its folder, and return its page of HTML.

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
    page, drawn = folder.report / PAGE, [to_html(chart) for chart in charts]
    write_pages(page, **_content(state, folder), charts=charts, drawn=drawn, script=plotly_script())
    return page


def _content(state: SweepState, folder: SweepFolder) -> dict[str, Any]:
    """Return the texts and tables of both pages."""
    spec, judged = state.spec, judged_claims(state)
    facts = {"judgeable": is_judgeable(state), "too_few_seeds_note": too_few_seeds_note(spec), "alpha": ALPHA}
    tables = [arms_table(state, suffix, where) for suffix, where in points_of(spec)]
    return {
        "name": spec.name,
        "sweep": folder.path.name,
        "question": spec.question or f"Which {spec.compared} gives the best {label_of(spec.verdict_metric)}?",
        "progress": "" if state.complete else progress_line(state, running=folder.is_running()),
        "headline": headline(judged),
        "claims": claims_table(judged) if judged else None,
        "remarks": [f"{claim.claim.name}: {claim.remark}" for claim in judged if claim.remark],
        "arms": [table for table in tables if table.rows],
        "search": search_table(state),
        "setup": _setup(state),
        "notes": render("notes.txt.j2", spec=spec, **facts).splitlines(),
        "spec": dump(spec.model_dump(exclude={"data_dir"}, exclude_none=True, exclude_defaults=True)),
    }


def _setup(state: SweepState) -> list[tuple[str, str]]:
    spec = state.spec
    first = min(trial.started for trial in state.trials.values())
    last = max(trial.ended or trial.started for trial in state.trials.values())
    times = [datetime.fromtimestamp(milliseconds / 1000, UTC) for milliseconds in (first, last)]
    facts = [
        ("plan", plan(spec)),
        ("fixed", ", ".join(f"{name} {value}" for name, value in spec.fixed.items())),
        ("searched", ", ".join(f"{name} {_range(spec.search[name])}" for name in spec.search)),
        ("chosen by", "" if spec.is_grid else f"{spec.objective.metric} ({spec.objective.mode}), last epoch"),
        ("compared by", spec.verdict_metric),
        ("seeds", _seeds(state)),
        ("time", " to ".join(f"{time:%Y-%m-%d %H:%M} UTC" for time in times)),
        ("data fingerprint", ", ".join(sorted(state.fingerprints)) or "unknown"),
        ("hosts", ", ".join(sorted(state.hosts)) or "unknown"),
        ("versions", "; ".join(sorted(state.versions)) or "unknown"),
        ("git commit", ", ".join(sorted(state.commits))),
    ]
    return [(name, value) for name, value in facts if value]


def _range(dimension: Any) -> str:
    values = dimension.values or dimension.bounds
    text = f"{dimension.kind} {', '.join(map(str, values))}"
    return f"{text} (depending on {', '.join(dimension.when)})" if dimension.when else text


def _seeds(state: SweepState) -> str:
    spec = state.spec
    if spec.confirms:
        seeds = spec.confirm_seeds
        return f"search {spec.seed}; confirm {seeds[0]} to {seeds[-1]}, the same for every arm"
    return f"{spec.seed} to {spec.seed + spec.seeds - 1}" if spec.seeds > 1 else str(spec.seed)

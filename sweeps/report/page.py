"""The report of a sweep: a page of HTML, one of Markdown, and the figures as PNGs."""

import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from sweeps.analysis.advice import gradients_note, search_remarks, too_few_seeds_note
from sweeps.analysis.arms import is_judgeable, points_of
from sweeps.analysis.descriptions import progress_line
from sweeps.analysis.importance import FEWEST_TRIALS
from sweeps.errors import SweepError
from sweeps.record.files import REPORT_PAGE
from sweeps.record.folder import SweepFolder, check_known
from sweeps.record.state import SweepState
from sweeps.record.trials import SEARCH
from sweeps.report.arm_tables import effect_tables, tables_at
from sweeps.report.charts import Chart, Panels
from sweeps.report.figures import effect_figures, figures
from sweeps.report.html import plotly_script, to_html
from sweeps.report.labels import change_lines, headline, label_of, name_of, trainings
from sweeps.report.paper import write_paper
from sweeps.report.png import save
from sweeps.report.render import render, write_pages
from sweeps.report.setup import setup
from sweeps.report.summary import judged_claims
from sweeps.report.tables import claims_table, looks_table, search_table
from sweeps.spec.claim import Between
from sweeps.spec.looks import ALPHA
from sweeps.spec.yaml import dump


def write_report(folder: SweepFolder, formats: Collection[str] = ()) -> Path:
    """Write the report of a sweep, complete or not, into its folder, and return its page of HTML.

    Args:
        folder: The sweep.
        formats: Formats of ``write_paper``, in which to write its figures and tables too.

    Raises:
        SweepError: If no trial has an epoch yet, or its trainable or a noise mode is not registered here.
    """
    state = folder.state()
    check_known(folder, state.spec)
    if not any(trial.epochs for trial in state.trials.values()):
        raise SweepError(f"{folder.path}: nothing to report yet, no trial has finished an epoch")
    effects, charts = effect_figures(state), figures(state)
    folder.report.mkdir(exist_ok=True)
    for old in folder.report.glob("*.png"):
        old.unlink()
    # It would have the results of an earlier report.
    shutil.rmtree(folder.paper, ignore_errors=True)
    for chart in [*effects, *charts]:
        save(chart, folder.report / f"{chart.slug}.png")
    page, content = folder.report / REPORT_PAGE, _content(state, folder, charts)
    write_pages(page, **content, effects=effects, charts=charts, draw=to_html, script=plotly_script())
    tables = [content["claims"], content["looks"], *content["by_sigma"], *content["arms"], content["search"]]
    write_paper(folder.paper, formats, list(filter(None, tables)), [*effects, *charts])
    return page


def _content(state: SweepState, folder: SweepFolder, charts: Sequence[Chart | Panels]) -> dict[str, Any]:
    """Return the texts and tables of both pages."""
    spec, judged = state.spec, judged_claims(state)
    sentences = (headline(judged), trainings(state) if judged else "", _sentence(too_few_seeds_note(spec)))
    facts = {
        "importance_left_out": state.of_stage(SEARCH)
        and not spec.is_grid
        and not any(chart.slug.startswith("importance") for chart in charts),
        "fewest_trials": FEWEST_TRIALS,
        "judgeable": is_judgeable(state),
        "alpha": ALPHA,
        "claims": judged,
        "looks": state.looks,
        "post_hoc": state.post_hoc,
        "extended": state.extensions,
        "beyond": any(any(claim.beyond) for claim in judged),
        "has_ranges": any(
            isinstance(place, Between) for claim in spec.claims for place in claim.where.values()
        ),
    }
    tables = [table for suffix, where in points_of(spec) for table in tables_at(state, suffix, where)]
    return {
        "name": spec.name,
        "sweep": folder.path.name,
        "question": spec.question or f"Which {spec.compared} gives the best {label_of(spec.verdict_metric)}?",
        "progress": "" if state.complete else progress_line(state, running=folder.is_running()),
        "headline": " ".join(filter(None, sentences)),
        "gradients": gradients_note(spec),
        "search_remarks": search_remarks(state),
        "changes": change_lines(state),
        "claims": claims_table(judged) if judged else None,
        "looks": looks_table(state, judged) if judged else None,
        "remarks": [f"{name_of(claim)}: {claim.remark}" for claim in judged if claim.remark],
        "by_sigma": effect_tables(state),
        "arms": tables,
        "search": search_table(state),
        "setup": setup(state),
        "notes": render("notes.txt.j2", spec=spec, **facts).splitlines(),
        "spec": dump(spec.model_dump(exclude={"data_dir"}, exclude_none=True, exclude_defaults=True)),
    }


def _sentence(note: str) -> str:
    return f"{note[0].upper()}{note[1:]}." if note else ""

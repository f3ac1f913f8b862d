"""The lines about a sweep's results that commands print. This module loads no library that draws."""

import socket

from sweeps.analysis.arms import is_judgeable
from sweeps.analysis.best import best_of
from sweeps.analysis.claims import JudgedClaim, judge_claims
from sweeps.analysis.descriptions import counted
from sweeps.analysis.failures import failures
from sweeps.record.files import REPORT_PAGE
from sweeps.record.folder import SweepFolder
from sweeps.record.retries import retryable
from sweeps.record.state import SweepState
from sweeps.record.storage import in_ray_job, join_uri
from sweeps.report.labels import best_line, change_lines, trainings, verdict_lines
from sweeps.tracking.bookmark import Bookmark


def summary_lines(folder: SweepFolder, *, is_copy: bool = False) -> list[str]:
    """Return lines for failures, changes and the best configuration, those of judged claims, the report's.

    Args:
        folder: The sweep.
        is_copy: Whether the folder is a copy, from which the sweep cannot be resumed.
    """
    state = folder.state()
    lines = [*failures(state)] if state.complete else []
    if state.complete and not is_copy and (failed := retryable(state)):
        trials = counted(len(failed), "failed trial")
        lines.append(f"fix the cause, then retry {trials} with: {folder.retry_command}")
    lines += change_lines(state)
    lines += [best_line(state.spec, best)] if (best := best_of(state)) else []
    judged = judged_claims(state)
    lines += [line for claim in judged for line in verdict_lines(claim)]
    if judged and (text := trainings(state)):
        lines.append(text)
    page = folder.report / REPORT_PAGE
    if page.exists():
        lines.append(f"Report: {_place(folder) if in_ray_job() else page}")
    return lines


def _place(folder: SweepFolder) -> str:
    """Say where people at another machine find the report of a sweep that runs as a job."""
    page = f"{folder.report / REPORT_PAGE} on node {socket.gethostname()}"
    if folder.uri:
        page = join_uri(folder.uri, "report", REPORT_PAGE)
    bookmark = Bookmark.read(folder)
    return (
        f"{page}; in the tracking store: report/{REPORT_PAGE} of run {bookmark.parent}" if bookmark else page
    )


def judged_claims(state: SweepState) -> list[JudgedClaim]:
    """Return the verdicts on a sweep's claims; none before arms have several seeds."""
    return judge_claims(state) if is_judgeable(state) else []

"""The lines about a sweep's results that commands print. This module loads no library that draws."""

from sweeps.analysis.arms import is_judgeable
from sweeps.analysis.claims import JudgedClaim, judge_claims
from sweeps.record.folder import SweepFolder
from sweeps.record.state import SweepState
from sweeps.report.labels import verdict_lines

PAGE = "report.html"


def summary_lines(folder: SweepFolder) -> list[str]:
    """Return lines for each claim that can be judged, and one for the report if there is one."""
    lines = [line for claim in judged_claims(folder.state()) for line in verdict_lines(claim)]
    page = folder.report / PAGE
    if page.exists():
        lines.append(f"Report: {page}")
    return lines


def judged_claims(state: SweepState) -> list[JudgedClaim]:
    """Return the verdicts on a sweep's claims; none before arms have several seeds."""
    return judge_claims(state) if is_judgeable(state) else []

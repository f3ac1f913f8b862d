"""The lines about a sweep's results that commands print. This module loads no library that draws."""

from sweeps.analysis.arms import is_judgeable
from sweeps.analysis.best import best_of
from sweeps.analysis.claims import JudgedClaim, judge_claims
from sweeps.record.folder import SweepFolder
from sweeps.record.state import SweepState
from sweeps.report.labels import best_line, verdict_lines

PAGE = "report.html"


def summary_lines(folder: SweepFolder) -> list[str]:
    """Return a line for the best configuration, those of each claim that is judged, and the report's."""
    state = folder.state()
    lines = [best_line(state.spec, best)] if (best := best_of(state)) else []
    lines += [line for claim in judged_claims(state) for line in verdict_lines(claim)]
    page = folder.report / PAGE
    if page.exists():
        lines.append(f"Report: {page}")
    return lines


def judged_claims(state: SweepState) -> list[JudgedClaim]:
    """Return the verdicts on a sweep's claims; none before arms have several seeds."""
    return judge_claims(state) if is_judgeable(state) else []

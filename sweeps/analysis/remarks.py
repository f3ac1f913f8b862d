"""Why a claim is undecided: doubts about a verdict, and results that are missing."""

import math
from collections.abc import Callable, Mapping, Sequence

from sweeps.analysis.measures import Measured
from sweeps.analysis.stats import PairedDifference
from sweeps.analysis.verdicts import Judgement, Verdict
from sweeps.record.state import SweepState
from sweeps.spec.claim import Claim


def lasting_doubt(claim: Claim, measured: Mapping[str, Measured], verdict: Verdict) -> str:
    """Return why the verdict of the tests must not stand, however many seeds follow; empty if it may.

    ``measured`` has what the claim measures at each of its points.
    """
    if names := _with(measured, _favoured(claim, verdict), lambda at, name: at.arms[name].failed > 0):
        return f"some seeds of {names} failed"
    if not claim.equal or verdict is not Verdict.SUPPORTED:
        return ""
    # Seeds of two arms that both diverged, or never reached a score, differ by 0, which shows nothing.
    equal = list(map(str, claim.equal))
    if names := _with(measured, equal, lambda at, name: any(at.never_reached(name))):
        return f"some seeds of {names} never reached the score"
    if names := _with(measured, equal, lambda at, name: at.arms[name].diverged > 0):
        return f"some seeds of {names} diverged"
    return ""


def margin_doubt(claim: Claim, differences: Sequence[PairedDifference], verdict: Verdict) -> str:
    """Return a doubt about arms that are said to be equal if the mean of a pair may lie beyond the margin.

    The signed-rank test is about the typical difference, and blind to a few seeds that are far off.
    """
    margin = claim.within or 0.0
    within = all(-margin < pair.low and pair.high < margin for pair in differences)
    is_equal = claim.equal and verdict is Verdict.SUPPORTED
    return "an interval reaches beyond the margin" if is_equal and not within else ""


def _with(measured: Mapping[str, Measured], names: list[str], holds: Callable[[Measured, str], bool]) -> str:
    """List the arms for which something holds at some point, such as ``none and layer``."""
    found = [name for name in names if any(holds(at, name) for at in measured.values() if name in at.arms)]
    return " and ".join(found)


def _favoured(claim: Claim, verdict: Verdict) -> list[str]:
    """List the arms that a verdict favours: seeds of theirs that are missing may have been bad ones."""
    if claim.than is not None:
        # An arm whose advantage is to be larger here is to have a smaller one there.
        arms = claim.arms
    elif verdict is Verdict.SUPPORTED:
        arms = [*(claim.better or []), *(claim.equal or [])]
    else:
        arms = [*(claim.worse or []), *(claim.drops or [])]
    return list(dict.fromkeys(map(str, arms)))


def why_undecided(
    state: SweepState, claim: Claim, measured: Mapping[str, Measured], judgement: Judgement
) -> str:
    """Return why a claim is undecided where the number of seeds does not explain it; empty where it does.

    There is a doubt about its verdict, arms have no score, no seed reached the score, or seeds diverged.
    """
    labels_by_reason: dict[str, list[str]] = {}
    for title, at in measured.items():
        for name in at.compared:
            if reason := _why_missing(state, claim, at, name):
                label = f"{name} at {title}" if len(measured) > 1 and title else name
                labels_by_reason.setdefault(reason, []).append(label)
    if labels_by_reason:
        return "; ".join(f"{', '.join(labels)}: {reason}" for reason, labels in labels_by_reason.items())
    if judgement.doubt:
        return f"it would be {judgement.doubted}, but {judgement.doubt}"
    arms = list(dict.fromkeys(map(str, claim.arms)))
    never = [never for at in measured.values() for name in at.compared for never in at.never_reached(name)]
    if claim.reach is not None and all(never):
        return f"no seed of {', '.join(arms)} reached the score: train longer or claim an easier score"
    if names := _with(measured, arms, lambda at, name: -math.inf in at.scores(name).values()):
        return f"some seeds of {names} diverged, which ranks as worst"
    return ""


def _why_missing(state: SweepState, claim: Claim, at: Measured, name: str) -> str:
    if state.selected is not None and not _is_selected(state, at, name):
        return "not confirmed, as no trial of the search had a score"
    trials = at.arms[name].trials if name in at.arms else []
    ended = [trial for trial in trials if trial.status in ("finished", "diverged")]
    if not ended:
        return "no seed has finished"
    has_score = any(trial.status == "diverged" or claim.measured in trial.last for trial in ended)
    return "" if has_score else f"no {claim.measured}"


def _is_selected(state: SweepState, at: Measured, name: str) -> bool:
    stratum = {key: value for key, value in at.where.items() if key in state.spec.strata[0]}
    selected = [point for point in state.selected or [] if stratum.items() <= point.items()]
    return any(str(point[state.spec.compared]) == name for point in selected)

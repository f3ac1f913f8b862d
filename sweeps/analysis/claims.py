"""Judges the claims of studies by their trials, look by look."""

import itertools
from collections.abc import Sequence
from typing import Any

from sweeps.analysis.tested_claim import JudgedClaim, TestedClaim
from sweeps.analysis.verdicts import judge
from sweeps.record.journal import Event
from sweeps.record.state import SweepState


def judge_claims(state: SweepState) -> list[JudgedClaim]:
    """Judge the claims of a study, those made in advance first; each kind is corrected for its own number."""
    (judged,) = judge_studies([state])
    return judged


def judge_studies(states: Sequence[SweepState]) -> list[list[JudgedClaim]]:
    """Judge the claims of several studies together: p-values are corrected for the number of all of them."""
    judged: list[list[JudgedClaim]] = [[] for _ in states]
    for post_hoc in (False, True):
        of_studies = [
            [TestedClaim(state, claim) for claim in (state.post_hoc if post_hoc else state.spec.claims)]
            for state in states
        ]
        all_tested = list(itertools.chain(*of_studies))
        judgements = iter(judge([tested.case for tested in all_tested]))
        for claims, of_study in zip(judged, of_studies, strict=True):
            claims += [each.judged(next(judgements), len(all_tested), post_hoc=post_hoc) for each in of_study]
    return judged


def undecided_points(state: SweepState) -> list[dict[str, Any]]:
    """List the configurations that undecided claims compare, of those trained for the last look.

    A claim whose verdict no number of seeds can bring about, as some failed, does not count. Only claims
    that were made in advance count.
    """
    tested = [TestedClaim(state, claim) for claim in state.spec.claims]
    judgements = judge([each.case for each in tested])
    wanted = {
        name
        for each, judgement in zip(tested, judgements, strict=True)
        if each.may_be_decided(judgement)
        for name in each.identities
    }
    return [dict(point) for name, point in state.rounds[-1].points.items() if name in wanted]


def closing_event(state: SweepState) -> Event | None:
    """Return the event that closes a look whose trials have all ended; None if it is the last, or not due.

    It records which configurations go on: those that a claim compares which is not decided.
    """
    if not state.rounds or state.complete or not state.round_is_complete:
        return None
    look = state.taken[-1]
    points = undecided_points(state)
    return {"event": "look", **look._asdict(), "points": points}

"""What terminal, status and report say about verdicts, looks and extensions."""

from dataclasses import replace

import numpy as np
import pytest

from sweeps.analysis.claims import judge_claims
from sweeps.analysis.extension import extension
from sweeps.analysis.stats import detectable
from sweeps.analysis.tested_claim import JudgedClaim
from sweeps.analysis.verdicts import Judgement, Verdict
from sweeps.record.correctness import packed
from sweeps.report.labels import (
    change_lines,
    headline,
    look_lines,
    number,
    position,
    trainings,
    verdict_lines,
    weakest,
    what_is_left,
)
from sweeps.report.summary import summary_lines
from sweeps.report.tables import claims_table, looks_table
from sweeps.spec.claim import Claim
from sweeps.spec.looks import share_out
from tests.made_sweeps import take_looks
from tests.unit.test_rounds import AHEAD, LOOKS, OPEN, TRUTH, staged, with_post_hoc


def after(looks):
    return take_looks(staged(AHEAD, OPEN), TRUTH, looks=looks)


def test_a_decided_claim_has_its_look_its_p_value_and_what_it_spared():
    claim = judge_claims(after(2).state)[0]
    p_value = 2 * 2 * 2**-9 / share_out(LOOKS)[0].share
    first, second = verdict_lines(claim)
    assert first == (
        f"claim: {AHEAD['name']}: supported (look 1 of 3, 9 seeds), p = {number(p_value)} <= 0.05; "
        "18 trainings, 22 spared"
    )
    assert second.startswith("  layer over none: ")
    assert second.endswith("test_accuracy, above 0.01")


def test_an_undecided_claim_has_what_the_next_look_detects():
    sweep = after(1)
    claim = judge_claims(sweep.state)[1]
    look = sweep.state.looks[1]
    amount = detectable(14, look.error / 2) * claim.differences[0].std
    assert what_is_left(claim) == f"next look at 14 seeds, which detects {number(amount)} test_accuracy"
    assert verdict_lines(claim)[0].endswith(f"; 18 trainings; {what_is_left(claim)}")


def test_after_the_last_look_it_has_what_is_excluded():
    claim = judge_claims(after(3).state)[1]
    ends = claim.differences[0]
    excluded = f"below {number(ends.typical_low)}, above {number(ends.typical_high)}"
    assert what_is_left(claim) == f"undecided at the last look; excluded: {excluded}"


def test_before_the_first_look_there_is_no_difference_to_show():
    sweep = staged(AHEAD, OPEN)
    (line,) = verdict_lines(judge_claims(sweep.state)[0])
    assert "undecided (no look yet), p = 1 > 0.05; 0 trainings" in line


def test_a_post_hoc_claim_waits_for_nothing():
    sweep = with_post_hoc(after(1), {**OPEN, "name": "late"})
    late = judge_claims(sweep.state)[2]
    assert verdict_lines(late)[0].startswith("claim: late (post hoc): undecided")
    assert late.next_look is None
    assert headline(judge_claims(sweep.state)) == (
        "Of 2 claims: 1 supported, 1 undecided. Of 1 post hoc claim: 1 undecided."
    )


def test_a_look_says_what_it_decided_and_what_goes_on():
    sweep = after(1)
    (line, *found) = look_lines(sweep.state, judge_claims(sweep.state), 2)
    assert line == "look 1 of 3, 9 seeds: 1 of 2 claims decided; 2 of 3 configurations go on to 14 seeds"
    assert found == verdict_lines(judge_claims(sweep.state)[0])
    (line,) = look_lines(sweep.state, judge_claims(sweep.state), 0)
    assert line.endswith("1 of 2 claims decided; no configuration goes on")


def test_the_looks_are_tabulated():
    state = after(2).state
    table = looks_table(state, judge_claims(state))
    looks = share_out(LOOKS)
    assert [row[:3] for row in table.rows] == [
        [str(index + 1), str(look.seeds), f"{100 * (1 - 0.05 * look.share):.4g}%"]
        for index, look in enumerate(looks)
    ]
    assert [float(row[3]) for row in table.rows] == pytest.approx(
        [detectable(look.seeds, look.error / 2) for look in looks], rel=0.01
    )
    assert [row[4:] for row in table.rows] == [["27", "1"], ["10", "0"], ["", ""]]
    assert trainings(state) == "The looks took 37 of at most 60 trainings."


def test_an_extension_is_told(tmp_path):
    sweep = after(1)
    plan = extension(sweep.state, [9, 30], None)
    sweep.add(*plan.events)
    (line,) = change_lines(sweep.state)
    assert line.startswith("Extended on 2026-")
    assert line.endswith("UTC, after 1 look: looks: [9, 14, 20] to [9, 30]")
    assert line in summary_lines(sweep.write(tmp_path))
    larger = after(1)
    larger.add({**plan.events[-1], "search": True})
    assert change_lines(larger.state)[0].endswith("is that of the looks since then alone")


@pytest.mark.parametrize(
    ("ends", "by", "text"),
    [
        ((0.2, 0.3), 0.1, "above 0.1"),
        ((0.05, 0.3), 0.1, "above 0, includes 0.1"),
        ((0.05, 0.08), 0.1, "between 0 and 0.1"),
        ((-0.1, 0.08), 0.1, "below 0.1, includes 0"),
        ((-0.1, 0.3), 0.1, "includes 0 and 0.1"),
        ((-0.3, -0.1), 0.1, "below 0"),
        ((0.1, 0.3), None, "above 0"),
        ((-0.1, 0.3), None, "includes 0"),
        ((-np.inf, np.inf), 0.1, "includes 0 and 0.1"),
    ],
)
def test_an_interval_lies_somewhere_against_0_and_by(ends, by, text):
    assert position(claim_with(ends, better="layer", worse="none", by=by), 0) == text


@pytest.mark.parametrize(
    ("ends", "text"),
    [((-0.05, 0.05), "within 0.1"), ((-0.05, 0.15), "reaches beyond 0.1"), ((0.2, 0.3), "beyond 0.1")],
)
def test_an_interval_lies_somewhere_against_a_margin(ends, text):
    assert position(claim_with(ends, equal=["layer", "none"], within=0.1), 0) == text


def claim_with(*ends, verdict=Verdict.UNDECIDED, **claim):
    """Return a judged claim whose typical differences have these intervals."""
    difference = judge_claims(after(1).state)[0].differences[0]
    differences = [replace(difference, typical_low=low, typical_high=high) for low, high in ends]
    return JudgedClaim(
        claim=Claim(name="made", metric="test_accuracy", **claim),
        claims=1,
        post_hoc=False,
        comparisons=[f"pair {index}" for index, _ in enumerate(ends)],
        differences=differences,
        beyond=[None] * len(ends),
        judgement=Judgement(verdict, 0.5, 0),
        looks=share_out(LOOKS),
        next_look=None,
        unit="test_accuracy",
        spent=0,
        spared=0,
    )


def test_the_weakest_comparison_is_the_one_that_a_verdict_hangs_on():
    ends = [(0.2, 0.3), (-0.1, 0.5), (0.0, 0.1)]
    arms = {"better": "layer", "worse": ["none", "all", "after_all"]}
    assert weakest(claim_with(*ends, **arms)) == 1
    assert weakest(claim_with(*ends, verdict=Verdict.REFUTED, **arms)) == 2
    equal = {"equal": ["layer", "none"], "within": 0.1}
    assert weakest(claim_with((-0.05, 0.02), (-0.01, 0.08), **equal)) == 1


def test_a_claim_about_accuracy_has_an_interval_beyond_this_test_set():
    sweep = after(1)
    (first, *_) = judge_claims(sweep.state)
    assert first.beyond == [None]
    rng = np.random.default_rng(0)
    for event in sweep.events:
        if event["event"] == "epoch" and "test_accuracy" in event["metrics"]:
            event["correct"] = packed(rng.random(100) < event["metrics"]["test_accuracy"])
    known = judge_claims(sweep.state)[0]
    ((low, high),) = known.beyond
    assert low < high
    assert "beyond this test set [" in claims_table([known]).rows[0][3]
    assert "beyond" not in claims_table([first]).rows[0][3]

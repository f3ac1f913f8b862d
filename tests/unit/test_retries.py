"""Failed trials: what has no result because of them, and what runs again when they are retried."""

import json

import pytest

from sweeps.analysis.claims import closing_event, judge_claims
from sweeps.analysis.descriptions import progress_line
from sweeps.analysis.extension import extension
from sweeps.analysis.failures import failures
from sweeps.analysis.verdicts import Verdict
from sweeps.record.retries import retry_event, retryable
from sweeps.record.trials import CONFIRM, SEARCH
from sweeps.report.labels import change_lines
from sweeps.report.page import write_report
from sweeps.report.summary import summary_lines
from sweeps.results import read_result
from sweeps.search.history import known_trials, listed_trials, not_ended, reports
from sweeps.search.searcher import build_searcher
from tests.made_sweeps import MadeSweep, comparison, curve, grid, joint, search, take_looks, train_round
from tests.unit.test_rounds import AHEAD, OPEN, TRUTH, gridded, staged

REASON = "ValueError: label 10 is not one of 0 to 9"
BOTH = pytest.mark.parametrize("made", [staged, gridded])


def fail(sweep, *names, status="failed"):
    """Let trials have failed instead of what they did."""
    for event in sweep.events:
        if event["event"] == "end" and event["trial"] in names:
            event.update(status=status, reason=REASON)


def named(sweep, stage, arm=None, seeds=None):
    trials = sweep.state.of_stage(stage, arm)
    return [trial.id for trial in trials if seeds is None or trial.seed in seeds]


def looked(sweep):
    return sweep.state.looked_stage


def finish(sweep, *names):
    """Let retried trials finish, as the next driver would."""
    for name in names:
        trial = sweep.state.trials[name]
        values, seed, stage = trial.hyperparameters, trial.seed, trial.stage
        score = TRUTH[trial.arm] + 0.001 * (seed % 3)
        metrics = curve(score, test_accuracy=score, test_loss=1 - score)
        sweep.trial({}, seed, metrics, stage=stage, hyperparameters=values, name=name)


def retried(sweep):
    sweep.add(retry_event(sweep.state))
    return sweep.state


# What has no result


def one_look(make, **changes):
    """A complete sweep with one look, of two arms."""
    content = make(compare={"noise": ["none", "all"]}, seeds=3, **changes)
    sweep = MadeSweep(content)
    if sweep.spec.stages:
        search(sweep, TRUTH)
        sweep.select()
    train_round(sweep, TRUTH)
    return sweep


@pytest.mark.parametrize("status", ["failed", "diverged"])
@pytest.mark.parametrize(("make", "where"), [(comparison, " of the confirm stage"), (grid, "")])
def test_a_stage_in_which_nothing_finished_is_no_success(make, where, status, tmp_path):
    sweep = one_look(make)
    assert failures(sweep.state) == []
    assert progress_line(sweep.state, running=False).startswith("complete, ")
    names = named(sweep, looked(sweep))
    fail(sweep, *names, status=status)
    n = f"{len(names)} {status}"
    expected = f"no trial{where} has finished: {n}; the first: {REASON}"
    assert failures(sweep.state) == [expected]
    assert sweep.state.complete
    assert progress_line(sweep.state, running=False).startswith("failed, ")
    folder = sweep.write(tmp_path)
    assert (read_result(folder).failures, read_result(folder).best) == ([expected], None)
    lines = summary_lines(folder)
    assert not any(line.startswith("best: ") for line in lines)
    assert lines[0] == expected
    remedy = f"fix the cause, then retry {len(names)} failed trials with: {folder.retry_command}"
    assert (remedy in lines) == (status == "failed")
    assert folder.retry_command.split()[1:4] == ["resume", sweep.spec.name, "--retry-failed"]


def test_a_search_in_which_nothing_finished_chooses_nothing_and_is_no_success():
    sweep = MadeSweep(comparison(compare={"noise": ["none", "all"]}))
    search(sweep, TRUTH)
    fail(sweep, *named(sweep, SEARCH))
    assert sweep.select() == []
    assert sweep.state.complete
    assert failures(sweep.state) == [f"no trial of the search has finished: 10 failed; the first: {REASON}"]


@pytest.mark.parametrize(("make", "where"), [(comparison, " of the confirm stage"), (grid, "")])
def test_an_arm_whose_every_trial_failed_is_named(make, where):
    sweep = one_look(make)
    fail(sweep, *named(sweep, looked(sweep), "all"))
    expected = f"every trial{where} with noise all has failed; the first: {REASON}"
    assert failures(sweep.state) == [expected]


@pytest.mark.parametrize("status", ["failed", "diverged"])
def test_a_failed_trial_among_others_leaves_the_sweep_complete_and_is_told(status, tmp_path):
    sweep = one_look(comparison)
    fail(sweep, named(sweep, CONFIRM)[0], status=status)
    assert failures(sweep.state) == []
    told = [line for line in summary_lines(sweep.write(tmp_path)) if "retry 1 failed trial with" in line]
    assert len(told) == (status == "failed")


def test_one_failed_value_of_a_joint_search_is_no_failure_of_the_search():
    sweep = MadeSweep(joint(budget={"trials": 2}))
    sweep.trial({"noise": "none", "lr": 0.1}, 0, curve(0.9))
    sweep.trial({"noise": "all", "lr": 0.1, "sigma": 0.1}, 0, [], status="failed")
    assert failures(sweep.state) == []
    fail(sweep, "0001", "0002")
    assert failures(sweep.state) == [f"no trial has finished: 2 failed; the first: {REASON}"]


# What is run again


def test_without_failed_trials_there_is_nothing_to_retry():
    assert retry_event(one_look(comparison).state) is None


@BOTH
def test_retried_trials_of_a_look_keep_id_seed_and_configuration(made):
    sweep = made(AHEAD, OPEN, looks=[9])
    train_round(sweep, TRUTH)
    names = named(sweep, looked(sweep), "layer")[:2]
    fail(sweep, *names)
    before = {point["trial"]: point for point in listed_trials(sweep.state)}
    n_trials = sweep.state.n_trials
    state = retried(sweep)
    assert not state.complete
    assert state.n_trials == n_trials
    again = not_ended(state, listed_trials(state))
    assert again == [before[name] for name in names]
    finish(sweep, *names)
    assert sweep.state.complete
    assert retry_event(sweep.state) is None
    assert not any(trial.reason for trial in sweep.state.trials.values())


@BOTH
def test_a_retry_lets_a_verdict_stand_that_failed_seeds_put_in_doubt(made):
    sweep = made(AHEAD, looks=[9])
    train_round(sweep, TRUTH)
    names = named(sweep, looked(sweep), "layer")[:1]
    fail(sweep, *names)
    (judged,) = judge_claims(sweep.state)
    assert judged.judgement.verdict is Verdict.UNDECIDED
    assert "some seeds of layer failed" in judged.remark
    retried(sweep)
    finish(sweep, *names)
    (judged,) = judge_claims(sweep.state)
    assert judged.judgement.verdict is Verdict.SUPPORTED


@BOTH
def test_looks_from_the_first_with_a_retried_trial_on_are_opened_again(made):
    sweep = made(AHEAD, OPEN)
    first = sweep.spec.replicates[0]
    train_round(sweep, TRUTH)
    sweep.close_look()
    train_round(sweep, TRUTH)
    sweep.close_look()
    looks = sweep.state.looks
    names = named(sweep, looked(sweep), "none", range(first + 9, first + 10))
    fail(sweep, *names)
    event = retry_event(sweep.state)
    assert (event["trials"], event["search"], event["looks"]) == (names, False, 1)
    sweep.add(event)
    assert [look.seeds for look in sweep.state.taken] == [9]
    assert [look.share for look in sweep.state.looks] == pytest.approx([look.share for look in looks])
    assert closing_event(sweep.state) is None
    finish(sweep, *names)
    # The look is judged again, with all of its seeds, and the plan of looks is as it was declared.
    again = closing_event(sweep.state)
    assert (again["seeds"], again["share"]) == (looks[1].seeds, looks[1].share)
    take_looks(sweep, TRUTH)
    assert [look.seeds for look in sweep.state.taken] == [9, 14, 20]


@BOTH
def test_looks_that_were_taken_before_an_extension_stay_closed(made):
    sweep = made(AHEAD, OPEN)
    train_round(sweep, TRUTH)
    names = named(sweep, looked(sweep), "none")[:1]
    fail(sweep, *names)
    sweep.close_look()
    plan = extension(sweep.state, [9, 30, 60], None)
    after = MadeSweep(plan.spec)
    after.events = [*sweep.events]
    after.add(*plan.events)
    looks = after.state.looks
    assert retry_event(after.state)["looks"] == 1
    assert retried(after).looks == looks
    finish(after, *names)
    assert [look.seeds for look in after.state.taken] == [9]
    take_looks(after, TRUTH, looks=1)
    assert after.state.looks == looks


def test_before_the_search_has_chosen_its_failed_trials_use_no_budget():
    sweep = MadeSweep(comparison(compare={"noise": ["none", "all"]}))
    search(sweep, TRUTH)
    names = [*named(sweep, SEARCH, "none")[:1], *named(sweep, SEARCH, "all")[-1:]]
    fail(sweep, *names)
    assert sweep.state.searched
    configurations = {name: sweep.state.trials[name].hyperparameters for name in names}
    state = retried(sweep)
    assert not state.searched
    searcher = build_searcher(sweep.spec, known_trials(state), 10)
    suggested = [searcher.suggest(f"tune-{index}") for index in range(3)]
    assert [each["trial"] for each in suggested[:2]] == names
    assert [each["lr"] for each in suggested[:2]] == [configurations[name]["lr"] for name in names]
    assert suggested[2] == "FINISHED"
    finish(sweep, *names)
    assert sweep.state.searched
    # The scheduler reads each report of an epoch.
    assert {report.trial for report in reports(sweep.state, sweep.events)} == set(named(sweep, SEARCH))


def test_a_joint_search_retries_its_failed_trials():
    sweep = MadeSweep(joint(budget={"trials": 2}))
    sweep.trial({"noise": "none", "lr": 0.1}, 0, curve(0.9))
    sweep.trial({"noise": "all", "lr": 0.1, "sigma": 0.1}, 0, [], status="failed")
    assert sweep.state.complete
    state = retried(sweep)
    assert not state.complete
    assert [trial.id for trial in known_trials(state) if not trial.ended] == ["0002"]


def test_what_the_search_has_chosen_stays():
    sweep = one_look(comparison)
    fail(sweep, *named(sweep, SEARCH, "none")[:2])
    assert retryable(sweep.state) == []
    confirmed = named(sweep, CONFIRM)[:1]
    fail(sweep, *confirmed)
    selected = sweep.state.selected
    state = retried(sweep)
    assert state.retries[0]["trials"] == confirmed
    assert state.selected == selected


def test_an_arm_for_which_the_search_has_chosen_nothing_is_searched_again():
    sweep = MadeSweep(comparison(compare={"noise": ["none", "all"]}, seeds=3))
    search(sweep, TRUTH)
    names = named(sweep, SEARCH, "all")
    fail(sweep, *names)
    (chosen,) = sweep.select()
    train_round(sweep, TRUTH)
    assert sweep.state.complete
    confirmed = named(sweep, CONFIRM)
    state = retried(sweep)
    assert (state.retries[0]["trials"], state.retries[0]["search"]) == (names, True)
    assert not state.searched
    finish(sweep, *names)
    assert sweep.select()[0] == chosen
    state = sweep.state
    assert len(state.selected) == 2
    # The arm that was chosen before keeps its trials.
    assert not {each["trial"] for each in not_ended(state, listed_trials(state))} & {*confirmed}
    train_round(sweep, TRUTH)
    assert sweep.state.complete
    assert failures(sweep.state) == []


def test_a_retry_is_told_by_terminal_and_report(tmp_path):
    sweep = one_look(comparison)
    names = named(sweep, CONFIRM)[:2]
    fail(sweep, *names)
    retried(sweep)
    finish(sweep, *names)
    (line,) = change_lines(sweep.state)
    assert line.startswith("Retried on 2026-")
    assert line.endswith(f" UTC: 2 failed trials ({names[0]}, {names[1]})")
    folder = sweep.write(tmp_path)
    assert line in summary_lines(folder)
    assert line in (write_report(folder).with_suffix(".md")).read_text()
    # What happened is in the journal still.
    statuses = [json.loads(text).get("status") for text in folder.journal.path.read_text().splitlines()]
    assert statuses.count("failed") == 2

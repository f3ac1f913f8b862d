"""Reports of made sweeps are complete in any state of a sweep, and their numbers are right."""

import html
import math
import re
from typing import ClassVar

import numpy as np
import pytest
from scipy import stats as scipy_stats

from sweeps.analysis.importance import importances
from sweeps.analysis.stats import summarise
from sweeps.engine import drive
from sweeps.errors import SweepError
from sweeps.record.folder import latest_sweep
from sweeps.record.trials import CONFIRM
from sweeps.report.labels import interval
from sweeps.report.overview import overview_table, verdicts_table, write_overview
from sweeps.report.page import write_report
from sweeps.spec.model import REGISTER
from tests.made_sweeps import (
    MODES,
    TRUTH,
    MadeSweep,
    comparison,
    confirm,
    curve,
    grid,
    joint,
    made_comparison,
    made_grid,
    scored_under,
    search,
)
from tests.reports import Page, Report
from trainables import registry

AHEAD = {"name": "layer is ahead", "metric": "test_accuracy", "better": "layer", "worse": "none"}
ODD = "a | b <i>c</i> & \"d\" 'e' </script>"
NAN = float("nan")
SEARCHED = {"search", "stopped", "sigma"}
JUDGED = {"scores", "differences", "learning-curves", "convergence"}
# Pictures are drawn in these states only: see ``sketches``.
DRAWN = ("complete", "during confirm", "all diverged", "not finite", "grid")


@pytest.fixture(autouse=True)
def sketches(monkeypatch):
    """Replace each picture by a stub: drawing takes most of a report's time."""
    monkeypatch.setattr("sweeps.report.page.save", lambda chart, path: path.write_bytes(b"\x89PNG"))


def before_confirm():
    sweep = MadeSweep(comparison(AHEAD))
    search(sweep, TRUTH)
    return sweep


def during_confirm():
    sweep = made_comparison(AHEAD, only=2)
    sweep.trial(sweep.state.selected[0], 3, curve(0.9)[:2], stage=CONFIRM, status="running")
    return sweep


def at_the_start_of_confirm():
    sweep = before_confirm()
    first, second, *_ = sweep.select()
    sweep.trial(first, 1, curve(0.9, test_accuracy=0.9), stage=CONFIRM)
    sweep.trial(second, 1, curve(0.9)[:2], stage=CONFIRM, status="running")
    return sweep


def one_failed():
    sweep = made_comparison(AHEAD)
    for event in sweep.events:
        if event["event"] == "end" and sweep.state.trials[event["trial"]].stage == CONFIRM:
            failed = sweep.state.trials[event["trial"]].arm == "after_all"
            event["status"] = "failed" if failed else "finished"
    return sweep


def joint_search():
    sweep = MadeSweep(joint())
    rng = np.random.default_rng(0)
    for index in range(20):
        point = {"noise": MODES[index % 5], "lr": float(10 ** rng.uniform(-3, -1))}
        if point["noise"] != "none":
            point["sigma"] = float(10 ** rng.uniform(-4, -0.6))
        status = ("finished", "stopped", "diverged", "failed")[index % 4]
        sweep.trial(point, 0, curve(0.8 + 0.1 * rng.random())[: None if index % 4 == 0 else 2], status=status)
    return sweep


def of_optimizers():
    changes = {
        "compare": "optimizer",
        "search": {"lr": {"log_uniform": [1e-3, 0.1]}, "batch_size": [32, 64]},
    }
    sweep = MadeSweep(comparison({**AHEAD, "better": "adam", "worse": "sgd"}, **changes))
    truth = {str(arm): 0.9 for arm in sweep.spec.arms} | {"adam": 0.93}
    rng = np.random.default_rng(0)
    for arm in sweep.spec.arms:
        for size in (32, 64, 32, 64, 32):
            point = {"optimizer": arm, "batch_size": size, "lr": float(10 ** rng.uniform(-3, -1))}
            sweep.trial(point, 0, curve(truth[arm] - point["lr"]))
    sweep.select()
    confirm(sweep, truth)
    return sweep


def without(*metrics):
    def make():
        sweep = made_comparison(AHEAD)
        for event in sweep.events:
            for metric in metrics:
                event.get("metrics", {}).pop(metric, None)
        return sweep

    return make


def with_nan():
    sweep = made_comparison(AHEAD)
    for index, event in enumerate(sweep.events):
        if event["event"] == "epoch" and index % 3 == 0:
            event["metrics"] = {name: (NAN, math.inf, -math.inf)[index % 2] for name in event["metrics"]}
    return sweep


def one_trial():
    sweep = MadeSweep(joint())
    sweep.trial({"noise": "none", "lr": 0.01}, 0, curve(0.9)[:1], status="running")
    return sweep


STATES = {
    "complete": (lambda: made_comparison(AHEAD), JUDGED | SEARCHED | {"hessian-trace"}),
    "before confirm": (before_confirm, SEARCHED),
    "during confirm": (during_confirm, JUDGED | SEARCHED | {"hessian-trace"}),
    "at the start of confirm": (at_the_start_of_confirm, JUDGED | SEARCHED),
    "an arm failed": (one_failed, JUDGED | SEARCHED | {"hessian-trace"}),
    "joint search": (joint_search, SEARCHED),
    "grid": (
        made_grid,
        {f"{figure}-sigma-{at}" for figure in JUDGED for at in ("0.01", "0.1")} | {"sigma", "effect"},
    ),
    "an arm left out": (
        lambda: made_comparison(AHEAD, left_out=["after_all"]),
        JUDGED | SEARCHED | {"hessian-trace"},
    ),
    "none left out": (
        lambda: made_comparison(AHEAD, left_out=["none"]),
        (JUDGED | SEARCHED | {"hessian-trace"}) - {"differences"},
    ),
    "an arm diverged": (
        lambda: made_comparison(AHEAD, diverged={"layer": range(1, 11)}),
        JUDGED | SEARCHED | {"hessian-trace"},
    ),
    "all diverged": (
        lambda: made_comparison(AHEAD, diverged=dict.fromkeys(MODES, range(1, 11))),
        (JUDGED | SEARCHED) - {"convergence"},
    ),
    "one seed": (lambda: made_comparison(AHEAD, only=1), JUDGED | SEARCHED | {"hessian-trace"}),
    "not finite": (with_nan, JUDGED | SEARCHED | {"hessian-trace"}),
    "no curvature": (without("hessian_trace"), JUDGED | SEARCHED),
    "optimizers": (of_optimizers, (JUDGED | SEARCHED | {"hessian-trace"}) - {"sigma"}),
    "weight noise": (
        lambda: made_comparison(AHEAD, stages=scored_under(0.01, 0.1)),
        JUDGED | SEARCHED | {"hessian-trace", "weight-noise"},
    ),
    "an arm diverged, weight noise": (
        lambda: made_comparison(AHEAD, stages=scored_under(0.1), diverged={"layer": range(1, 11)}),
        JUDGED | SEARCHED | {"hessian-trace", "weight-noise"},
    ),
    "weight noise in fixed": (
        lambda: made_comparison(AHEAD, fixed={"epochs": 6, "weight_noise": [0.1]}),
        JUDGED | SEARCHED | {"hessian-trace", "weight-noise"},
    ),
    "weight noise at the start": (
        lambda: made_comparison(AHEAD, stages=scored_under(0.1), only=0),
        SEARCHED,
    ),
    "one trial": (one_trial, {"search", "stopped"}),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("state", STATES)
def test_a_report_of_any_state_is_whole(state, tmp_path, monkeypatch):
    make, figures = STATES[state]
    if state in DRAWN:
        monkeypatch.undo()
    sweep = make()
    report = Report(sweep, tmp_path)
    assert report.figures == figures
    on_disk = {path.stem: path.read_bytes() for path in report.page_file.parent.glob("*.png")}
    assert on_disk.keys() == figures
    assert all(content.startswith(b"\x89PNG") for content in on_disk.values())
    assert report.page.tags.count("figure") == len(figures)
    # The page loads nothing.
    assert report.page.addresses == []
    assert not re.search(r"@import|url\(", re.sub(r"<script.*?</script>", "", report.html, flags=re.DOTALL))
    of_arms = ("The arms", "Effect by sigma", "Flatness of the arms", "Score under weight noise")
    named = {title for title in report.tables if title.startswith(of_arms)}
    assert report.tables.keys() <= {"Claims", "The looks", "The search"} | named
    for line in report.markdown.splitlines():
        assert "nan" not in re.split(r"[^a-z]+", line.lower()), line
    assert ("Not complete" in report.text) == (not sweep.state.complete)
    assert ("Not complete" in report.page.text) == (not sweep.state.complete)


def test_without_an_epoch_there_is_no_report(tmp_path):
    sweep = MadeSweep(comparison(AHEAD))
    with pytest.raises(SweepError, match="nothing to report yet, no trial has finished an epoch"):
        write_report(sweep.write(tmp_path))


def test_at_the_end_of_a_sweep_without_an_epoch_a_sentence_says_so(tmp_path, caplog):
    class Display:
        said: ClassVar[list[str]] = []
        say = said.append

    folder = MadeSweep(comparison(AHEAD)).write(tmp_path)
    drive._write_report(folder, Display)
    rule = "nothing to report yet, no trial has finished an epoch"
    assert Display.said == [f"there is no report: {folder.path}: {rule}"]
    assert not caplog.records


def test_a_report_is_written_over_and_leaves_no_old_figure(tmp_path):
    folder = before_confirm().write(tmp_path)
    folder.report.mkdir()
    (folder.report / "old.png").write_bytes(b"")
    write_report(folder)
    assert not (folder.report / "old.png").exists()
    first = folder.report.joinpath("report.md").read_text()
    write_report(folder)
    assert folder.report.joinpath("report.md").read_text() == first


# Numbers


def test_the_numbers_are_those_of_a_calculation_by_hand(tmp_path):
    sweep = made_comparison(AHEAD)
    report = Report(sweep, tmp_path)
    scores = {
        arm: np.array([t.last["test_accuracy"] for t in sweep.state.of_stage(CONFIRM) if t.arm == arm])
        for arm in MODES
    }
    layer = next(row for row in report.tables["The arms"] if row["noise"] == "layer")
    low, high = scipy_stats.ttest_1samp(scores["layer"], 0).confidence_interval(0.95)
    told = numbers(layer["mean test_accuracy [95% interval]"])
    assert told == pytest.approx([scores["layer"].mean(), low, high], abs=6e-4)
    assert float(layer["standard deviation"]) == pytest.approx(scores["layer"].std(ddof=1), rel=0.01)
    difference = scores["layer"] - scores["none"]
    low, high = scipy_stats.ttest_1samp(difference, 0).confidence_interval(0.95)
    told = numbers(layer["mean difference from none [95% interval]"])
    assert told == pytest.approx([difference.mean(), low, high], abs=6e-5)
    (claim,) = report.tables["Claims"]
    assert (claim["claim"], claim["verdict"], claim["arms"]) == (
        "layer is ahead<br>test_accuracy",
        "supported<br>10 seeds",
        "layer over none",
    )
    assert numbers(claim["mean advantage of the first [interval]"])[:3] == told
    p = scipy_stats.wilcoxon(scores["layer"], scores["none"], method="exact").pvalue
    assert float(claim["p of the claim, against 0.05"]) == pytest.approx(p, rel=0.01)
    effect = difference.mean() / difference.std(ddof=1)
    assert float(claim["effect size"]) == pytest.approx(effect * (1 - 3 / (4 * 9 - 1)), rel=0.01)
    assert claim["seeds"] == "10"
    assert "Of 1 claim: 1 supported." in report.text


def test_scores_under_weight_noise_are_those_of_a_calculation_by_hand(tmp_path):
    claim = {**AHEAD, "metric": "test_accuracy_under_0.5"}
    sweep = made_comparison(claim, stages=scored_under(0.5, 0.1), diverged={"all": [3]})
    report = Report(sweep, tmp_path)
    rows = report.tables["Score under weight noise: test_accuracy"]
    assert [(row["sigma of the weight noise"], row["noise"]) for row in rows] == [
        (sigma, arm) for sigma in ("0.1", "0.5") for arm in MODES
    ]
    trials = sweep.state.of_stage(CONFIRM)
    layer, none = (
        np.array([t.last["test_accuracy_under_0.5"] for t in trials if t.arm == arm])
        for arm in ("layer", "none")
    )
    (row,) = [row for row in rows if (row["noise"], row["sigma of the weight noise"]) == ("layer", "0.5")]
    mean, *_ = numbers(row["mean test_accuracy [95% interval]"])
    assert mean == pytest.approx(layer.mean(), abs=6e-4)
    low, high = scipy_stats.ttest_1samp(layer - none, 0).confidence_interval(0.95)
    told = numbers(row["mean difference from none [95% interval]"])
    assert told == pytest.approx([(layer - none).mean(), low, high], abs=6e-5)
    (judged,) = report.tables["Claims"]
    assert judged["verdict"] == "supported<br>10 seeds"
    assert numbers(judged["mean advantage of the first [interval]"])[:3] == told
    lost = [row["mean difference from none [95% interval]"] for row in rows if row["noise"] == "all"]
    assert all("1 of 10 seeds diverged" in cell for cell in lost)


def numbers(text):
    return [float(found) for found in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", text)]


def test_both_pages_have_the_same_tables(tmp_path):
    report = Report(made_comparison(AHEAD, diverged={"all": [3]}), tmp_path)
    rows = [row for rows in report.tables.values() for row in rows]
    in_markdown = [[cell.replace("<br>", "") for cell in row.values()] for row in rows]
    assert [row for row in report.page.rows if row in in_markdown] == in_markdown
    # A claim, a look, and the arms in three tables.
    assert len(in_markdown) == 1 + 1 + 3 * 5


def test_the_search_counts_what_was_stopped(tmp_path):
    report = Report(made_comparison(left_out=["all"]), tmp_path)
    found = {row["noise"]: row for row in report.tables["The search"]}
    assert [found["layer"][name] for name in ("trials", "finished", "stopped by ASHA", "diverged")] == list(
        "5320"
    )
    assert [found["all"][name] for name in ("trials", "finished", "stopped by ASHA", "diverged")] == list(
        "5005"
    )
    assert found["layer"]["epochs in total"] == str(3 * 6 + 2 + 4)
    assert found["all"]["best val_accuracy"] == ""


def test_what_diverged_is_counted_and_the_verdict_says_so(tmp_path):
    report = Report(made_comparison(AHEAD, diverged={"layer": [3, 5]}), tmp_path)
    layer = next(row for row in report.tables["The arms"] if row["noise"] == "layer")
    assert (layer["seeds"], layer["diverged"]) == ("8", "2")
    assert report.tables["Claims"][0]["verdict"] == "undecided<br>10 seeds"
    assert "layer is ahead: some seeds of layer diverged, which ranks as worst" in report.text


def test_an_arm_that_never_gets_there_takes_more_than_all_epochs(tmp_path):
    truth = {**TRUTH, "after_all": 0.9}
    sweep = made_comparison(AHEAD, truth=truth, diverged={"after_all": range(2, 11)})
    row = next(row for row in Report(sweep, tmp_path).tables["The arms"] if row["noise"] == "after_all")
    (speed,) = [value for name, value in row.items() if name.startswith("epochs to")]
    assert speed == "more than 6"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([], "no seeds"),
        ([3.0], "3 epochs"),
        ([3.0, 3.0], "3 epochs with every seed"),
        ([1.0, 2.0, 3.0], "2.0 [-0.5, 4.5] epochs"),
    ],
)
def test_the_unit_of_an_interval_follows_its_numbers(values, text):
    assert interval(summarise(values), "epochs") == text


# Words


def test_what_people_wrote_is_escaped(tmp_path):
    claim = {**AHEAD, "name": ODD}
    report = Report(made_comparison(claim, question=ODD), tmp_path)
    outside = re.sub(r"<script.*?</script>", "", report.html, flags=re.DOTALL)
    assert "<i>" not in outside
    assert ODD in report.page.text
    assert [row[0] for row in report.page.rows if row[0].startswith("a |")] == [f"{ODD}test_accuracy"]
    assert html.unescape(report.tables["Claims"][0]["claim"]).replace("\\|", "|") == f"{ODD}<br>test_accuracy"


def test_what_the_search_did_not_do_is_told(tmp_path):
    # all is no better than none with any seed.
    report = Report(made_comparison(truth=dict.fromkeys(TRUTH, 0.9)), tmp_path)
    for text in (report.text, report.page.text):
        assert "all cannot be told from none at sigma" in text
        assert "it may have switched the noise off" in text
    assert "switched the noise off" not in Report(made_grid(), tmp_path).text


def test_a_grid_has_no_test_split_and_no_search(tmp_path):
    claim = {**AHEAD, "metric": "val_accuracy", "where": {"sigma": 0.01}}
    report = Report(made_grid(claim), tmp_path)
    for text in (report.text, report.page.text):
        assert "the test split was read" not in text
        assert re.search(r"test split:? ?not read", text)
        assert "ASHA" not in text
    of_arms = {"The arms at sigma 0.01", "The arms at sigma 0.1"}
    assert report.tables.keys() == {"Claims", "The looks", "Effect by sigma on val_accuracy"} | of_arms
    rows = report.tables["The arms at sigma 0.1"]
    assert [row["noise"] for row in rows] == MODES
    assert report.tables["Claims"][0]["verdict"] == "supported<br>10 seeds"


def test_a_joint_search_says_that_it_is_no_evidence(tmp_path):
    report = Report(joint_search(), tmp_path)
    assert "Every trial shares one seed" in report.text
    assert "give the sweep stages with confirm" in report.text
    assert "Holm" not in report.text
    assert "the test split was read" not in report.text


def test_a_study_cut_short_before_its_confirm_stage_says_what_is_to_come(tmp_path):
    report = Report(before_confirm(), tmp_path)
    assert "once the best of each is confirmed on fresh seeds" in report.text
    assert "give the sweep stages" not in report.text
    assert "the test split was read" not in report.text


def test_a_confirmed_study_says_which_split_did_what(tmp_path):
    report = Report(made_comparison(AHEAD), tmp_path)
    assert "Configurations were chosen on the validation split" in report.text
    assert "the test split was read once, after the last epoch" in report.text
    assert "corrected by Holm for the number of claims (1), at level 0.05" in report.text
    assert "did not reach the score" not in report.text


def test_too_few_seeds_are_told(tmp_path):
    report = Report(made_comparison(AHEAD, seeds=5), tmp_path)
    assert "With 5 seeds no result can decide a claim: use at least 6." in report.text


def test_a_report_of_a_subset_says_so(tmp_path):
    report = Report(made_comparison(fixed={"epochs": 6, "train_subset": 1000}), tmp_path)
    assert "Trained on only 1,000 examples" in report.text


# Importance


def scored(score, n=20, arm="layer", **search):
    spec = {"sigma": {"log_uniform": [1e-4, 0.3], "when": "noisy"}, **search}
    sweep = MadeSweep(comparison(search={"lr": {"log_uniform": [1e-3, 0.1]}, **spec}))
    rng = np.random.default_rng(0)
    for _ in range(n):
        lr, sigma = float(10 ** rng.uniform(-3, -1)), float(10 ** rng.uniform(-4, -0.6))
        point = {"noise": arm, "lr": lr} | ({} if arm == "none" else {"sigma": sigma})
        if "momentum" in search:
            point["momentum"] = float(rng.choice([0.0, 0.5, 0.9]))
        sweep.trial(point, 0, curve(score(lr, sigma)))
    return sweep


def by_lr(lr, sigma):
    return 0.9 - 0.2 * abs(math.log10(lr) + 2)


def test_importance_is_where_the_score_comes_from():
    found = importances(scored(by_lr).state, {"noise": "layer"})
    assert found["lr"] > 0.8
    assert sum(found.values()) == pytest.approx(1)
    assert list(found) == ["lr", "sigma"]
    by_sigma = importances(
        scored(lambda lr, sigma: 0.9 - 0.1 * abs(math.log10(sigma) + 2)).state, {"noise": "layer"}
    )
    assert by_sigma["sigma"] > 0.8
    assert importances(scored(by_lr).state, {"noise": "layer"}) == found


def test_importance_of_an_arm_without_sigma_has_none():
    searched = {"momentum": [0.0, 0.5, 0.9]}
    found = importances(scored(by_lr, arm="none", **searched).state, {"noise": "none"})
    assert found.keys() == {"lr", "momentum"}
    assert found["lr"] > 0.8


@pytest.mark.parametrize(
    ("sweep", "arm"),
    [
        (scored(by_lr, n=19), "layer"),
        (scored(by_lr), "all"),
        (scored(by_lr, arm="none"), "none"),  # one hyperparameter
        (scored(lambda lr, sigma: 0.9), "layer"),
    ],
    ids=["few", "no trials", "one hyperparameter", "constant"],
)
def test_importance_says_nothing_where_there_is_nothing_to_say(sweep, arm):
    assert importances(sweep.state, {"noise": arm}) == {}


def test_importance_counts_only_trials_that_finished():
    sweep = scored(by_lr)
    found = importances(sweep.state, {"noise": "layer"})
    for status in ("stopped", "diverged", "failed", "running"):
        sweep.trial({"noise": "layer", "lr": 0.01, "sigma": 0.3}, 0, curve(0.1)[:2], status=status)
    assert importances(sweep.state, {"noise": "layer"}) == found


# The overview of all studies


def cells(table):
    return [dict(zip(table.columns, row, strict=True)) for row in table.rows]


def test_one_row_a_study_with_marks_for_what_the_truth_is():
    (row,) = cells(overview_table([made_comparison().state]))
    assert (row["dataset"], row["architecture"], row["score"]) == ("digits", "shallow", "test_accuracy")
    marks = {arm: row[arm].rsplit("] ")[-1] if row[arm].endswith(")") else "" for arm in MODES}
    assert marks == {"none": "", "all": "", "layer": "(+)", "after_all": "(-)", "after_layer": "(-)"}


def test_a_lower_loss_is_better():
    sweep = made_comparison(objective={"metric": "val_loss", "mode": "min"})
    (row,) = cells(overview_table([sweep.state]))
    assert row["score"] == "test_loss"
    assert [row[arm][-3:] for arm in ("layer", "after_all")] == ["(+)", "(-)"]


def test_a_grid_has_a_row_a_point_and_studies_their_own_arms():
    rows = cells(overview_table([made_grid().state, of_optimizers().state]))
    assert [row["study"] for row in rows] == [
        "made-grid, sigma 0.01",
        "made-grid, sigma 0.1",
        "made-comparison",
    ]
    assert rows[0]["none"] == rows[1]["none"] != ""
    assert rows[0]["layer"].endswith("(+)")
    assert rows[1]["layer"].endswith("(-)")
    assert rows[2]["layer"] == "" != rows[2]["adam"]
    assert rows[2]["adam"].endswith("(+)")


def test_the_architecture_is_the_one_that_was_compared_or_enumerated():
    sigma = {"grid": [0.1], "when": "noisy"}
    sweep = MadeSweep(grid(search={"model": {"grid": ["shallow", "deep"]}, "sigma": sigma}))
    for model in ("shallow", "deep"):
        for seed in range(3):
            sweep.trial({"noise": "layer", "model": model, "sigma": 0.1}, seed, curve(0.9))
    assert [row["architecture"] for row in cells(overview_table([sweep.state]))] == ["shallow", "deep"]


def test_no_arm_is_marked_better_by_seeds_that_diverged():
    lost = {"layer": [3], "after_all": [4]}
    (row,) = cells(overview_table([made_comparison(diverged=lost).state]))
    assert row["layer"].endswith("], 1 diverged")
    assert row["after_all"].endswith("], 1 diverged (-)")
    (row,) = cells(overview_table([made_comparison(diverged={"none": [3]}).state]))
    assert row["layer"].endswith("(+)")
    # A diverged seed does not speak for none.
    assert row["after_all"].endswith("]")


def test_an_arm_has_no_mark_where_one_seed_turns_the_mean():
    sweep = MadeSweep(comparison(seeds=20))
    search(sweep, TRUTH)
    for point in sweep.select():
        for seed in range(1, 21):
            above = {"layer": -0.5 if seed == 1 else 0.01 + seed / 1e4}.get(point["noise"], 0.0)
            sweep.trial(point, seed, curve(0.9, test_accuracy=0.9 + above), stage=CONFIRM)
    (row,) = cells(overview_table([sweep.state]))
    assert row["layer"].endswith("]")


def test_the_claims_of_all_studies_are_corrected_together():
    # The smallest p-value of seven seeds, 2 / 2^7 = 0.0156, is enough for one of three claims, not of four.
    behind = {
        "name": "after_all is behind",
        "metric": "test_accuracy",
        "better": "none",
        "worse": "after_all",
    }
    studies = [made_comparison(behind, name=f"study-{n}", seeds=7).state for n in range(4)]
    (alone,) = cells(verdicts_table(studies[:1]))
    assert (alone["verdict"], alone["p (Holm)"]) == ("supported", "0.0156")
    three, four = cells(verdicts_table(studies[:3])), cells(verdicts_table(studies))
    assert [(row["study"], row["verdict"]) for row in three] == [
        (f"study-{n}", "supported") for n in range(3)
    ]
    assert {(row["verdict"], row["p (Holm)"]) for row in four} == {("undecided", "0.0625")}


def test_each_stratum_has_a_row():
    sweep = MadeSweep(comparison(across={"model": ["shallow", "deep"]}, seeds=8))
    points = [{**tuned, "lr": 0.1, "sigma": 0.1} for tuned in sweep.spec.tuned]
    sweep.events.append({"event": "select", "time": 0, "points": points})
    for point in points:
        for seed in sweep.spec.replicates:
            lead = (point["noise"] == "layer") * (0.1 if point["model"] == "deep" else -0.1)
            sweep.trial(point, seed, curve(0.8, test_accuracy=0.8 + lead + seed / 1e3), stage=CONFIRM)
    shallow, deep = cells(overview_table([sweep.state]))
    studies = ["made-comparison, model shallow", "made-comparison, model deep"]
    assert [shallow["study"], deep["study"]] == studies
    assert (shallow["architecture"], deep["architecture"]) == ("shallow", "deep")
    assert (shallow["layer"][-3:], deep["layer"][-3:]) == ("(-)", "(+)")


def test_the_overview_shows_the_latest_sweeps_that_can_be_compared(tmp_path):
    sweep = made_comparison()
    sweep.write(tmp_path)
    # Another sweep of the study, which has just begun, does not hide the first.
    before_confirm().write(tmp_path)
    joint_search().write(tmp_path)
    made_grid().write(tmp_path)
    (tmp_path / "notes" / "mine").mkdir(parents=True)
    (tmp_path / "notes" / "mine" / "resolved.yaml").write_text("not a sweep")
    page = write_overview(tmp_path)
    found = [row[2] for row in Page(page.read_text()).rows]
    assert found == ["study", "made-comparison", "made-grid, sigma 0.01", "made-grid, sigma 0.1"]
    assert Page(page.read_text()).addresses == []
    assert "| digits | shallow | made-comparison |" in page.with_suffix(".md").read_text()


def test_an_interrupted_study_is_in_the_overview_as_such():
    (row,) = cells(overview_table([made_comparison(only=6).state]))
    assert row["study"] == "made-comparison (not complete)"


def test_a_study_of_a_trainable_that_a_script_registered_is_left_out(tmp_path, curves):
    made_comparison().write(tmp_path)
    for name, trainable in (("scripted", "curves"), ("second", "curves"), ("third", "curves")):
        MadeSweep(comparison(name=name, trainable=trainable)).write(tmp_path)
    registered = registry._registered.pop("curves")
    try:
        page = write_overview(tmp_path)
        assert [row[2] for row in Page(page.read_text()).rows] == ["study", "made-comparison"]
        names, why = "scripted, second and third", "the trainable curves is not registered here"
        line = f"{names} are left out, as {why}; {REGISTER}."
        assert line in page.read_text()
        assert line in page.with_suffix(".md").read_text()
    finally:
        registry._registered["curves"] = registered


def test_a_study_with_a_noise_mode_that_is_not_registered_here_is_left_out(tmp_path, monkeypatch):
    made_comparison().write(tmp_path)
    made_comparison(name="packaged").write(tmp_path)
    resolved = tmp_path / "packaged/001/resolved.yaml"
    text = resolved.read_text()
    assert "noise: [none, all" in text
    resolved.write_text(text.replace("noise: [none, all", "noise: [none, uphill"))
    line = f"packaged is left out, as the noise mode uphill is not registered here; {REGISTER}."
    assert line in write_overview(tmp_path).read_text()
    folder = latest_sweep(tmp_path, "packaged")
    with pytest.raises(SweepError, match="packaged: the noise mode uphill is not registered here"):
        folder.spec().hyperparameters({"noise": "uphill"})


@pytest.mark.parametrize("make", [None, joint_search, before_confirm])
def test_without_a_study_to_compare_there_is_one_clear_message(tmp_path, make):
    if make:
        make().write(tmp_path)
    with pytest.raises(SweepError, match="no study has arms with several seeds yet"):
        write_overview(tmp_path)

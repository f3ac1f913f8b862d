"""What MLflow is told of each arm, and the view of its page: against numbers computed longhand."""

import base64
import functools
import json
import math
import zlib
from statistics import fmean, stdev

import numpy as np
import pytest
from scipy.stats import t as student

from sweeps.analysis.arm_records import arm_records
from sweeps.analysis.levels import difference_of, mean_difference_of
from sweeps.record.trials import CONFIRM
from sweeps.tracking.views import arms_view
from tests.made_sweeps import (
    MODES,
    NOISY,
    TRUTH,
    MadeSweep,
    comparison,
    confirm_at,
    joint,
    made_comparison,
    made_grid,
    search,
)

AT = {"sigma": [0.01, 0.1]}
CLAIMS = [
    {"name": "layer beats none", "metric": "test_accuracy", "better": "layer", "worse": "none"},
    {
        "name": "at 0.1 too",
        "metric": "test_accuracy",
        "better": "layer",
        "worse": "none",
        "where": {"sigma": 0.1},
    },
]
LOST = 3


@pytest.fixture(scope="module")
def sweep():
    stages = {"search": {"trials_per_arm": 5}, "confirm": {"seeds": 9, "at": AT}}
    made = MadeSweep(comparison(*CLAIMS, stages=stages))
    search(made, TRUTH)
    return confirm_at(
        made,
        lambda hyperparameters: TRUTH[hyperparameters.noise],
        diverged=lambda hyperparameters, seed: hyperparameters.noise == "all" and seed == LOST,
    )


@functools.cache
def recorded(sweep):
    # Strict: JSON has no NaN.
    return json.loads(json.dumps(json.loads(arm_records(sweep.state)), allow_nan=False))


def found(sweep, arm, **at):
    (record,) = [each for each in recorded(sweep)["arms"] if (each["arm"], each["at"]) == (arm, at)]
    return record


def values(sweep, arm, metric, epoch):
    """Return a metric by seed, of the configuration that the search chose."""
    trials = [
        t for t in sweep.state.of_stage(CONFIRM, arm) if t.hyperparameters.get("sigma") not in AT["sigma"]
    ]
    return {t.seed: t.epochs[epoch][metric] for t in trials if t.status == "finished"}


def interval(numbers):
    half = student.ppf(0.975, len(numbers) - 1) * stdev(numbers) / math.sqrt(len(numbers))
    return fmean(numbers) - half, fmean(numbers) + half


def test_an_arm_and_a_point_have_one_record_each_and_none_is_there_once(sweep):
    records = [(each["arm"], each["at"].get("sigma")) for each in recorded(sweep)["arms"]]
    expected = [(arm, None) for arm in MODES] + [(arm, sigma) for sigma in AT["sigma"] for arm in NOISY]
    assert records == expected


@pytest.mark.parametrize("epoch", [1, 6])
@pytest.mark.parametrize("arm", ["all", "layer"])
def test_a_mean_has_its_interval_after_every_epoch(sweep, arm, epoch):
    record, own = found(sweep, arm), values(sweep, arm, "val_loss", epoch)
    # The seed that diverged is left out.
    assert (LOST in own) == (arm != "all")
    names = ("val_loss", "interval/val_loss_low", "interval/val_loss_high")
    numbers = [record["metrics"][name][str(epoch)] for name in names]
    assert numbers == pytest.approx([fmean(own.values()), *interval([*own.values()])])


def test_a_difference_is_paired_by_seed(sweep):
    own, none = (values(sweep, arm, "val_loss", 2) for arm in ("all", "none"))
    differences = [own[seed] - none[seed] for seed in own]
    names = [f"minus_none/val_loss{end}" for end in ("", "_low", "_high")]
    numbers = [found(sweep, "all")["metrics"][name]["2"] for name in names]
    assert numbers == pytest.approx([fmean(differences), *interval(differences)])
    assert not [name for name in found(sweep, "none")["metrics"] if name.startswith("minus")]


def test_the_mean_difference_is_that_of_the_report(sweep):
    rng = np.random.default_rng(0)
    first, second = (dict(enumerate(rng.random(9))) for _ in range(2))
    for metric in ("val_accuracy", "val_loss"):
        full = difference_of(sweep.spec, metric, first, second)
        mean = mean_difference_of(sweep.spec, metric, first, second)
        assert (mean.n, mean.mean, mean.low, mean.high) == pytest.approx((9, full.mean, full.low, full.high))


def test_what_is_measured_at_the_end_has_the_last_epoch_only(sweep):
    metrics = found(sweep, "layer")["metrics"]
    assert list(metrics["test_accuracy"]) == ["6"]
    assert list(metrics["val_accuracy"]) == list("123456")


def test_a_record_says_what_was_trained(sweep):
    record = found(sweep, "all")
    trials = sweep.state.of_stage(CONFIRM, "all")[:9]
    assert (record["seeds"], record["diverged"], record["failed"]) == (9, 1, 0)
    assert record["hyperparameters"] == trials[0].hyperparameters
    assert record["started"] == min(trial.started for trial in sweep.state.confirmed(sweep.state.selected[1]))


def test_a_verdict_is_told_of_the_configurations_that_its_claim_compares(sweep):
    assert set(recorded(sweep)["verdicts"]) == {"layer beats none", "at 0.1 too"}
    assert set(found(sweep, "layer")["verdicts"]) == {"layer beats none"}
    assert set(found(sweep, "layer", sigma=0.1)["verdicts"]) == {"at 0.1 too"}
    assert set(found(sweep, "none")["verdicts"]) == {"layer beats none", "at 0.1 too"}
    assert found(sweep, "layer", sigma=0.01)["verdicts"] == found(sweep, "all")["verdicts"] == {}


def test_one_seed_has_no_interval():
    metrics = found(made_comparison(only=1), "layer")["metrics"]
    assert {"val_loss", "minus_none/val_loss"} <= metrics.keys()
    assert not [name for name in metrics if name.endswith(("_low", "_high"))]


def test_a_grid_has_a_record_of_every_arm_at_every_point():
    points = [(each["point"], each["arm"]) for each in recorded(made_grid(seeds=6))["arms"]]
    assert points == [(f"sigma {sigma}", arm) for sigma in (0.01, 0.1) for arm in MODES]


def test_arms_with_one_seed_each_have_no_records():
    started = MadeSweep(comparison())
    search(started, TRUTH)
    for made in (MadeSweep(joint()), started):
        assert recorded(made)["arms"] == []


def test_the_view_has_one_run_for_each_arm_and_charts_of_what_is_judged(sweep):
    text = arms_view("parent", recorded(sweep)).removeprefix("deflate;")
    view = json.loads(zlib.decompress(base64.b64decode(text)))
    conditions = ["tags.kind = 'arm'", "tags.at = 'chosen'", "tags.`mlflow.parentRunId` = 'parent'"]
    assert view["searchFilter"] == " and ".join(conditions)
    # The UI adds the parent run to runs in the order of starting.
    assert (view["orderByKey"], view["orderByAsc"]) == ("metrics.`val_accuracy`", False)
    assert [key["groupByData"] for key in view["groupBy"]["groupByKeys"]] == ["arm"]
    assert {(chart["type"], chart["metricKey"]) for chart in view["compareRunCharts"]} == {
        ("LINE", "val_accuracy"),
        ("LINE", "minus_none/val_accuracy"),
        ("BAR", "test_accuracy"),
        ("BAR", "minus_none/test_accuracy"),
    }
    assert set(found(sweep, "layer")["metrics"]) >= {
        name for chart in view["compareRunCharts"] for name in chart["selectedMetricKeys"]
    }
    sections = {section["uuid"] for section in view["compareRunSections"]}
    assert {chart["metricSectionId"] for chart in view["compareRunCharts"]} <= sections


def test_the_view_of_a_grid_is_of_its_first_point():
    text = arms_view("parent", recorded(made_grid(seeds=6))).removeprefix("deflate;")
    view = json.loads(zlib.decompress(base64.b64decode(text)))
    assert view["searchFilter"].startswith("tags.kind = 'arm' and tags.point = 'sigma 0.01' and ")

"""The texts of a report: the set-up with its defaults, what varies, what was published, remarks."""

import pytest

from sweeps.analysis.advice import search_remarks
from sweeps.analysis.stats import paired_difference
from sweeps.report.labels import interval, label_of, typical
from sweeps.report.setup import setup
from tests.made_sweeps import MadeSweep, comparison, curve, grid, joint, made_comparison, made_grid
from tests.reports import Report
from trainables import registry

AHEAD = {"name": "layer is ahead", "metric": "test_accuracy", "better": "layer", "worse": "none"}
NAN, INF = float("nan"), float("inf")


@pytest.fixture(autouse=True)
def sketches(monkeypatch):
    """Replace each picture by a stub: drawing takes most of a report's time."""
    monkeypatch.setattr("sweeps.report.page.save", lambda chart, path: path.write_bytes(b"\x89PNG"))


def setup_of(content):
    sweep = MadeSweep(content)
    sweep.trial({}, 0, curve(0.9))
    return dict(setup(sweep.state))


def fixed(content):
    return setup_of(content)["hyperparameters that are not searched"].split(", ")


# The set-up


def test_every_value_is_listed_and_defaults_are_marked():
    listed = fixed(comparison(fixed={"epochs": 6, "momentum": 0.8}))
    assert {
        "epochs 6",
        "momentum 0.8",
        "weight_decay 0.0005 (default)",
        "lr_schedule cosine (default)",
        "batch_size 128 (default)",
        "train_subset empty (default)",
        "sigma_schedule constant (default)",
    } <= set(listed)
    names = {text.split(" ")[0] for text in listed}
    elsewhere = {"lr", "sigma", "noise", "curvature", "weight_noise"}
    assert not names & elsewhere
    spec = MadeSweep(comparison()).spec
    assert names | elsewhere == set(spec.declaration.Hyperparameters.model_fields)


def test_a_default_that_depends_on_the_optimizer_is_given_for_each():
    listed = fixed(comparison(compare="optimizer", search={"lr": {"log_uniform": [1e-3, 0.1]}}))
    assert "weight_decay 0.0005 with sgd or 0 with adam or 0.01 with adamw (default)" in listed


def test_what_the_search_had_of_a_listed_hyperparameter_is_said():
    at = {"sigma": [0.01], "sigma_schedule": ["cosine"]}
    facts = setup_of(comparison(stages={"search": {"trials_per_arm": 5}, "confirm": {"seeds": 3, "at": at}}))
    assert "sigma_schedule constant (default)" in facts["hyperparameters that are not searched"]
    assert facts["also confirmed at"] == "sigma 0.01; sigma_schedule cosine"


def test_the_search_is_described():
    facts = setup_of(comparison(budget={"concurrent": 2}, across={"model": ["shallow", "deep"]}))
    sigma, lr = facts["searched"].split("; ")
    assert sigma == "sigma log_uniform from 0.0001 to 0.3 (in every noise mode but none)"
    assert lr == "lr log_uniform from 0.001 to 0.1"
    assert "shallow none: 4 trials, 1 of them starting points" in facts["search budget"]
    assert facts["early stopping"] == "ASHA with grace_epochs 2, reduction_factor 2"
    assert facts["trials at a time"] == "2"
    assert facts["model"] == "shallow, deep"
    assert facts["objective"] == "val_accuracy (max) after the last epoch"
    assert facts["curvature"] == "end"
    assert "scored under weight noise" not in facts
    assert facts["test split"] == "read once by each confirmed trial, after its last epoch"


@pytest.mark.parametrize(
    ("metric", "label"),
    [
        ("test_accuracy", "test accuracy (fraction correct)"),
        ("test_accuracy_under_0.1", "test accuracy (fraction correct) under weight noise 0.1"),
        ("val_rmse_last_value_under_1e-05", "validation rmse last value under weight noise 1e-05"),
    ],
)
def test_a_metric_is_named_with_its_unit(metric, label):
    assert label_of(metric) == label


def test_weight_noise_is_described():
    stages = {"search": {"trials_per_arm": 5}, "confirm": {"seeds": 3, "weight_noise": [0.01, 1]}}
    facts = setup_of(comparison(stages=stages))
    assert facts["scored under weight noise"] == "0.01, 1"
    facts = setup_of(grid(fixed={"epochs": 6, "weight_noise": [0.01, 1]}))
    assert "weight_noise [0.01, 1]" in facts["hyperparameters that are not searched"]
    assert "weight_noise empty (default)" in fixed(grid())


@pytest.mark.parametrize(
    ("scheduler", "text"),
    [
        ("none", "none"),
        ("asha", "ASHA with grace_epochs 1, reduction_factor 3"),
        ("hyperband", "Hyperband with grace_epochs 1, reduction_factor 3"),
        ({"median": {"grace_epochs": 2}}, "the median rule with grace_epochs 2, min_trials 3"),
    ],
)
def test_early_stopping_is_described_by_its_name(scheduler, text, tmp_path):
    stages = {"search": {"trials_per_arm": 5, "scheduler": scheduler}, "confirm": {"seeds": 6}}
    assert setup_of(comparison(stages=stages))["early stopping"] == text
    report = Report(made_comparison(stages=stages), tmp_path)
    name = "stopped early" if text == "none" else f"stopped by {text.split(' with')[0]}"
    assert name in report.tables["The search"][0]
    assert f"Trials {name}" in report.text


@pytest.mark.parametrize(
    ("sampler", "method", "budget"),
    [
        (
            "tpe",
            "TPE (Optuna), multivariate, after the starting points",
            "20 trials, of which the first 6 random",
        ),
        ("random", "random search (Optuna), after the starting points", "20 trials"),
        ("qmc", "QMC, a scrambled Sobol sequence (SciPy), after the starting points", "20 trials"),
    ],
)
def test_the_sampler_is_described(sampler, method, budget):
    stages = {"search": {"trials_per_arm": 5, "sampler": sampler}}
    assert setup_of(comparison(stages=stages))["search method"] == method
    facts = setup_of(joint(sampler=sampler))
    assert facts["search method"] == method.split(", after")[0]
    assert facts["search budget"] == budget


def test_a_joint_search_and_a_grid_are_described():
    by_arm = {"sigma": {"grid_by_arm": {"all": [0.003, 0.03], "after_all": [0.001]}}}
    facts = setup_of(grid(search=by_arm, compare={"noise": ["none", "all", "after_all"]}))
    assert facts["grid"] == "sigma grid (all: 0.003, 0.03; after_all: 0.001)"
    assert facts["test split"] == "not read"
    assert not {"searched", "search budget", "early stopping"} & facts.keys()


def test_given_configurations_are_listed():
    given = {"none": {"lr": 0.1}, "layer": {"lr": 0.05, "sigma": 0.03}}
    stages = {"confirm": {"seeds": 3, "configurations": given}}
    facts = setup_of(comparison(stages=stages, search={}, compare={"noise": ["none", "layer"]}))
    assert facts["given configurations"] == "none: lr 0.1; layer: lr 0.05, sigma 0.03"
    assert not {"confirmed", "search budget", "early stopping"} & facts.keys()
    assert ", lr " not in facts["hyperparameters that are not searched"]


# Notes


def test_the_notes_say_what_varies_and_what_does_not(tmp_path):
    text = Report(made_comparison(AHEAD), tmp_path).text
    assert "the order of the batches, augmentation, dropout and the noise." in text
    assert "What does not: the split into training and validation, the test split, the search" in text
    of_grid = Report(made_grid(), tmp_path / "grid").text
    assert (
        "What does not: the split into training and validation, the data and the hyperparameters" in of_grid
    )


def test_the_notes_do_not_say_that_the_data_stay_where_the_seed_draws_them(tmp_path, monkeypatch):
    monkeypatch.setattr(registry.declaration("digits"), "draws_data", True)
    text = Report(made_comparison(AHEAD), tmp_path).text
    assert "What varies: with the seed, the data of every split, the initial weights" in text
    assert "What does not: the search, which was done once, and the hyperparameters." in text


@pytest.mark.parametrize(
    ("claim", "sentence"),
    [
        ({"by": 0.001}, "advantage below the smallest that matters (by), even if it is above 0"),
        ({"reach": 0.5, "metric": "val_accuracy"}, "The time to a score is interpolated between epochs."),
        ({"area": "val_accuracy", "until": 3, "metric": None}, "The area under a curve is given as its mean"),
        ({"better": None, "worse": None, "drops": "layer"}, "A claim that an arm drops lets"),
    ],
)
def test_forms_of_claims_are_explained_only_if_there_are_such(tmp_path, claim, sentence):
    own = {key: value for key, value in (AHEAD | claim).items() if value is not None}
    if "drops" in own:
        own["metric"] = "val_accuracy"
    assert sentence in Report(made_comparison(own), tmp_path).text
    assert sentence not in Report(made_comparison(AHEAD), tmp_path / "other").text


def test_a_claim_about_a_range_is_explained(tmp_path):
    where = {"sigma": {"between": [0.01, 0.1]}}
    claim = {**AHEAD, "metric": "val_accuracy", "where": where}
    sentence = "A claim about a range of values is about each listed value in it"
    assert sentence in Report(made_grid(claim), tmp_path).text
    assert sentence not in Report(made_grid({**claim, "where": {"sigma": 0.1}}), tmp_path / "other").text


def test_what_was_published_is_below_the_name_of_the_claim(tmp_path):
    published = "Noise on a <b>layer</b>\nhelps | a lot."
    report = Report(made_comparison({**AHEAD, "published": published}), tmp_path)
    quoted = "Published: Noise on a <b>layer</b> helps | a lot."
    assert '<div class="below">Published: Noise on a &lt;b&gt;layer' in report.html
    assert f"layer is aheadtest_accuracy{quoted}" in [row[0] for row in report.page.rows if row]
    cell = report.tables["Claims"][0]["claim"]
    assert (
        cell == "layer is ahead<br>test_accuracy<br>Published: Noise on a &lt;b>layer&lt;/b> helps \\| a lot."
    )


def test_what_the_search_did_not_do_is_said_right_after_the_verdicts(tmp_path):
    report = Report(
        made_comparison(AHEAD, stages={"search": {"trials_per_arm": 1}, "confirm": {"seeds": 8}}), tmp_path
    )
    (remark,) = [text for text in search_remarks(report.sweep.state) if text.startswith("TPE never chose")]
    for text in (report.page.text, report.text):
        assert text.index("Of 1 claim") < text.index(remark) < text.index("mean advantage of the first")
    assert "<li>TPE never chose" in report.html


# Estimates


def test_an_interval_that_excludes_nothing_does_not_round_its_estimate_away():
    few = paired_difference([0.903, 0.905, 0.901], [0.9, 0.9, 0.9], bounds=(-1, 1))
    assert typical(few) == "0.003 [-1, 1]"
    level = paired_difference([0.9] * 3, [0.9] * 3, bounds=(-1, 1))
    assert typical(level) == "0.0 [-1.0, 1.0]"


@pytest.mark.parametrize(
    ("differences", "mean", "usual"),
    [
        ([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], "3.5 [1.5, 5.5]", "3.5 [1.0, 6.0]"),
        ([1.0, 2.0, 3.0], "2.0 [-0.5, 4.5]", "2 [unbounded]"),
        ([1.0] * 6, "1 with every seed", "1 with every seed"),
        ([1.0, 2.0, 3.0, 4.0, 5.0, -INF], "some seeds diverged", None),
        ([-INF] * 4 + [1.0, 2.0], "some seeds diverged", "too many seeds diverged"),
        ([], "no seeds", "no seeds"),
    ],
)
def test_estimates_are_written_with_words_for_what_is_infinite(differences, mean, usual):
    difference = paired_difference(differences, [0.0] * len(differences))
    assert interval(difference) == mean
    if usual is None:
        assert typical(difference).startswith("2.5 [unbounded, ")
    else:
        assert typical(difference) == usual

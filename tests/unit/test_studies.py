"""The shipped studies, and the profiles of a sweep's YAML."""

import math

import pytest
import yaml

from sweeps import load_spec
from sweeps.analysis.advice import check_first_look
from sweeps.errors import SpecError
from sweeps.record.state import SweepState
from sweeps.spec.catalogue import STUDIES
from sweeps.spec.space import n_trials
from trainables.noise.registry import STUDY_MODES
from trainables.registry import BUILT_IN

SHIPPED = sorted(STUDIES.glob("*.yaml"))
# Studies that take a few minutes on two cores as they are.
SMALL = ("digits", "sparse-regression")
BASE = """\
name: x
trainable: digits
fixed: {epochs: 4}
search: {lr: {log_uniform: [0.01, 0.1]}}
objective: {metric: val_accuracy, mode: max}
budget: {trials: 4}
profiles:
  quick: {fixed.epochs: 1, budget.trials: 2}
  wide:
    fixed: {model: wide}
    search.lr: [0.1]
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(BASE)
    return path


def most_epochs(spec):
    """Epochs that a sweep trains if nothing is stopped early."""
    return spec.max_epochs * (SweepState(spec).n_trials or 0)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_study_loads_in_every_form(path):
    full = load_spec(path)
    assert full.name == path.stem
    # A study is named after what it trains, or after what it asks.
    assert path.stem.replace("-", "_").startswith((full.trainable, "fidelity", "sharpness"))
    for profile in full.profiles:
        spec = load_spec(path, profile=profile)
        assert spec.name == f"{path.stem}-{profile}"
        assert spec.resources.gpu == 0
        assert most_epochs(spec) < most_epochs(full) / 2


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_study_asks_a_question_and_its_claims_have_seeds_in_every_form(path):
    for profile in (None, *load_spec(path).profiles):
        spec = load_spec(path, profile=profile)
        assert spec.question.endswith("?")
        # A study of all five modes leaves them to the default.
        assert spec.arms == list(STUDY_MODES) or isinstance(spec.compare, dict)
        assert spec.arms[0] == "none"
        assert len(spec.replicates) >= 10
        # Every claim says what matters, and the first look can decide it.
        check_first_look(spec)
        assert all(claim.by or claim.within for claim in spec.claims)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_what_every_noisy_mode_needs_is_not_listed_by_hand(path):
    raw = yaml.safe_load(path.read_text())
    assert all(dimension.get("when", "noisy") == "noisy" for dimension in raw["search"].values())
    # What confounds the effect of noise is written out.
    assert {"optimizer", "weight_decay", "lr_schedule"} <= raw["fixed"].keys()


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_claims_about_the_after_modes_are_made_for_both_schedules(path):
    study = load_spec(path)
    if study.fixed["lr_schedule"] == "constant":
        pytest.skip("at a constant learning rate both schedules are one")
    claims = [claim for claim in study.claims if {"after_all", "after_layer"} & {*claim.arms}]
    schedules = {claim.where["sigma_schedule"] for claim in claims if "sigma_schedule" in claim.where}
    assert schedules == ({"constant", "follow_lr"} if claims else set())


def test_every_dataset_and_architecture_has_a_study_with_a_quick_form():
    studies = [load_spec(path) for path in SHIPPED]
    assert {study.trainable for study in studies} == set(BUILT_IN)
    assert all("quick" in study.profiles for study in studies if study.name not in SMALL)
    trained = {
        (study.trainable, stratum.get("model", study.fixed.get("model")))
        for study in studies
        for stratum in study.strata
    }
    wanted = {("cifar10", model) for model in ("cnn1", "cnn2", "cnn3", "resnet18")}
    wanted |= {("imdb", model) for model in ("trans1", "trans2", "trans3", "recurrent")}
    wanted |= {("sparse_regression", None)}
    wanted |= {(name, model) for name in ("mnist", "fmnist") for model in ("shallow", "wide", "deep")}
    assert wanted | {("cifar100", "vgg11"), ("conll2003", None), ("temperatures", None)} <= trained


# Profiles


def test_a_profile_changes_keys_and_the_name(file):
    quick, wide = (load_spec(file, profile=profile) for profile in ("quick", "wide"))
    assert (quick.name, quick.max_epochs, quick.budget.trials) == ("x-quick", 1, 2)
    assert (wide.name, wide.fixed, wide.search["lr"].values) == ("x-wide", {"model": "wide"}, [0.1])
    assert load_spec(file).max_epochs == 4


def test_overrides_come_after_the_profile(file):
    spec = load_spec(file, ["fixed.epochs=3", "name=mine"], profile="quick")
    assert (spec.name, spec.max_epochs, spec.budget.trials) == ("mine", 3, 2)


def test_a_profile_may_give_the_name(file):
    file.write_text(BASE.replace("quick: {", "quick: {name: y, "))
    assert load_spec(file, profile="quick").name == "y"


def test_profiles_of_a_mapping_which_stays_unchanged(file):
    content = yaml.safe_load(BASE)
    assert load_spec(content, profile="quick") == load_spec(file, profile="quick")
    assert content == yaml.safe_load(BASE)


def test_a_resolved_spec_has_no_profiles_and_loads_to_the_same(file):
    for profile in (None, "quick", "wide"):
        spec = load_spec(file, profile=profile)
        resolved = yaml.safe_load(spec.resolved)
        assert "profiles" not in resolved
        assert load_spec(resolved) == spec


QUICK = "  quick: {fixed.epochs: 1, budget.trials: 2}"
STAGES = """\
compare: {noise: [none, all]}
stages: {search: {trials_per_arm: 4}, confirm: {seeds: 4}}
profiles:
  quick: {stages.search.trials_per_arm: 2, stages.confirm.seeds: 3}
  short: {stages.confirm: {seeds: 2}}
"""


def test_a_profile_changes_stages(file):
    head = BASE[: BASE.index("budget")].replace("epochs: 4", "epochs: 4, sigma: 0.1")
    file.write_text(head + STAGES)
    quick, short = (load_spec(file, profile=profile) for profile in ("quick", "short"))
    assert (n_trials(quick), quick.replicates) == (4, range(1, 4))
    assert (n_trials(short), short.replicates) == (8, range(1, 3))
    file.write_text((head + STAGES).replace("trials_per_arm: 2", "trials_per_arm: 0"))
    with pytest.raises(SpecError) as caught:
        load_spec(file, profile="quick")
    rule = "must be greater than or equal to 1, got 0"
    assert str(caught.value) == f"{file}:9: profile quick: stages.search.trials_per_arm: {rule}"


# A replacement in BASE, the profile to load, and the message.
MISTAKES = [
    (("", ""), "quik", "--profile: 'quik' is not known; did you mean 'quick'? it can be quick or wide"),
    ((BASE[BASE.index("profiles:") :], ""), "quick", "--profile: {file} has no profiles"),
    (
        ("fixed.epochs: 1", "fixed.epochs: 0"),
        "quick",
        "{file}:8: profile quick: fixed.epochs: must be greater than or equal to 1, got 0",
    ),
    (
        ("search.lr: [0.1]", "search.lr: {uniform: [1, 0]}"),
        "wide",
        "{file}:11: profile wide: search.lr: uniform [1, 0] is empty: the first bound must be the lower",
    ),
    (
        ("{model: wide}", "{model: vast}"),
        "wide",
        "{file}:10: profile wide: fixed.model: 'vast' is not known; it can be deep, shallow or wide",
    ),
    (
        (QUICK, "  quick: 3"),
        "quick",
        "{file}:8: profiles.quick: must be a mapping of keys to values, such as fixed.epochs: 1, got 3",
    ),
    ((QUICK, "  quick: 3"), None, "{file}:8: profiles.quick: must be a mapping of keys, got 3"),
    (
        ("budget.trials: 2", "bugdet.trials: 2"),
        "quick",
        "{file}:8: profile quick: bugdet: 'bugdet' is not known; did you mean 'budget'? it can be ",
    ),
]


@pytest.mark.parametrize(("change", "profile", "message"), MISTAKES)
def test_mistakes_in_a_profile_name_it_and_its_line(change, profile, message, file):
    file.write_text(BASE.replace(*change, 1))
    with pytest.raises(SpecError) as caught:
        load_spec(file, profile=profile)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(message.format(file=file))


def test_a_mistake_in_an_override_names_the_override_and_not_the_profile(file):
    with pytest.raises(SpecError, match=r"^--set: fixed.epochs: must be greater than or equal to 1, got -1$"):
        load_spec(file, ["fixed.epochs=-1"], profile="quick")


# Variants


def test_variants_are_the_combinations_of_the_hyperparameters_asked_for():
    spec = load_spec(
        {
            "name": "x",
            "trainable": "imdb",
            "fixed": {"epochs": 1, "train_subset": 7},
            "search": {
                "vectors": {"choice": ["train", "a.txt"]},
                "model": ["trans1", "recurrent"],
                "train_subset": {"int_uniform": [10, 20], "when": {"model": ["trans1"]}},
                "lr": {"uniform": [0.1, 0.2]},
            },
            "objective": {"metric": "val_accuracy", "mode": "max"},
            "budget": {"trials": 1},
        }
    )
    found = {(hp.vectors, hp.model, hp.train_subset) for hp in spec.variants(("vectors", "model"))}
    assert found == {(v, m, 7) for v in ("train", "a.txt") for m in ("trans1", "recurrent")}
    assert {hp.train_subset for hp in spec.variants(("train_subset",))} == {10, 20, 7}
    assert [math.isnan(hp.lr) for hp in spec.variants(())] == [False]

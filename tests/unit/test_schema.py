"""The JSON schema for editors: what it accepts and what it marks."""

import jsonschema
import pytest
import yaml

from sweeps import load_spec
from sweeps.spec.catalogue import STUDIES
from sweeps.spec.schema import json_schema
from sweeps.spec.source import Source
from tests.unit.test_checks_of_points import ACROSS, BY_ARM_GRID, GIVEN
from tests.unit.test_spec import BASE, COMPARE, CURVES, GRID, ISSUE

GOOD = {
    **{path.stem: path.read_text() for path in STUDIES.glob("*.yaml")},
    "issue": ISSUE,
    "base": BASE,
    "grid": f"{GRID}seeds: 3\nscheduler: none\n",
    "comparison": COMPARE,
    "a scheduler by its name": COMPARE.replace("arm: 3}", "arm: 3, scheduler: hyperband, sampler: gp}"),
    "a scheduler with its keys": COMPARE.replace("arm: 3}", "arm: 3, scheduler: {median: {min_trials: 4}}}"),
    "curves": CURVES,
    "across": ACROSS,
    "given": GIVEN,
    "by arm": BY_ARM_GRID,
    "a range": BY_ARM_GRID.replace("where: {sigma: 0.1}", "where: {sigma: {between: [0.1, 1]}}"),
    "weight noise": COMPARE.replace("seeds: 2}", "seeds: 2, weight_noise: [0.01, 0.1]}").replace(
        "test_accuracy", "test_loss_under_0.01"
    ),
    "fixed weight noise": f"{GRID}fixed: {{weight_noise: [0.01, 1]}}\n",
    "an area": GIVEN.replace("metric: val_accuracy, better", "area: val_accuracy, until: 3, better"),
    "a fall": GIVEN.replace("better: layer, worse: none", "drops: [layer]"),
    "arms listed": COMPARE.replace("compare: noise", "compare: {noise: [none, layer]}").replace(
        "better: layer, worse: none", "equal: [layer, none], within: 1, reach: common"
    ),
    "an amount": COMPARE.replace("better: layer, worse: none", "better: layer, worse: none, by: 0.1"),
    "arms that are numbers": f"{GRID}mode: grid\ncompare: {{momentum: [0, 0.5]}}\nclaims:\n"
    "  - {name: a, metric: val_loss, better: 0.5, worse: [0], where: {lr: 0.1}, epoch: 1}\n",
    "every kind": BASE.replace(
        "search:\n",
        "search:\n  lr: {uniform: [0.1, 1]}\n  batch_size: {int_uniform: [8, 64]}\n"
        "  weight_decay: [null, 0.1]\n  model: {choice: [wide, deep], when: {noise: [all]}}\n",
    ),
}
# A replacement in BASE, and the place that an editor marks.
BAD = [
    ("epochs: 4", "epoch: 4", "fixed"),
    ("epochs: 4", "epochs: '4'", "fixed.epochs"),
    ("epochs: 4", "epochs: 0", "fixed.epochs"),
    ("epochs: 4", "lr: [0.1]", "fixed.lr"),
    ("epochs: 4", "weight_noise: 0.1", "fixed.weight_noise"),
    ("epochs: 4", "weight_noise: [0.1, 0]", "fixed.weight_noise.1"),
    ("noise: [none, all]", "weight_noise: [0.1, 0.2]", "search"),
    ("epochs: 4", "noise: al", "fixed.noise"),
    ("epochs: 4", "model: huge", "fixed.model"),
    ("[none, all]", "[none, al]", "search.noise.1"),
    ("noise: [none, all]", "noise: {grid: [none, al]}", "search.noise.grid.1"),
    ("noise: [none", "nois: [none", "search"),
    ("[none, all]", "{choice: [none], grid: [all]}", "search.noise"),
    ("[none, all]", "{}", "search.noise"),
    ("[none, all]", "[]", "search.noise"),
    ("[none, all]", "{choise: [none]}", "search.noise"),
    ("[none, all]", "none", "search.noise"),
    ("[1.0e-4, 0.3]", "[1.0e-4]", "search.sigma"),
    ("[1.0e-4, 0.3]", "[low, high]", "search.sigma"),
    ("when: {noise: [all]}", "when: {noise: all}", "search.sigma"),
    ("when: {noise: [all]}", "when: {noise: []}", "search.sigma"),
    ("val_accuracy", "val_acc", "objective.metric"),
    ("mode: max", "mode: up", "objective.mode"),
    (", mode: max", "", "objective"),
    ("trials: 3", "trails: 3", "budget"),
    ("trials: 3", "trials: 0", "budget.trials"),
    ("name: study", "name: a/b", "name"),
    ("name: study\n", "", ""),
    ("trainable: digits", "trainable: digit", "trainable"),
    ("name: study", "name: study\nbugdet: 1", ""),
    ("name: study", "name: study\nscheduler: ahsa", "scheduler"),
    ("name: study", "name: study\nscheduler: {asha: {}, median: {}}", "scheduler"),
    ("name: study", "name: study\nsampler: tep", "sampler"),
    ("name: study", "name: study\nscheduler: {asha: {grace: 1}}", "scheduler"),
    ("name: study", "name: study\nseed: 1.5", "seed"),
]
# The same for COMPARE.
BAD_COMPARISONS = [
    ("compare: noise", "compare: noize", "compare"),
    ("compare: noise", "compare: 3", "compare"),
    ("compare: noise", "compare: [noise]", "compare"),
    ("compare: noise", "compare: {noise: [none, al]}", "compare"),
    ("compare: noise", "compare: noise\nmode: girid", "mode"),
    ("search: {trials_per_arm: 3}", "serch: {trials_per_arm: 3}", "stages"),
    ("{trials_per_arm: 3}", "{trials: 3}", "stages"),
    ("{trials_per_arm: 3}", "{trials_per_arm: 0}", "stages"),
    ("{trials_per_arm: 3}", "{trials_per_arm: 3, scheduler: ahsa}", "stages"),
    ("{seeds: 2}", "{seeds: 1}", "stages"),
    ("{seeds: 2}", "{seeds: 2, curvature: always}", "stages"),
    ("{seeds: 2}", "{seeds: 2, weight_noise: [0]}", "stages"),
    ("{seeds: 2}", "{sedes: 2}", "stages"),
    ("test_accuracy", "test_acc_under_0.1", "claims.0.metric"),
    ("test_accuracy", "test_accuracy_under_few", "claims.0.metric"),
    ("test_accuracy", "test_acc", "claims.0.metric"),
    ("better: layer", "bettr: layer", "claims.0"),
    ("better: layer", "better: {a: 1}", "claims.0.better"),
    ("better: layer", "better: []", "claims.0.better"),
    ("better: layer, worse: none", "equal: [none], within: 1", "claims.0.equal"),
    ("worse: none", "worse: none, reach: soon", "claims.0.reach"),
    ("worse: none", "worse: none, epoch: 0", "claims.0.epoch"),
    ("worse: none", "worse: none, where: {sgma: 0.1}", "claims.0.where"),
    ("name: layer beats none, ", "", "claims.0"),
    ("  - {", "  {", "claims"),
]
# The same for ACROSS, GIVEN and BY_ARM_GRID.
BAD_POINTS = [
    (ACROSS, "{model: [shallow, deep]}", "{model: [shallow, dep]}", "across"),
    (ACROSS, "[constant, cosine]", "[constant, cosin]", "stages.confirm.at.sigma_schedule.1"),
    (ACROSS, "at: {sigma:", "at: {sgma:", "stages.confirm.at"),
    (ACROSS, "where: {model: deep}", "where: {model: dep}", "claims.0.where.model"),
    (ACROSS, "than: {model: shallow}", "than: {model: shalow}", "claims.0.than.model"),
    (GIVEN, "lr: 0.05", "lr: fast", "stages.confirm.configurations.layer.lr"),
    (GIVEN, "lr: 0.05", "rl: 0.05", "stages.confirm.configurations.layer"),
    (GIVEN, "metric: val_accuracy, better", "area: val_acc, until: 3, better", "claims.0.area"),
    (GIVEN, "better: layer, worse: none", "drops: {a: 1}", "claims.0.drops"),
    (BY_ARM_GRID, "layer: [0.2, 0.3]", "layer: [0.2, -1]", "search.sigma.grid_by_arm.layer.1"),
    (BY_ARM_GRID, "{sigma: 0.1}", "{sigma: {betwen: [0.1, 1]}}", "claims.0.where.sigma"),
]


@pytest.fixture(scope="module")
def validator():
    return jsonschema.Draft202012Validator(json_schema())


def test_it_is_a_json_schema(validator):
    assert validator.schema["$schema"] == validator.META_SCHEMA["$id"]
    validator.check_schema(validator.schema)


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_accepts(text, validator):
    validator.validate(yaml.safe_load(text))


@pytest.mark.parametrize(
    ("text", "old", "new", "place"),
    [*((BASE, *row) for row in BAD), *((COMPARE, *row) for row in BAD_COMPARISONS), *BAD_POINTS],
)
def test_marks(text, old, new, place, validator):
    assert text.count(old) == 1
    errors = list(validator.iter_errors(yaml.safe_load(text.replace(old, new))))
    assert place in {".".join(map(str, error.absolute_path)) for error in errors}


FORMS = [
    (path, profile)
    for path in sorted(STUDIES.glob("*.yaml"))
    for profile in (None, *yaml.safe_load(path.read_text()).get("profiles", {}))
]


@pytest.mark.parametrize(
    ("path", "profile"), FORMS, ids=[f"{path.stem}-{profile}" for path, profile in FORMS]
)
def test_accepts_every_form_of_a_study(path, profile, validator):
    validator.validate(Source(path, (), profile).content)
    validator.validate(yaml.safe_load(load_spec(path, profile=profile).resolved))


MODELS = [
    "Objective",
    "Budget",
    "ASHA",
    "Hyperband",
    "Median",
    "Scheduler",
    "Resources",
    "Stages",
    "SearchStage",
    "ConfirmStage",
    "Claim",
]


def test_every_key_and_hyperparameter_is_described(validator):
    schema = validator.schema
    models = [schema, *(schema["$defs"][name] for name in MODELS)]
    fields = [field for model in models for field in model["properties"].items()]
    for trainable in schema["allOf"]:
        fields += trainable["then"]["properties"]["fixed"]["properties"].items()
    # The target of a `$ref` has its own description.
    assert [name for name, field in fields if not {"description", "$ref"} & set(field)] == []

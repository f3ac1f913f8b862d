"""The studies that ``noisesweep init`` writes."""

import pytest
import yaml
from pydantic import Field

from sweeps import load_spec
from sweeps.analysis.advice import check_first_look, notes
from sweeps.errors import SweepError
from sweeps.spec.commented import Line, block, scalar
from sweeps.spec.template import study_text
from tests.curves import CurveHyperparameters, Curves
from trainables import registry
from trainables.declarations.hyperparameters import Hyperparameters

# What reads the test split says how certain its plan is; anything else in the notes is a complaint.
DETECTED = "smallest differences detected"


@pytest.fixture
def written(tmp_path):
    """Write a study; returns its path."""

    def write(trainable, compared="noise"):
        path = tmp_path / f"{trainable}.yaml"
        path.write_text(study_text("a-study", trainable, compared))
        return path

    return write


@pytest.mark.parametrize(
    ("trainable", "compared"), [*((name, "noise") for name in registry.BUILT_IN), ("digits", "optimizer")]
)
def test_a_study_of_every_trainable_is_valid_and_can_decide_its_claim(written, trainable, compared):
    path = written(trainable, compared)
    full, quick = load_spec(path), load_spec(path, profile="quick")
    for spec in (full, quick):
        check_first_look(spec)
        assert [note for note in notes(spec) if not note.startswith(DETECTED)] == []
    assert full.compared == compared
    (claim,) = full.claims
    # The claim is about the metric by which the report compares arms.
    assert claim.metric == full.verdict_metric
    assert set(claim.arms) == set(quick.arms) <= set(full.arms)
    assert quick.max_epochs <= 2


@pytest.mark.parametrize("trainable", ["conll2003", "quadratic", "sparse_regression"])
def test_what_is_fixed_are_the_defaults(written, trainable):
    spec = load_spec(written(trainable))
    defaults = spec.declaration.Hyperparameters().model_dump()
    assert spec.fixed == {name: defaults[name] for name in spec.fixed}
    low, high = spec.search["lr"].log_uniform
    assert low < defaults["lr"] < high


def test_every_hyperparameter_is_in_the_file_with_its_description(written):
    text = written("imdb").read_text()
    # Details of measurements are left out.
    left_out = {"noise", "mixing", "weight_noise"}
    fields = registry.declaration("imdb").Hyperparameters.model_fields
    for name, field in fields.items():
        if name not in left_out and not name.startswith(("curvature", "sharpness")):
            assert f"\n  {name}: " in text or f"\n  # {name}: null" in text, name
            assert name == "sigma" or field.description in text, name
    assert "architecture (trans1, trans2, trans3 or recurrent)" in text


@pytest.mark.parametrize(
    ("trainable", "metric", "by"),
    [
        ("digits", "test_accuracy", 0.005),
        ("conll2003", "test_f1", 0.005),
        ("temperatures", "test_rmse", 0.005),
        ("sparse_regression", "test_error", 1.0),
    ],
)
def test_the_claim_is_in_the_unit_of_its_metric(written, trainable, metric, by):
    (claim,) = load_spec(written(trainable)).claims
    assert (claim.metric, claim.by, claim.better, claim.worse) == (metric, by, ["layer"], ["none"])


def test_each_optimizer_keeps_a_weight_decay_of_its_own(written):
    spec = load_spec(written("digits", "optimizer"))
    assert "weight_decay" not in spec.fixed
    assert {str(arm): spec.hyperparameters({"optimizer": arm}).weight_decay for arm in spec.arms} == {
        "sgd": 5e-4,
        "adam": 0.0,
        "adamw": 0.01,
    }
    # Adam's usual learning rate of 0.001 is well within the range.
    assert spec.search["lr"].log_uniform == [1e-4, 0.1]


class MyHyperparameters(CurveHyperparameters):
    epochs: int = Field(1, ge=1, description="passes")
    depth: int = Field(3, ge=1, description="layers of mine")
    label: str = Field("0.1", description="a text that looks like a number")


class Mine(Curves):
    """Curves of my own."""

    name = "mine"
    Hyperparameters = MyHyperparameters


@pytest.fixture
def register(monkeypatch):
    return lambda trainable: monkeypatch.setitem(registry._registered, trainable.name, trainable)


def test_a_trainable_of_the_users_own(written, register):
    register(Mine)
    path = written("mine")
    spec = load_spec(path)
    assert (spec.fixed["depth"], spec.fixed["label"]) == (3, "0.1")
    # A trial of one epoch cannot be stopped early.
    assert spec.early_stopping is None
    assert path.read_text().startswith("# A study of mine: Curves of my own.\n")
    assert "# layers of mine\n" in path.read_text()


def test_a_hyperparameter_without_a_default_is_left_to_the_user(written, register):
    class Needed(Hyperparameters):
        width: int = Field(ge=1, description="a width that is always given")

    class Needing(Mine):
        Hyperparameters = Needed

    register(Needing)
    path = written("mine")
    assert yaml.safe_load(path.read_text())["fixed"]["width"] is None
    with pytest.raises(SweepError, match=r"fixed\.width: "):
        load_spec(path)


@pytest.mark.parametrize(
    ("trainable", "compared", "message"),
    [
        ("digit", "noise", "trainable: 'digit' is not known; did you mean 'digits'?"),
        ("digits", "optimiser", "--compare: 'optimiser' is not known; did you mean 'optimizer'?"),
        ("digits", "lr", "--compare: lr has no list of values to compare; it can be optimizer"),
    ],
)
def test_what_cannot_be_compared(trainable, compared, message):
    with pytest.raises(SweepError) as caught:
        study_text("a-study", trainable, compared)
    assert str(caught.value).startswith(message)


def test_comments_stand_in_a_column_or_above_a_long_line():
    lines = [Line("a", "1", "one"), Line("bc", "2", "two " * 30), Line("d", "null", unset=True)]
    assert block(lines, 2) == f"  a: 1       # one\n  # {'two ' * 30}\n  bc: 2\n  # d: null"


@pytest.mark.parametrize("value", [None, True, 1, 1e-7, "text", "0.1", "no", "a: b", "", "}"])
def test_a_value_is_written_as_yaml_reads_it(value):
    assert yaml.safe_load(f"key: {scalar(value)}") == {"key": value}

"""The declarations of the built-in trainables agree with what trains."""

import inspect
from typing import ClassVar, get_args

import cloudpickle
import pytest

from trainables import registry
from trainables.declarations.base import UNBOUNDED, Declaration
from trainables.images import ImageTrainable
from trainables.imdb import TRANSFORMERS


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_a_trainable_is_its_declaration(name):
    declaration, trainable = registry.declaration(name), registry.get(name)
    assert declaration is not trainable
    assert issubclass(trainable, declaration)
    assert declaration.name == trainable.name == name
    for attribute in ("Hyperparameters", "scores", "fractions", "matters", "data_hyperparameters"):
        assert getattr(trainable, attribute) == getattr(declaration, attribute)
    assert (trainable.metrics(), trainable.test_metrics()) == (
        declaration.metrics(),
        declaration.test_metrics(),
    )
    assert inspect.getdoc(declaration)


def test_fractions_are_within_0_and_1_on_every_split_and_under_weight_noise():
    tagger = registry.declaration("conll2003")
    fractions = ["val_f1", "test_token_accuracy", "test_f1_under_0.1", "val_token_accuracy_under_1e-05"]
    assert [tagger.bounds_of(metric) for metric in fractions] == [(0, 1)] * 4
    others = ["val_loss", "test_loss_under_0.1", "train_loss", "hessian_trace", "epoch_seconds"]
    assert [tagger.bounds_of(metric) for metric in others] == [UNBOUNDED] * 5
    assert registry.declaration("temperatures").bounds_of("val_rmse") == UNBOUNDED


def test_a_trainable_of_ones_own_declares_its_fractions():
    class Mine(registry.declaration("digits")):
        scores: ClassVar = {"accuracy": "max", "accuracy_under_attack": None, "error": "min"}
        fractions: ClassVar = frozenset({"accuracy", "error"})

    known = ["val_error", "test_error_under_0.1", "test_accuracy_under_attack_under_0.1"]
    assert [Mine.bounds_of(metric) for metric in known] == [(0, 1), (0, 1), UNBOUNDED]
    # The name of a score is not taken apart.
    assert Mine.bounds_of("test_accuracy_under_attack") == UNBOUNDED


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_every_declared_model_can_be_built(name):
    field = registry.declaration(name).Hyperparameters.model_fields.get("model")
    trainable = registry.get(name)
    if issubclass(trainable, ImageTrainable):
        assert get_args(field.annotation) == tuple(trainable.architectures)
    elif name == "imdb":
        assert get_args(field.annotation) == (*TRANSFORMERS, "recurrent")
    else:
        assert field is None


def test_one_that_is_registered_is_its_own_declaration(monkeypatch):
    class Mine(registry.get("digits")):
        name = "mine"

    monkeypatch.setitem(registry._registered, "mine", Mine)
    assert registry.declaration("mine") is registry.get("mine") is Mine
    assert registry.registered("mine", ["none"]) == [Mine]
    assert registry.registered("digits", ["none", "sam"]) == []


def test_what_a_trainable_declares_can_be_had_without_its_data(monkeypatch):
    class Mine(registry.get("digits")):
        name = "mine"
        data_of_mine = bytes(10**6)
        draws_data = True

    monkeypatch.setitem(registry._registered, "mine", Mine)
    (declared,) = registry.registered("mine", [], only_declared=True)
    assert declared.__mro__[1] is Declaration
    assert (declared.name, declared.Hyperparameters, declared.metrics()) == (
        "mine",
        Mine.Hyperparameters,
        Mine.metrics(),
    )
    assert (declared.draws_data, declared.fractions) == (True, {"accuracy"})
    assert len(cloudpickle.dumps(declared)) < 10_000

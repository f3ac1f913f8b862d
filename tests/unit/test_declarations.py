"""The declarations of the built-in trainables agree with what trains."""

import inspect
from typing import get_args

import pytest

from trainables import registry
from trainables.images import ImageTrainable
from trainables.imdb import TRANSFORMERS


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_a_trainable_is_its_declaration(name):
    declaration, trainable = registry.declaration(name), registry.get(name)
    assert declaration is not trainable
    assert issubclass(trainable, declaration)
    assert declaration.name == trainable.name == name
    for attribute in ("Hyperparameters", "scores", "data_hyperparameters"):
        assert getattr(trainable, attribute) == getattr(declaration, attribute)
    assert (trainable.metrics(), trainable.test_metrics()) == (
        declaration.metrics(),
        declaration.test_metrics(),
    )
    assert inspect.getdoc(declaration)


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
    assert registry.declaration("mine") is registry.get("mine") is registry.registered("mine") is Mine
    assert registry.registered("digits") is None

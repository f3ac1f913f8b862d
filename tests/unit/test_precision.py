"""Precision of the training steps, over every trainable."""

import math

import pytest
import torch

from tests.cases import CASES
from trainables import precision
from trainables.testing import numbers, same_weights


@pytest.fixture(params=CASES)
def cases(request, data_dir):
    return lambda **changes: CASES[request.param](data_dir, **changes)


def test_bf16_trains_like_float32_but_not_to_the_same_bits(cases):
    exact, mixed = cases().start(), cases(precision="bf16").start()
    for one, other in zip(exact, mixed, strict=True):
        assert math.isclose(one["train_loss"], other["train_loss"], rel_tol=0.05)
        assert math.isclose(one["val_loss"], other["val_loss"], rel_tol=0.05)
    assert not same_weights(exact, mixed)
    assert {p.dtype for p in mixed.task.model.parameters()} == {torch.float32}
    assert {p.grad.dtype for p in mixed.task.model.parameters() if p.requires_grad} == {torch.float32}


def test_only_the_forward_pass_of_a_step_is_in_bf16(cases):
    training = cases(precision="bf16", curvature="end", curvature_draws=2, curvature_examples=8).start()
    task, seen = training.task, {"step": set(), "evaluation": set(), "curvature": set()}
    loss, evaluate = task.loss, task.evaluate

    def seen_loss(batch):
        part = "step" if task.model.training else "curvature"
        seen[part].add(torch.is_autocast_enabled("cpu"))
        return loss(batch)

    def seen_evaluate(*split):
        seen["evaluation"].add(torch.is_autocast_enabled("cpu"))
        return evaluate(*split)

    task.loss, task.evaluate = seen_loss, seen_evaluate
    list(training)
    assert seen == {"step": {True}, "evaluation": {False}, "curvature": {False}}


@pytest.mark.parametrize("name", ["conll2003", "temperatures"])
def test_bf16_trains_lstms_where_onednn_has_none(name, data_dir, monkeypatch):
    """As on a CPU without AVX-512; on one, this is what the tests above do."""
    monkeypatch.setattr(precision, "_onednn_has_bf16_lstm", lambda: False)
    exact, mixed = CASES[name](data_dir).start(), CASES[name](data_dir, precision="bf16").start()
    for one, other in zip(exact, mixed, strict=True):
        assert math.isclose(one["train_loss"], other["train_loss"], rel_tol=0.05)
    assert not same_weights(exact, mixed)
    assert torch.backends.mkldnn.enabled == torch.backends.mkldnn.is_available()
    assert precision.onednn_note(["float32", "bf16"]).startswith("oneDNN has no bfloat16 LSTM")
    assert precision.onednn_note(["float32", "tf32"]) == ""


def test_models_without_an_lstm_keep_onednn(data_dir, monkeypatch):
    monkeypatch.setattr(precision, "_onednn_has_bf16_lstm", lambda: False)
    training, seen = CASES["digits"](data_dir, precision="bf16").start(), set()
    loss = training.task.loss
    training.task.loss = lambda batch: seen.add(torch.backends.mkldnn.enabled) or loss(batch)
    list(training)
    assert seen == {torch.backends.mkldnn.is_available()}


def test_finding_out_what_onednn_has_draws_nothing():
    precision._onednn_has_bf16_lstm.cache_clear()
    before = torch.get_rng_state()
    precision._onednn_has_bf16_lstm()
    assert torch.equal(torch.get_rng_state(), before)


def test_tf32_is_set_while_an_epoch_runs_and_changes_nothing_on_a_cpu(data_dir):
    seen = set()
    training = CASES["digits"](data_dir, precision="tf32").start()
    loss = training.task.loss
    training.task.loss = lambda batch: seen.add(torch.get_float32_matmul_precision()) or loss(batch)
    found = numbers(training)
    assert seen == {"high"}
    assert torch.get_float32_matmul_precision() == "highest"
    assert found == numbers(CASES["digits"](data_dir).start())

"""Trainables of arrays: what the arrays mean, how they are scaled, and what is refused."""

import pickle
import re
from typing import get_args

import datasets
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from PIL import Image
from ray import cloudpickle
from torch import nn

from sweeps.spec.load import load_spec
from trainables import from_arrays, registry
from trainables.data.given import dataset_of
from trainables.data.scaling import mean_and_std
from trainables.examples import Rescale
from trainables.models.mlp import mlp
from trainables.testing import TrainableCase, TrainableContract

RANDOM = np.random.default_rng(0)
X = RANDOM.normal(3.0, 2.0, (260, 5))
LABELS = (X[:, 0] > 3).astype(int) + (X[:, 1] > 3)
TARGETS = np.stack([100 * X[:, 0] + 7, X[:, 1] - X[:, 2]], 1)
PIXELS = RANDOM.integers(0, 256, (60, 3, 8, 8)).astype(np.uint8)


def narrow(shape, outputs):
    return mlp([8], shape, outputs)


def linear(shape, outputs):
    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(shape)), outputs))


def case_of(y, **changes):
    trainable = from_arrays("mine", X, y, networks={"narrow": narrow})
    values = {"epochs": 2, "batch_size": 32, "train_subset": 180, "lr": 0.05} | changes
    return TrainableCase(trainable(), trainable.Hyperparameters(**values))


class TestContract(TrainableContract):
    modes = ("after_layer", "sam")

    @pytest.fixture(params=["classification", "regression"])
    def case(self, request):
        return case_of(LABELS if request.param == "classification" else TARGETS)


# What the arrays mean


@pytest.mark.parametrize(
    "y",
    [
        LABELS,
        *(LABELS.astype(kind) for kind in ("u1", "u2", "u4", "u8", object)),
        LABELS > 0,
        torch.from_numpy(LABELS)[:, None],
        LABELS.tolist(),
        pd.Series(LABELS, dtype="Int64"),
        pd.DataFrame({"y": LABELS}),
    ],
)
def test_whole_numbers_and_truth_values_are_labels(y):
    trainable = from_arrays("mine", X, y)
    assert trainable.metrics()["val_accuracy"] == "max"
    assert trainable.outputs == len(np.unique(y))
    assert trainable.train.targets.shape == (208,)
    assert get_args(trainable.Hyperparameters.model_fields["model"].annotation) == ("shallow", "wide", "deep")


@pytest.mark.parametrize("y", [TARGETS[:, 0], TARGETS.astype("f2"), torch.from_numpy(TARGETS).bfloat16()])
def test_floating_point_numbers_are_targets(y):
    trainable = from_arrays("mine", X, y)
    assert trainable.metrics()["val_rmse"] == "min"
    assert "val_accuracy" not in trainable.metrics()
    assert trainable.outputs == trainable.train.targets.shape[1] == (1 if y.ndim == 1 else 2)


def test_classes_are_the_distinct_labels_in_order():
    data = dataset_of(X[:20], np.array([7, 3, 5, 3] * 5), (X[:3], np.array([3, 5, 7])))
    assert data.classes.tolist() == [3, 5, 7]
    assert data.train.targets[:4].tolist() == [2, 0, 1, 0]
    assert data.test.targets.tolist() == [0, 1, 2]
    assert data.note == "the labels 3, 5, 7 of y are the classes 0 to 2"


@pytest.mark.parametrize(
    ("y", "note"),
    [
        (LABELS, ""),
        (LABELS > 0, ""),
        (1 + np.arange(260) % 100, "the labels 1, 2, 3, ..., 100 of y are the classes 0 to 99"),
        (
            LABELS.astype(float),
            "y has .* a regression; for a classifier of its 3 values give whole numbers from 0",
        ),
        (LABELS + 1.0, "y has .* of its 3 values give .*"),
        (np.where(LABELS, 1.0, -1.0), "y has .* of its 2 values give .*"),
        (
            np.eye(3)[LABELS],
            r"y has .* a regression; for a classifier of its one-hot labels give y.argmax\(1\)",
        ),
        (np.eye(3)[LABELS][:, :2], ""),
        (LABELS / 2, ""),
        (np.arange(260.0), ""),
        (TARGETS, ""),
    ],
)
def test_labels_that_are_renumbered_or_are_targets_are_noted(y, note):
    assert re.fullmatch(note, dataset_of(X, y, (X, y)).note)


# What people have as arrays

PEOPLE = RANDOM.integers(0, 256, (30, 8, 8)).astype(np.uint8)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (X.tolist(), X),
        (X.astype(object), X),
        (pd.DataFrame(X), X),
        (pd.DataFrame(X).assign(more=LABELS > 0), np.column_stack([X, LABELS > 0])),
        (pd.Series(X.tolist()), X),
        ([torch.from_numpy(row) for row in X], X),
        (datasets.Dataset.from_dict({"x": X.tolist()})["x"], X),
        ([Image.fromarray(pixels) for pixels in PEOPLE], PEOPLE[:, None]),
        (np.array([[2**70, 1], [3, 4]] * 10, dtype=object), np.array([[2.0**70, 1], [3, 4]] * 10)),
    ],
)
def test_numbers_in_other_containers_are_arrays(x, expected):
    y = np.arange(len(x)) % 2
    inputs = dataset_of(x, y, (x, y)).train.inputs
    assert inputs.dtype == expected.dtype
    assert np.array_equal(inputs, expected)


FRAME = pd.DataFrame(X[:, :2], columns=["age", "height"])
TURNED = FRAME[["height", "age"]]
REORDERED = "column 0 is 'age' in x and 'height' in x_test; give x_test[x.columns]"


@pytest.mark.parametrize(
    ("x", "x_test", "message"),
    [
        (FRAME, TURNED, REORDERED),
        (
            FRAME,
            FRAME.rename(columns={"height": "weight"}),
            "column 1 is 'height' in x and 'weight' in x_test; name and order them alike",
        ),
        (
            pd.DataFrame(X),
            pd.DataFrame(X)[[1, 0, *range(2, X.shape[1])]],
            "column 0 is 0 in x and 1 in x_test; give x_test[x.columns]",
        ),
    ],
)
def test_columns_of_a_test_frame_in_another_order_or_with_other_names_are_refused(x, x_test, message):
    with pytest.raises(ValueError, match=re.escape(f"x and x_test have different columns: {message}")):
        dataset_of(x, LABELS, (x_test, LABELS))


def test_targets_in_columns_of_another_order_are_refused():
    with pytest.raises(ValueError, match="y and y_test have different columns: column 0 is 'age' in y"):
        dataset_of(X, FRAME, (X, TURNED))


@pytest.mark.parametrize(
    ("x", "x_test"),
    [(FRAME, FRAME[:50]), (FRAME, X[:, :2]), (X[:, :2], TURNED), (FRAME, pd.DataFrame(X[:, :2]))],
)
def test_columns_that_agree_or_have_no_names_are_taken_by_position(x, x_test):
    data = dataset_of(x, LABELS, (x_test, LABELS[: len(x_test)]))
    assert np.array_equal(data.test.inputs, np.asarray(x_test))


@pytest.mark.parametrize("part", ["", "_test"])
def test_an_index_in_another_order_is_refused(part):
    y = pd.Series(LABELS)
    shuffled = y.sample(frac=1, random_state=0)
    given = (FRAME, shuffled, (FRAME, y)) if not part else (FRAME, y, (FRAME, shuffled))
    x_name, y_name = f"x{part}", f"y{part}"
    message = (
        f"{x_name} and {y_name} have the same index in different orders: row 0 is 0 in {x_name} and "
        f"{shuffled.index[0]} in {y_name}; give {y_name}.loc[{x_name}.index], or {y_name}.to_numpy() if its "
        f"rows are in the order of {x_name}"
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        dataset_of(*given)
    assert np.array_equal(dataset_of(FRAME, shuffled.loc[FRAME.index], None).classes, [0, 1, 2])


@pytest.mark.parametrize(
    "y",
    [
        pd.Series(LABELS),
        # Labels of other rows, and labels that occur twice, say nothing of the order.
        pd.Series(LABELS, index=range(1, 1 + len(LABELS))),
        pd.Series(LABELS, index=[0, 0, *range(2, len(LABELS))]),
        LABELS.tolist(),
    ],
)
def test_an_index_that_tells_no_other_order_is_ignored(y):
    assert np.array_equal(dataset_of(FRAME, y, (FRAME, LABELS)).train.targets, LABELS)


def test_without_a_test_split_a_fifth_is_held_out_and_the_note_says_so():
    trainable = from_arrays("mine", X, LABELS)
    parts = [set(map(tuple, part.inputs)) for part in (trainable.train, trainable.test)]
    assert [len(part) for part in parts] == [208, 52]
    assert parts[0] | parts[1] == set(map(tuple, X))
    assert trainable.note == ("mine: no test split was given: 52 of the 260 examples are held out for it")
    again = from_arrays("mine", X, LABELS)
    assert np.array_equal(again.test.inputs, trainable.test.inputs)
    assert again.fingerprint == trainable.fingerprint


def test_the_fingerprint_has_shapes_types_the_test_split_and_the_classes():
    test = X[:9], LABELS[:9]
    given = [
        (X, LABELS, test),
        (X + 1, LABELS, test),
        (X[:, None], LABELS, (X[:9, None], LABELS[:9])),
        (X, LABELS + 5, (X[:9], LABELS[:9] + 5)),
        (X, 2 - LABELS, (X[:9], 2 - LABELS[:9])),
        (X, LABELS, (X[1:10], LABELS[1:10])),
        (X.view("i8"), LABELS, (X[:9].view("i8"), LABELS[:9])),
    ]
    assert len({dataset_of(*arrays).fingerprint for arrays in given}) == len(given)
    assert dataset_of(*given[0]).fingerprint == dataset_of(X.copy(), LABELS.copy(), test).fingerprint


def test_arrays_that_need_no_change_are_not_copied():
    test = X[:9].copy(), LABELS[:9]
    trainable = from_arrays("mine", X, LABELS, test=test)
    assert np.shares_memory(trainable.train.inputs, X)
    task = trainable().task(trainable.Hyperparameters(), torch.device("cpu"), 0)
    assert np.shares_memory(task._inputs.numpy(), X)


# Scaling


@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.float32, np.float64])
def test_mean_and_deviation_are_those_of_each_feature(kind, monkeypatch):
    monkeypatch.setattr("trainables.data.scaling._CHUNK", 100)
    values = (100 * RANDOM.random((50, 3, 2))).astype(kind)
    values[:, 1, 1] = 7
    mean, std = mean_and_std(values)
    wide = values.astype(np.longdouble)
    assert mean == pytest.approx(wide.mean(0).astype(float))
    expected = wide.std(0).astype(float)
    # A constant feature must not be divided by zero.
    expected[1, 1] = 1
    assert std == pytest.approx(expected)


def test_a_constant_that_has_no_exact_mean_is_left_as_it_is():
    assert mean_and_std(np.full((1_000_003, 1), 0.1))[1].tolist() == [1.0]


def test_images_are_scaled_by_channel():
    mean, std = mean_and_std(PIXELS)
    assert mean.shape == std.shape == (3, 1, 1)
    assert mean.ravel() == pytest.approx(PIXELS.mean((0, 2, 3)))
    assert std.ravel() == pytest.approx(PIXELS.std((0, 2, 3)))
    grey = from_arrays("mine", PIXELS[:, 0], np.arange(60) % 2)
    assert grey.train.inputs.shape[1:] == (1, 8, 8)


def test_large_numbers_are_scaled_in_double_precision():
    seconds = 1.7e9 + np.arange(100.0)[:, None]
    trainable = from_arrays("mine", seconds, np.arange(100) % 2, test=(seconds, np.arange(100) % 2))
    scaled = trainable().normalise()(torch.from_numpy(seconds))
    assert scaled.dtype == torch.float32
    assert scaled.numpy().ravel() == pytest.approx((np.arange(100) - 49.5) / np.arange(100).std(), rel=1e-6)


def test_the_scores_of_a_regression_are_in_the_unit_of_the_targets():
    case = case_of(TARGETS)
    task = case.start().task
    task.model.eval()
    test = case.trainable.test
    inputs = torch.from_numpy(test.inputs)
    predicted = case.trainable.serving(task.model, case.hyperparameters)(inputs).detach().numpy()
    assert predicted.shape == (52, 2)
    scores = task.evaluate("test")
    assert scores["rmse"] == pytest.approx(np.sqrt(np.mean((predicted - test.targets) ** 2)), rel=1e-4)
    std = case.trainable.train.targets.std(0)
    assert scores["loss"] == pytest.approx(np.mean(((predicted - test.targets) / std) ** 2), rel=1e-4)


def test_the_saved_network_keeps_the_digits_of_targets_far_from_zero():
    rescale = Rescale(np.array([1e9]), np.array([4.0]))
    assert rescale(torch.tensor([[0.5], [0.25]])).tolist() == [[1e9 + 2], [1e9 + 1]]


# Networks


def test_own_networks_are_the_models():
    trainable = from_arrays("mine", X, TARGETS, networks={"narrow": narrow, "linear": linear})
    assert get_args(trainable.Hyperparameters.model_fields["model"].annotation) == ("narrow", "linear")
    built = trainable().model(trainable.Hyperparameters())
    assert [tuple(p.shape) for p in built.parameters()] == [(8, 5), (8,), (2, 8), (2,)]
    assert not trainable.fixed_shapes
    assert from_arrays("mine", X, TARGETS).fixed_shapes


def test_checking_a_network_draws_no_random_number_of_the_user():
    torch.manual_seed(0)
    before = torch.get_rng_state()
    from_arrays("mine", X, TARGETS, networks={"narrow": narrow})
    assert torch.equal(torch.get_rng_state(), before)


def test_the_class_reaches_another_process_and_its_arrays_are_shared():
    def own(shape, outputs):
        return linear(shape, outputs)

    x, y = np.tile(X, (50, 1)), np.tile(LABELS, 50)
    trainable = from_arrays("mine", x, y, networks={"own": own})
    buffers = []
    pickled = cloudpickle.dumps(trainable, protocol=5, buffer_callback=buffers.append)
    # The arrays lie outside, where Ray shares them.
    assert len(pickled) < x.nbytes / 10
    loaded = pickle.loads(pickled, buffers=[memoryview(buffer.raw()).toreadonly() for buffer in buffers])
    assert not loaded.train.inputs.flags.writeable
    case = TrainableCase(loaded(), loaded.Hyperparameters(epochs=1))
    assert "val_accuracy" in next(iter(case.start()))


def test_a_spec_travels_without_the_arrays(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    x = np.tile(X, (50, 1))
    registry.register(from_arrays("mine", x, np.tile(LABELS, 50)))
    spec = load_spec(
        {
            "name": "study",
            "trainable": "mine",
            "mode": "grid",
            "search": {"lr": {"grid": [0.1]}},
            "objective": {"metric": "val_accuracy", "mode": "max"},
        }
    )
    assert spec.declaration.train.inputs.nbytes == x.nbytes * 4 / 5
    pickled = cloudpickle.dumps(spec)
    assert len(pickled) < x.nbytes / 10
    assert pickle.loads(pickled) == spec


# What is refused

ROW_3 = np.where(np.arange(260)[:, None] == 3, np.nan, X)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ((X[:9], LABELS), "x has 9 rows and y 260; they need one row each for every example"),
        ((ROW_3, LABELS), "x has NaN or infinity, first in row 3; drop or fill such rows"),
        ((X, np.where(LABELS == 0, np.inf, 1.0)), "y has NaN or infinity, first in row"),
        ((X, LABELS, (ROW_3, LABELS)), "x_test has NaN or infinity"),
        ((X, TARGETS * 1e300), r"y has a number of 1e\+150 or more, first in row 0; use a larger unit"),
        ((X * 1e200, LABELS), r"x has a number of 1e\+150 or more, first in row 0; use a larger unit"),
        ((X[:0], LABELS[:0]), r"x is empty: it has the shape \(0, 5\)"),
        ((X, LABELS, X), r"test must have the inputs and .* test=\(x_test, y_test\), got ndarray"),
        ((X, LABELS, (X, LABELS, LABELS)), "test must have the inputs and the targets, .* got 3 of them"),
        ((torch.from_numpy(X).to_sparse(), LABELS), r"x cannot be read .*TypeError.*; give .*x.to_dense\(\)"),
        ((X[0, 0], LABELS), r"x is empty: it has the shape \(\)"),
        (
            (pd.DataFrame(X).assign(sex="m"), LABELS),
            "x must have numbers, got 'm' in row 0, column 'sex'; turn text and categories into",
        ),
        ((X, LABELS.astype(str)), r"y must have numbers, got np.str_\('[012]'\) in row 0; turn text"),
        ((X, [None, *LABELS[1:]]), "y has NaN or infinity, first in row 0; drop or fill such rows"),
        ((X, None), "y must have numbers, got NoneType; turn text"),
        ((scipy.sparse.csr_matrix(X), LABELS), r"x must have numbers, got csr_matrix; .* with toarray\(\)"),
        (
            ([*X[:3].tolist(), [1.0, 2.0]], LABELS[:4]),
            "x has examples of different shapes: row 0 .*5.* row 3 .*2",
        ),
        ((np.ma.masked_less(X, 0), LABELS), r"x is a masked array; drop .* such as with x.filled\(0\)"),
        (
            (X, LABELS - 1),
            r"y has the label -1; drop rows without a label, and number .* return_inverse=True",
        ),
        ((X, LABELS, (X, LABELS * 0)), "y_test has one class, 0; a classifier needs two or more"),
        ((X, LABELS * 0), "y has one class, 0; a classifier needs two or more"),
        ((X, np.eye(3, dtype=int)[LABELS]), r"y has the shape \(260, 3\); labels must be \(N,\); of one"),
        ((X, np.arange(260)), r"y has 260 classes in 260 examples; for a regression .* y.astype\(float\)"),
        ((X, LABELS, (X, LABELS + 1)), "y_test has the label 3, which y does not have"),
        (
            (X, LABELS, (X[:, :2], LABELS)),
            r"examples of x and x_test have different shapes: \(5,\) and \(2,\)",
        ),
        ((X, LABELS, (X.astype("f4"), LABELS)), "x and x_test have different types: float64 and float32"),
        ((X, LABELS, (X, TARGETS[:, 0])), "examples of y and y_test have different shapes"),
        ((X, TARGETS[:, :, None]), r"y has the shape \(260, 2, 1\); targets must be"),
        ((X, TARGETS * 0), "y has the same target in every example"),
        ((X[:11], LABELS[:11]), "there must be 10 training examples or more, got 9"),
        (
            (PIXELS.transpose(0, 2, 3, 1), LABELS[:60]),
            r"x has the shape .* if the last axis has the channels, give np.transpose\(x, \(0, 3, 1, 2\)\)",
        ),
        (
            (torch.from_numpy(PIXELS).permute(0, 2, 3, 1), LABELS[:60]),
            r"x has the shape .* if the last axis has the channels, give x.permute\(0, 3, 1, 2\)",
        ),
    ],
)
def test_arrays_that_are_no_data_are_refused_at_once(arrays, message):
    with pytest.raises(ValueError, match=f"^mine: {message}"):
        from_arrays("mine", *arrays)


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ({}, "networks must have the networks by their names, got {}"),
        (
            {"flat": lambda shape, outputs: nn.Linear(5, 1)},
            r"the network 'flat' maps two .* \(2, 1\); .* \(2, 2\)",
        ),
        (
            {"none": lambda shape, outputs: nn.ReLU()},
            "the network 'none' must be a torch.nn.Module with parameters",
        ),
        (
            {"size": lambda shape, outputs: nn.Linear(7, 2)},
            r"the network 'size' fails \(RuntimeError: .*\); it must take inputs of the shape \(2, 5\)",
        ),
        (
            {"one": lambda shape: nn.Linear(5, 2)},
            r"the network 'one' cannot be built \(TypeError: .*\); it is called with .*, \(5,\), and .*, 2",
        ),
        ({"made": nn.Linear(5, 2)}, "the network 'made' is a module that exists already; give a function or"),
        (nn.Linear(5, 2), "networks must have the networks by their names, got Linear"),
    ],
)
def test_networks_that_do_not_fit_are_refused_at_once(networks, message):
    with pytest.raises(ValueError, match=f"mine: {message}"):
        from_arrays("mine", X, TARGETS, networks=networks)


def test_a_name_is_text():
    with pytest.raises(ValueError, match='name must be a text, such as "mine", got 3'):
        from_arrays(3, X, LABELS)

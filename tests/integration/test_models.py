"""Saved networks are loaded without this package's classes and predict the same as the trained ones."""

import mlflow
import numpy as np
import pytest
import torch
from torch.nn.functional import pad

from sweeps.worker.export import save_model
from tests.cases import CASES
from trainables.data.text import N_SPECIAL, VOCABULARY_FILE

# One for each kind of input, and for each kind of layer that is exported in its own way.
MODELS = [
    ("digits", {}),
    ("cifar10", {"model": "resnet18"}),
    ("imdb", {"model": "trans2"}),
    *(("imdb", {"model": "recurrent", "cell": cell}) for cell in ("lstm", "gru", "rnn")),
    ("conll2003", {"layers": 2}),
    ("sparse_regression", {}),
    ("temperatures", {}),
    ("linear_network", {}),
    ("quadratic", {}),
]


@pytest.mark.parametrize(("name", "changes"), MODELS)
def test_a_saved_network_predicts_the_same(name, changes, data_dir, tmp_path):
    case = CASES[name](data_dir, epochs=1, train_subset=8, **changes)
    training = case.start()
    list(training)
    network = training.task.model.eval()
    save_model(
        tmp_path / "m", case.trainable, case.hyperparameters.model_dump(), training.state_dict()["model"]
    )
    loaded = mlflow.pyfunc.load_model(str(tmp_path / "m"))
    width = loaded.metadata.signature.inputs.inputs[0].shape[1:]
    if case.trainable.companions(case.hyperparameters):
        words = torch.randint(N_SPECIAL, N_SPECIAL + 3, (3, 7))
        inputs, expected = pad(words, (0, width[0] - 7)), network(words)
    else:
        inputs = (torch.rand(3, *width) * 16).to(case.trainable.example_input(case.hyperparameters).dtype)
        expected = case.trainable.serving(network, case.hyperparameters)(inputs)
    found = loaded.predict(inputs.numpy())
    if name == "conll2003":
        found = found[:, :7]
    assert np.allclose(found, expected.detach().numpy(), atol=1e-4)


@pytest.mark.parametrize("name", ["imdb", "conll2003"])
def test_the_vocabulary_is_saved_beside_the_network(name, made_data, tmp_path):
    case = CASES[name](made_data, max_words=4) if name == "imdb" else CASES[name](made_data, cell="rnn")
    state = case.start().state_dict()["model"]
    save_model(tmp_path / "m", case.trainable, case.hyperparameters.model_dump(), state)
    words = (tmp_path / "m" / VOCABULARY_FILE).read_text().splitlines()
    assert len(words) == len(state["embedding.weight"])
    assert words[0] == "<padding>"

"""The trainable that CONTRIBUTING walks through keeps the contract."""

import re
from pathlib import Path

import pytest

from trainables.testing import TrainableCase, TrainableContract

TEXT = Path(__file__).parents[1].joinpath("CONTRIBUTING.md").read_text()
NAMESPACE: dict = {}
exec(re.search(r"```python\n(.*?)```", TEXT, re.DOTALL).group(1), NAMESPACE)


class TestParity(TrainableContract):
    @pytest.fixture
    def case(self):
        parity = NAMESPACE["Parity"]
        hyperparameters = parity.Hyperparameters(epochs=2, batch_size=32, lr=0.05, train_subset=200)
        return TrainableCase(parity(), hyperparameters)

"""The trainable that CONTRIBUTING walks through keeps the contract."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from ray import cloudpickle

from trainables.testing import TrainableCase, TrainableContract

TEXT = Path(__file__).parents[2].joinpath("CONTRIBUTING.md").read_text()
WALKED_THROUGH = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL).group(1)
NAMESPACE: dict = {}
exec(WALKED_THROUGH, NAMESPACE)


class TestParity(TrainableContract):
    @pytest.fixture
    def case(self):
        parity = NAMESPACE["Parity"]
        hyperparameters = parity.Hyperparameters(epochs=2, batch_size=32, lr=0.05, train_subset=200)
        return TrainableCase(parity(), hyperparameters)


def test_a_class_defined_in_a_script_reaches_another_process(tmp_path):
    script = {"__name__": "__main__"}
    exec(WALKED_THROUGH, script)
    (tmp_path / "class").write_bytes(cloudpickle.dumps(script["Parity"]))
    load = f"made = pickle.load(open({str(tmp_path / 'class')!r}, 'rb'))"
    code = f"import pickle; {load}; print(made.name, made.classes)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "parity 2\n"

"""The trainable that CONTRIBUTING walks through keeps the contract."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from ray import cloudpickle

from trainables.testing import TrainableCase, TrainableContract

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "CONTRIBUTING.md").read_text()
WALKED_THROUGH = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL).group(1)
NAMESPACE: dict = {}
exec(WALKED_THROUGH, NAMESPACE)


class TestSmallFashion(TrainableContract):
    modes = ("after_layer",)

    @pytest.fixture
    def case(self, data_dir):
        small = NAMESPACE["SmallFashion"]
        hyperparameters = small.Hyperparameters(epochs=2, batch_size=8, lr=0.05, train_subset=50)
        return TrainableCase(small(data_dir), hyperparameters)


def test_a_class_defined_in_a_script_reaches_another_process(tmp_path):
    script = {"__name__": "__main__"}
    exec(WALKED_THROUGH, script)
    (tmp_path / "class").write_bytes(cloudpickle.dumps(script["SmallFashion"]))
    load = f"made = pickle.load(open({str(tmp_path / 'class')!r}, 'rb'))"
    code = f"import pickle; {load}; print(made.name, made.Hyperparameters().model)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "small-fashion small\n"


def test_the_noise_mode_that_it_walks_through_works_from_an_installed_package(tmp_path):
    code = next(
        block for block in re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL) if "NoiseMode" in block
    )
    (tmp_path / "uphill_package.py").write_text(code)
    info = tmp_path / "uphill_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: uphill-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[noisesweep.noise_modes]\nuphill = uphill_package:Uphill\n")
    train = """
from trainables.digits import Digits
from trainables.testing import numbers

def losses(mode, sigma):
    hp = Digits.Hyperparameters(epochs=1, train_subset=64, batch_size=32, noise=mode, sigma=sigma)
    return numbers(Digits().start(hp, seed=0, equal="steps"))[0]["val_loss"]

assert losses("uphill", 0.1) == losses("all", 0.1) != losses("none", 0.0)
print("uphill" in str(Digits.Hyperparameters.model_json_schema()))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-c", train], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout == "True\n"

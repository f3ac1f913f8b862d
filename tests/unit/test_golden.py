"""Losses that no change may move unawares: float64 on the CPU, on data that never change.

``python -m tests.unit.test_golden`` writes those that are missing. After a change that is meant to move some,
delete them first, and say in the commit what moved them and why.
"""

import json
import os
import tempfile
from pathlib import Path

import pytest
import torch

from tests.cases import CASES
from tests.made_data import write_made_data
from trainables import NOISE_MODES

GOLDEN = Path(__file__).parent / "golden"
LOSSES = ("train_loss", "val_loss")


def losses(name, mode, data_dir):
    epochs = CASES[name](data_dir).noisy(mode)
    return [[metrics[loss] for loss in LOSSES] for metrics in epochs]


@pytest.mark.parametrize("mode", NOISE_MODES)
@pytest.mark.parametrize("name", CASES)
def test_losses_are_those_pinned(name, mode, made_data, float64):
    pinned = json.loads((GOLDEN / f"{name}.json").read_text())[mode]
    for epoch, expected in zip(losses(name, mode, made_data), pinned, strict=True):
        assert epoch == pytest.approx(expected, rel=1e-9)


def write_golden():
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    GOLDEN.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NOISESWEEP_CACHE_DIR"] = f"{folder}/cache"
        write_made_data(Path(folder))
        for name in CASES:
            file = GOLDEN / f"{name}.json"
            kept = json.loads(file.read_text()) if file.exists() else {}
            missing = [mode for mode in NOISE_MODES if mode not in kept]
            pinned = kept | {mode: losses(name, mode, Path(folder)) for mode in missing}
            file.write_text(json.dumps(pinned, indent=1) + "\n")


if __name__ == "__main__":
    write_golden()

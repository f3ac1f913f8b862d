"""torch's compiler, left out of workers."""

import subprocess
import sys

import pytest

START = """
import sys, torch
from sweeps.engine.compiler import defer_compiler
defer_compiler()
"""
TRAIN = """
from trainables import get
Digits = get("digits")
for optimizer in ("sgd", "adam", "adamw"):
    hp = Digits.Hyperparameters(epochs=1, noise="layer", sigma=0.1, optimizer=optimizer)
    list(Digits().start(hp, seed=0))
"""
LOADED = """
print(sys.modules["torch._dynamo"] is torch._dynamo, "torch._dynamo.eval_frame" in sys.modules)
"""


def printed(*parts):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", "".join(parts)], capture_output=True, text=True, check=True
    )
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    "use",
    [
        "assert torch.compile(lambda x: x + 1, backend='eager')(torch.ones(1)) == 2",
        "import torch._dynamo.config",
        "torch.compiler.disable(lambda x: x)",
    ],
)
def test_it_is_imported_only_when_something_compiles(use):
    look = "import importlib.util\nassert importlib.util.find_spec('torch._dynamo').origin\n"
    assert printed(START, look, TRAIN, LOADED, use, LOADED) == ["True False", "True True"]


def test_one_that_is_imported_stays():
    before = "import torch._dynamo\nreal = torch._dynamo\n"
    after = "assert torch._dynamo is real\n"
    assert printed(before, START, after, LOADED) == ["True True"]

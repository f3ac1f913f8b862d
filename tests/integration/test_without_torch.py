"""Commands and drivers do not load torch or other libraries that they do not use."""

import os
import subprocess
import sys

import pytest
import yaml

from tests.integration.test_ray_session import environment_of_its_own
from tests.made_sweeps import made_comparison

LARGE = ("torch", "ray", "mlflow", "pandas", "scipy.stats", "sklearn", "matplotlib", "datasets")
SPEC = {
    "name": "small",
    "trainable": "digits",
    "fixed": {"epochs": 1, "train_subset": 100},
    "search": {"lr": {"grid": [0.1]}},
    "objective": {"metric": "val_accuracy", "mode": "max"},
}
COMMAND = """
import sys
from sweeps import cli
sys.argv = ["noisesweep", *{arguments}]
try:
    cli.main()
except SystemExit as ended:
    assert not ended.code, ended.code
print("loaded", *[name for name in {names} if name in sys.modules])
"""
# Its trials fail if the compiler of torch has been loaded after their training.
WORKER = """
import sys
from trainables.digits import Digits

class Noting(Digits):
    name = "noting"

    def start(self, *arguments, **options):
        training = super().start(*arguments, **options)
        for epoch in training:
            pass
        training.state_dict()
        assert "torch._dynamo" not in sys.modules
        return super().start(*arguments, **options)
"""


def loaded_by(folder, *arguments, names=LARGE):
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", COMMAND.format(arguments=arguments, names=names)],
        cwd=folder,
        env=environment_of_its_own(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1].split()[1:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return a folder with a sweep that has been run, and check what its driver loaded."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "sweep.yaml").write_text(yaml.safe_dump(SPEC))
    assert loaded_by(folder, "run", "sweep.yaml", names=("torch", "mlflow", "sklearn", "ray")) == ["ray"]
    return folder


@pytest.mark.parametrize(
    "arguments", [("validate", "sweep.yaml"), ("list",), ("schema",), ("status", "small")], ids=str
)
def test_commands_that_only_read_load_no_large_library(folder, arguments):
    assert loaded_by(folder, *arguments) == []


def test_the_report_loads_neither_torch_nor_ray_nor_mlflow(folder):
    assert loaded_by(folder, "report", "small", names=("torch", "ray", "mlflow", "sklearn")) == []


def test_loading_results_loads_no_large_library(tmp_path):
    claim = {"name": "layer wins", "metric": "test_accuracy", "better": "layer", "worse": "none"}
    made_comparison(claim).write(tmp_path / "runs")
    names = ("torch", "ray", "mlflow", "optuna", "pandas", "matplotlib", "plotly")
    code = (
        "import sys, sweeps\nresult = sweeps.load('made-comparison')\nassert result.complete, result.path\n"
    )
    code += f"print(result.claims[0].judgement.verdict, *[name for name in {names} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=tmp_path,
        env=environment_of_its_own(),
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.returncode) == ("supported\n", 0), done.stderr


def test_a_trial_does_not_load_the_compiler_of_torch(tmp_path):
    (tmp_path / "noting.py").write_text(WORKER)
    script = (
        "import noting, sweeps, trainables\n"
        "trainables.register(noting.Noting)\n"
        f"result = sweeps.run({ {**SPEC, 'trainable': 'noting'} })\n"
        "print(result.best.trial.status)"
    )
    environment = environment_of_its_own()
    environment["PYTHONPATH"] += os.pathsep + str(tmp_path)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1:] == ["finished"], done.stdout + done.stderr

"""What a new user types first: what there is to run, a YAML of one's own, completion, the version."""

import json
import os
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from sweeps import load_spec, run
from sweeps.record.folder import create_sweep
from sweeps.spec.source import shipped_studies
from sweeps.tracking import release
from sweeps.tracking.provenance import provenance
from tests.integration.test_cli import noisesweep as noisesweep

ROOT = Path(__file__).parents[2]
VERSION = version("noisesweep").partition("+")[0]
BASH = shutil.which("bash")
GIT = shutil.which("git")


def test_init_writes_a_study_and_says_what_to_do_next(noisesweep, tmp_path):
    code, output, errors = noisesweep("init", "sparse_regression")
    assert (code, errors) == (0, "")
    first, *steps = output.splitlines()
    assert first.startswith("sparse-regression-noise.yaml is written")
    commands = [step.partition("#")[0].split() for step in steps]
    assert [command[-3:] for command in commands[:1]] == [
        ["noisesweep", "validate", "sparse-regression-noise.yaml"]
    ]
    assert commands[2][-4:] == ["run", "sparse-regression-noise.yaml", "--profile", "quick"]
    assert load_spec(tmp_path / "sparse-regression-noise.yaml").name == "sparse-regression-noise"
    assert noisesweep("validate", "sparse-regression-noise.yaml")[0] == 0


def test_init_overwrites_nothing(noisesweep, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    code, _, errors = noisesweep("init", "digits", "mine.yaml")
    assert code == 1
    assert errors == "noisesweep: mine.yaml: exists already, and is left as it is; give another FILE"
    assert path.read_text() == "precious"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (("digit",), 1, "did you mean 'digits'?"),
        (("digits", "mine"), 2, "FILE must end in .yaml, such as mine.yaml, got mine"),
        (("digits", "my study.yaml"), 2, "its name, without .yaml, is the study's"),
        (("digits", "no/mine.yaml"), 1, "no/mine.yaml: there is no folder no; create it first"),
    ],
)
def test_what_init_cannot_write(noisesweep, tmp_path, monkeypatch, words, code, message):
    # Errors in arguments are drawn in a box as wide as the terminal.
    monkeypatch.setenv("COLUMNS", "200")
    status, output, errors = noisesweep("init", *words)
    assert (status, output) == (code, "")
    assert message in errors
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("trainable", ["digits", "quadratic"])
def test_what_init_writes_runs(ray_session, noisesweep, tmp_path, trainable):
    noisesweep("init", trainable, "mine.yaml")
    fewer = ["fixed.epochs=1", "stages.search.trials_per_arm=1", "stages.confirm.at={}", "claims=[]"]
    other = ["stages.search.scheduler=none", "stages.confirm.looks=null", "stages.confirm.seeds=2"]
    result = run(load_spec("mine.yaml", [*fewer, *other], "quick"), storage=tmp_path / "runs")
    assert result.complete
    assert result.state.counts()["finished"] == 2 + 2 * 2
    assert result.state.spec.name == "mine-quick"


def test_run_without_a_file_lists_what_there_is(noisesweep, tmp_path):
    noisesweep("init", "digits")
    (tmp_path / "other.yaml").write_text("no: study\n")
    (tmp_path / "broken.yaml").write_text("trainable: [digits\n")
    (tmp_path / "wrong.yaml").write_text("trainable: digits\n")
    code, output, errors = noisesweep("run")
    assert (code, errors) == (2, "")
    lines = output.splitlines()
    rows = {line.split()[0]: line for line in lines if line.startswith("  ")}
    assert set(shipped_studies()) <= rows.keys()
    assert "Which noise helps VGG11 on CIFAR-100, and at which sigma?" in rows["cifar100-vgg11"]
    assert rows["cifar100-vgg11"].split()[-6:] == ["GPU", "339", "x", "100", "epochs", "quick"]
    own = lines[lines.index(next(line for line in lines if line.startswith("studies in this folder"))) :]
    names = [line.split()[0] for line in own if ".yaml " in line]
    assert names == ["digits-noise.yaml", "wrong.yaml"]
    assert "has mistakes: see noisesweep validate" in rows["wrong.yaml"]
    assert any(line.startswith("  noisesweep init TRAINABLE") for line in lines)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("file", "hint"),
    [
        ("fmnist-shalow", "no such file, nor a shipped study; did you mean 'fmnist-shallow'?"),
        ("digits-nois", "no such file, nor a shipped study; did you mean 'digits-noise.yaml'?"),
        ("digits-nose.yaml", "no such file; did you mean 'digits-noise.yaml'?"),
        ("zzz", "no such file, nor a shipped study (`noisesweep run` lists them)"),
        ("zzz.yaml", "no such file"),
    ],
)
def test_a_file_that_is_missing_may_be_misspelt(noisesweep, file, hint):
    noisesweep("init", "digits")
    code, _, errors = noisesweep("run", file)
    assert code == 1
    assert errors == f"{file}: {hint}\n1 mistake; nothing was run"


def test_a_study_that_is_missing_may_be_misspelt(noisesweep, tmp_path):
    create_sweep(tmp_path / "runs", load_spec("digits"))
    create_sweep(tmp_path / "runs", load_spec("quadratic"))
    for command in ("status", "resume", "report"):
        code, _, errors = noisesweep(command, "digit")
        assert code == 1
        known = "the storage has: digits, quadratic"
        assert errors == f"noisesweep: runs: no sweep named 'digit'; did you mean 'digits'? {known}"


COMPLETE = """
eval "$(noisesweep --show-completion bash)"
complete() {
    COMP_WORDS=(noisesweep "$@"); COMP_CWORD=$#
    _noisesweep_completion noisesweep
    echo "${COMPREPLY[@]}"
}
complete run di
complete run digits-mine.yaml --profile t
complete status ''
complete status --storage elsewhere ''
complete init im
"""


@pytest.mark.skipif(BASH is None, reason="needs bash")
def test_bash_completes_files_studies_and_profiles(tmp_path):
    (tmp_path / "digits-mine.yaml").write_text("profiles: {small: {}, tiny: {}}\n")
    create_sweep(tmp_path / "runs", load_spec("quadratic"))
    create_sweep(tmp_path / "elsewhere", load_spec("digits"))
    # Starts as the installed command does.
    command = tmp_path / "bin" / "noisesweep"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom sweeps.cli import script\nscript()\n")
    command.chmod(0o755)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": f"{command.parent}:{os.environ['PATH']}"}
    env.pop("NOISESWEEP_STORAGE", None)
    done = subprocess.run([BASH, "-c", COMPLETE], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["digits-mine.yaml digits", "tiny", "quadratic", "digits", "imdb"]


COMPLETERS = """
import sys, typer
from sweeps import cli
from sweeps.cli import completion
context = typer.Context(typer.main.get_command(cli.app))
context.params = {"file": "fmnist-shallow"}
print(completion.files("qua"), completion.names(context, "x"))
print(completion.profiles(context, ""), completion.trainables("im"))
print({"torch", "mlflow", "ray", "optuna", "pandas", "pyarrow"} & sys.modules.keys())
"""


def test_completion_imports_no_large_library(tmp_path):
    command = [sys.executable, "-c", COMPLETERS]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["['quadratic'] []", "['quick'] ['imdb']", "set()"]


def git(folder, *words):
    names = ("-c", "user.name=x", "-c", "user.email=x@example.com")
    done = subprocess.run([GIT, *names, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_version_of_a_checkout_names_its_commit(tmp_path, monkeypatch):
    git(tmp_path, "init", "--quiet")
    (tmp_path / "file").write_text("1")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    monkeypatch.setattr(release, "_CHECKOUT", tmp_path)
    commit = git(tmp_path, "rev-parse", "HEAD")[:7]
    expected = f"{VERSION} (commit {commit})"
    assert release.release() == expected
    # Every run in MLflow has it.
    assert f"noisesweep {expected}, " in provenance()["versions"]
    (tmp_path / "untracked").touch()
    assert release.release() == expected
    (tmp_path / "file").write_text("2")
    assert release.release() == f"{VERSION} (commit {commit} + changes)"
    # A package in a repository of the user's, such as one with an environment in it, is no checkout.
    (tmp_path / "site-packages").mkdir()
    monkeypatch.setattr(release, "_CHECKOUT", tmp_path / "site-packages")
    assert release.release() == VERSION


def test_the_version_of_an_install_from_git_names_its_commit(tmp_path, monkeypatch):
    info = tmp_path / "noisesweep-9.8.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: noisesweep\nVersion: 9.8\n")
    recorded = {"url": "https://example.com", "vcs_info": {"vcs": "git", "commit_id": "0123456789" * 4}}
    (info / "direct_url.json").write_text(json.dumps(recorded))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(release, "_CHECKOUT", tmp_path)
    assert release.release() == "9.8 (commit 0123456)"


def test_the_version_is_printed(noisesweep):
    assert noisesweep("--version") == (0, f"noisesweep {release.release()}\n", "")

"""What README, the tutorial and its notebook tell a user to do, done.

Their first command takes a minute. It is run once, and its results are copied to each page that starts
with it. `python -m tests.integration.test_documents FOLDER` executes the notebook in a folder and keeps what
it prints.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient

from tests.documents import ROOT, Page, check_shown, recipe

TUTORIAL = ROOT / "docs" / "tutorial"
NOTEBOOK = TUTORIAL / "first-study.ipynb"
# tests/services has the page about a cluster.
PAGES = [ROOT / "README.md", *sorted(set(TUTORIAL.glob("*.md")) - {TUTORIAL / "cluster.md"})]
STUDY = "noisesweep run sparse-regression"


@pytest.fixture(scope="module")
def environment(data_dir):
    return {"NOISESWEEP_DATA_DIR": str(data_dir)}


@pytest.fixture(scope="module")
def make_sweep(tmp_path_factory, environment):
    """Run ``make sweep`` as its recipe says; return its folder and what it prints."""
    folder = tmp_path_factory.mktemp("first")
    (folder / "sweeps").symlink_to(ROOT / "sweeps")
    page = Page(ROOT / "README.md", folder, env=environment)
    (command,) = recipe("sweep")
    return folder, command, page.printed(command)


@pytest.fixture
def started(request, tmp_path):
    """Return a function that copies what ``make sweep`` left to a folder, and returns what it printed."""

    def copied():
        # Not an argument, so that it is run only for pages that start with it.
        folder, command, printed = request.getfixturevalue("make_sweep")
        shutil.copytree(folder / "runs", tmp_path / "runs")
        return {command: printed, STUDY: printed}

    return copied


def validated(command):
    """Check the study that a command would run or submit."""
    without = re.sub(r" --(new|wait|follow|resume|address \S+)", "", command)
    return re.sub(r"^noisesweep (run|submit)", "noisesweep validate", without)


def without_cluster(command):
    """Check what would be submitted: tests/services submits."""
    return validated(command) if command.startswith("noisesweep submit ") else command


def without_gpu(command):
    """Check what would be run on a GPU."""
    runs_here = torch.cuda.is_available() or not command.startswith("noisesweep run ")
    return command if runs_here else validated(command)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_can_be_followed(page, environment, started, tmp_path):
    text = page.read_text()
    known = started() if "$ make sweep" in text or f"$ {STUDY}\n" in text else {}
    rewrite = without_gpu if page.stem == "gpu" else without_cluster
    (tmp_path / "sweeps").symlink_to(ROOT / "sweeps")
    Page(page, tmp_path, env=environment, rewrite=rewrite, known=known).run()


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ("```console\n$ ls missing\n```", "ls missing"),
        ("```console\n$ echo refuted\nsupported\n```", "printed is:\nrefuted"),
        ("```console\n$ make clean\n```", "nothing runs make clean"),
        ("```python\n1 / 0\n```", "ZeroDivisionError"),
        ("```python\nprint(1)\n```\n\n```text\none\n```", "printed is:\n1"),
    ],
)
def test_a_page_that_is_wrong_is_refused(block, message, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(block)
    with pytest.raises(AssertionError, match=re.escape(message)):
        Page(page, tmp_path).run()


def test_the_notebook_can_be_executed_and_shows_what_it_prints(environment, started, tmp_path, monkeypatch):
    started()
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    kept = nbformat.read(NOTEBOOK, as_version=4)
    for before, after in zip(kept.cells, executed(tmp_path).cells, strict=True):
        if shown := texts(before):
            check_shown(shown, texts(after))
    assert NOTEBOOK.stat().st_size < 300_000
    assert any("image/png" in each.get("data", {}) for cell in kept.cells for each in cell.get("outputs", ()))


def executed(folder):
    """Execute the notebook in a folder, and keep its outputs but those of progress and logs."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(folder)}}).execute()
    for cell in notebook.cells:
        if "outputs" in cell:
            is_progress = "progress" in cell.metadata.get("tags", ())
            cell.outputs = [] if is_progress else [o for o in cell.outputs if o.get("name") != "stderr"]
        cell.metadata.pop("execution", None)
    return notebook


def texts(cell):
    """Join what a cell prints and the text of its value."""
    outputs = cell.get("outputs", ())
    return "".join(each.get("text") or each.get("data", {}).get("text/plain", "") for each in outputs)


def test_the_site_is_built_without_a_warning(tmp_path):
    # The configuration is strict: a broken link or anchor is an error.
    words = [sys.executable, "-m", "mkdocs", "build", "--site-dir", tmp_path / "site"]
    done = subprocess.run(
        words, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stderr
    keys = (tmp_path / "site" / "reference" / "yaml.html").read_text()
    assert "numbers of seeds after which claims are judged" in keys
    assert "w - eta grad L(w + n)" in (tmp_path / "site" / "reference" / "noise-modes.html").read_text()
    assert "noisesweep extend" in (tmp_path / "site" / "reference" / "cli.html").read_text()
    addresses = {line for page in Path(tmp_path, "site").rglob("*.html") for line in loaded(page.read_text())}
    assert addresses == set()


def loaded(html):
    """Find what a page would load from another host."""
    return re.findall(r"""(?:src|<link[^>]+href)=["'](?:https?:)?//[^"']+""", html)


if __name__ == "__main__":
    nbformat.write(executed(sys.argv[1]), NOTEBOOK)

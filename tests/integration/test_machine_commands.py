"""``noisesweep plan`` and ``noisesweep doctor``, as a user types them."""

import re

import pytest
import yaml

from tests.integration.test_cli import noisesweep as noisesweep

GRID = {
    "name": "small",
    "trainable": "digits",
    "fixed": {"epochs": 3, "train_subset": 200, "batch_size": 100},
    "search": {"lr": {"grid": [0.01, 0.1]}},
    "seeds": 2,
    "objective": {"metric": "val_accuracy", "mode": "max"},
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(GRID, sort_keys=False))
    return path


@pytest.fixture(autouse=True)
def no_data(monkeypatch, tmp_path):
    monkeypatch.delenv("NOISESWEEP_DATA_DIR", raising=False)
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "cache"))


@pytest.mark.usefixtures("ray_session")
def test_plan_counts_a_sweep_and_measures_its_steps(noisesweep, file, tmp_path):
    code, output, errors = noisesweep("plan", file)
    assert code == 0
    (row,) = (line.split() for line in output.splitlines() if line.startswith("search"))
    # Four trials of three epochs of two batches.
    assert row[1:4] == ["4", "12", "24"]
    found = re.search(r"estimated from (\d+) steps, with 1 trial at a time on this machine", output)
    # Five epochs of two batches at least, and forty at most.
    assert found
    assert 10 <= int(found[1]) <= 80
    assert output.splitlines()[-1] == "data: generated, nothing to download"
    assert errors.splitlines() == ["measuring a few steps of 1 kind of trials ..."]
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("ray_session")
def test_plan_without_the_data_counts_and_says_what_would_be_downloaded(noisesweep, file):
    code, output, errors = noisesweep("plan", file, "--set", "trainable=mnist")
    assert code == 1
    (row,) = (line.split() for line in output.splitlines() if line.startswith("search"))
    assert row[1:] == ["4", "12", "?", "?"]
    assert output.splitlines()[-1] == "data: mnist would be downloaded (ylecun/mnist, about 18 MB)"
    assert errors == "noisesweep: no time is estimated without the data; get them, or set NOISESWEEP_DATA_DIR"


@pytest.mark.usefixtures("ray_session")
def test_doctor_says_whether_a_sweep_can_run_here(noisesweep, tmp_path):
    code, output, _ = noisesweep("doctor")
    lines = {line.split()[1]: line.split()[0] for line in output.splitlines()}
    names = ["python", "packages", "shm", "temp", "cache", "data", "storage", "ray", "gpu", "tracking"]
    assert [*lines] == names
    assert (code, lines.pop("gpu") in ("ok", "missing")) == (0, True)
    assert {*lines.values()} == {"ok"}
    assert not (tmp_path / "runs").exists()

    (tmp_path / "file").touch()
    server = "http://127.0.0.1:9"
    code, output, _ = noisesweep("doctor", "--storage", tmp_path / "file", "--tracking-uri", server)
    missing = [line for line in output.splitlines() if line.startswith("missing") and " gpu " not in line]
    assert (code, len(missing), len(output.splitlines())) == (1, 2, len(names))
    assert missing[0].endswith("file: is a file; give a folder or a URI")
    assert f"MLflow cannot be reached at {server}" in missing[1]
    assert missing[1].endswith("start the server, or pass --tracking-uri")


def test_validate_notes_a_data_folder_that_is_not_here(noisesweep, file):
    code, _, errors = noisesweep("validate", file, "--set", "data_dir=/nowhere")
    assert code == 0
    assert f"{file}: data_dir /nowhere: no such folder on this machine; correct it" in errors

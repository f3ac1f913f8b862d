"""A sweep that commit 392e3e4 wrote, killed in its confirm stage, is shown, reported and resumed.

`tests/storages/392e3e4.zip` has its storage, with the MLflow store, and the YAML. It trains on made data.
"""

import sqlite3
import zipfile
from pathlib import Path

import pytest
from mlflow import MlflowClient

from sweeps.record.folder import latest_sweep
from tests.integration.test_cli import noisesweep as noisesweep

STORAGE = Path(__file__).parents[1] / "storages" / "392e3e4.zip"
WRITTEN_IN = "/tmp/old/storage"  # MLflow keeps absolute paths of artifacts
PARENT = "fcd85812224d4c3ab2b47c3836971de8"


@pytest.fixture
def storage(tmp_path, made_data, monkeypatch, noisesweep):
    with zipfile.ZipFile(STORAGE) as archive:
        archive.extractall(tmp_path)
    monkeypatch.setenv("NOISESWEEP_DATA_DIR", str(made_data))
    storage = tmp_path / "storage"
    monkeypatch.setenv("NOISESWEEP_STORAGE", str(storage))
    with sqlite3.connect(storage / "mlflow.db") as database:
        for table, column in (("experiments", "artifact_location"), ("runs", "artifact_uri")):
            moved = f"update {table} set {column} = replace({column}, ?, ?)"
            database.execute(moved, (WRITTEN_IN, str(storage)))
    return storage


def test_it_is_shown(noisesweep, storage):
    code, output, _ = noisesweep("status", "old-study")
    assert code == 0
    assert "interrupted, 9 of 15 trials ended: 6 finished, 3 stopped" in output
    assert "0001-none lr=0.00483" in output


def test_it_is_reported(noisesweep, storage):
    code, output, errors = noisesweep("report", "old-study")
    assert (code, errors) == (0, "")
    page = Path(output.splitlines()[0])
    assert page == storage / "old-study" / "001" / "report" / "report.html"
    assert "all beats none" in page.read_text()
    client = MlflowClient(f"sqlite:///{storage}/mlflow.db")
    assert "report/report.html" in {file.path for file in client.list_artifacts(PARENT, "report")}


def test_it_is_resumed(noisesweep, ray_session, storage, tmp_path):
    before = latest_sweep(storage, "old-study").state()
    interrupted = before.trials["0010"]
    assert sorted(interrupted.epochs) == list(range(1, 12))
    # Its data lay elsewhere: the YAML takes them from where they are now.
    code, output, errors = noisesweep("resume", tmp_path / "old-study.yaml")
    assert code == 0, errors
    assert "complete, 15 of 15 trials ended: 12 finished, 3 stopped" in output
    folder = latest_sweep(storage, "old-study")
    after = folder.state()
    for trial in before.trials.values():
        epochs = after.trials[trial.id].epochs
        assert {epoch: epochs[epoch] for epoch in trial.epochs} == trial.epochs
    assert sorted(after.trials["0010"].epochs) == list(range(1, 25))
    written = [(e["trial"], e["epoch"]) for e, _ in folder.journal.read() if e["event"] == "epoch"]
    assert len(set(written)) == len(written)
    client = MlflowClient(f"sqlite:///{storage}/mlflow.db")
    runs = client.search_runs([client.get_run(PARENT).info.experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    children = [run for run in runs if "trial" in run.data.tags]
    assert sorted(run.data.tags["trial"] for run in children) == sorted(after.trials)

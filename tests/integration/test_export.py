"""The best network is exported by a worker, recorded in the journal, and exported again where that failed."""

from pathlib import Path

import mlflow
import pytest
from mlflow import MlflowClient
from typing_extensions import override

from sweeps import resume, run
from sweeps.record.folder import SweepFolder
from tests.curves import Curves, content
from trainables import registry


class Stubborn(Curves):
    """Curves whose networks can be exported only while a file exists, whose folder is the data folder."""

    name = "stubborn"

    @override
    def example_input(self, hyperparameters):
        if not (self.data_dir / "may").exists():
            raise ValueError("not today")
        return super().example_input(hyperparameters)


@pytest.fixture
def spec(monkeypatch, tmp_path):
    monkeypatch.setitem(registry._registered, "stubborn", Stubborn)
    changes = {"fixed": {"epochs": 1}, "budget": {"trials": 2}, "data_dir": str(tmp_path)}
    return content(name="stubborn", trainable="stubborn", **changes)


def models(result):
    events = SweepFolder(result.path).journal.read()
    return [event["best"] for event, _ in events if event["event"] == "model"]


@pytest.mark.usefixtures("ray_session")
def test_an_export_that_fails_costs_only_the_model_and_is_retried_on_resume(spec, tmp_path, capsys):
    result = run(spec, storage=tmp_path / "runs")
    assert result.complete
    assert (result.path / "report" / "report.html").exists()
    assert models(result) == []
    assert "the best network is not exported: not today; retry with:" in capsys.readouterr().out
    client = MlflowClient(result.tracking_uri)
    assert [file.path for file in client.list_artifacts(result.run_id, "best_model")] == []
    (tmp_path / "may").touch()
    resumed = resume("stubborn", storage=tmp_path / "runs")
    assert models(resumed) == [result.best.trial.id]
    assert client.get_run(result.run_id).data.tags["model_trial"] == result.best.trial.id
    assert mlflow.pyfunc.load_model(str(Path(result.path, "model")))
    again = resume("stubborn", storage=tmp_path / "runs")
    assert models(again) == [result.best.trial.id]


@pytest.mark.usefixtures("ray_session")
def test_a_model_that_was_deleted_before_its_upload_is_one_message(spec, tmp_path, capsys, monkeypatch):
    (tmp_path / "may").touch()
    result = run(spec, storage=tmp_path / "runs")
    for file in (result.path / "model").rglob("*"):
        if file.is_file():
            file.unlink()
    for empty in sorted((result.path / "model").rglob("*"), reverse=True):
        empty.rmdir()
    (result.path / "model").rmdir()
    (result.path / "tracking.json").unlink()
    resumed = resume("stubborn", storage=tmp_path / "runs")
    assert resumed.undelivered == 0
    assert "the best network is not logged: [Errno 2]" in capsys.readouterr().out


@pytest.mark.usefixtures("ray_session")
def test_a_complete_sweep_of_an_earlier_version_is_only_uploaded(spec, tmp_path, monkeypatch):
    (tmp_path / "may").touch()
    result = run(spec, storage=tmp_path / "runs")
    journal = SweepFolder(result.path).journal
    events = [event for event, _ in journal.read() if event["event"] not in ("export", "model")]
    journal.path.unlink()
    journal.extend({key: value for key, value in event.items() if key != "best"} for event in events)
    (result.path / "tracking.json").unlink()
    (tmp_path / "may").unlink()
    resumed = resume("stubborn", storage=tmp_path / "runs")
    assert (resumed.undelivered, models(resumed)) == (0, [])


@pytest.mark.usefixtures("ray_session")
def test_what_prevents_a_late_export_does_not_prevent_the_upload(spec, tmp_path, capsys):
    result = run(spec, storage=tmp_path / "runs")
    (result.path / "tracking.json").unlink()
    resolved = result.path / "resolved.yaml"
    resolved.write_text(resolved.read_text().replace("cpu: 1", "cpu: 1000"))
    resumed = resume("stubborn", storage=tmp_path / "runs")
    assert resumed.undelivered == 0
    assert "the best network is not exported: resources: a trial asks for 1000 cpu" in capsys.readouterr().out

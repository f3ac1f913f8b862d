"""One whole sweep as a user runs it: Ray, Optuna, MLflow and the report. `make test` runs it too."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from tests.integration.test_cli import PLAN
from tests.integration.test_cli import noisesweep as noisesweep
from tests.integration.test_cli import staged as staged


@pytest.mark.publisher_process
def test_a_study_from_run_to_report(noisesweep, ray_session, staged, tmp_path):
    code, output, _ = noisesweep("run", staged, "--trials", 1, "--set", "stages.confirm.seeds=2")
    assert code == 0
    assert output.startswith(f"test-curves: {PLAN.format(1, 2)}, in ")
    assert "\nsearch is over; confirming on the seeds 1 to 2:\n  none lr=" in output
    assert "\ncomplete, 6 of 6 trials ended: 6 finished\n" in output
    assert f"MLflow store: sqlite:///{tmp_path}/runs/mlflow.db" in output
    assert "See the runs with: noisesweep ui\n" in output
    code, status, _ = noisesweep("status", "test-curves")
    assert code == 0
    assert "complete, 6 of 6 trials ended: 6 finished" in status
    for text in (output, status):
        assert "\nnoise modes" in text
        assert "\nconfirmed on fresh seeds: mean test_accuracy" in text
    code, _, errors = noisesweep("run", staged)
    assert code == 1
    assert "go on with it (noisesweep resume test-curves)" in errors
    code, again, _ = noisesweep("resume", "test-curves")
    assert code == 0
    assert "6 of 6 trials ended" in again
    client = MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    experiment = client.get_experiment_by_name("test-curves").experiment_id
    runs = client.search_runs([experiment])
    assert len(runs) == 1 + 6
    assert {run.info.status for run in runs} == {"FINISHED"}
    folder = tmp_path / "runs" / "test-curves" / "001"
    pages = f"{folder}/report/report.html\n{folder}/report/report.md\n"
    (folder / "report" / "report.html").unlink()
    assert noisesweep("report", "test-curves") == (0, pages, "")
    assert (folder / "report" / "report.html").exists()
    code, output, _ = noisesweep("report", "--all")
    assert code == 0
    overview = output.splitlines()[0]
    assert "test-curves" in Path(overview).read_text()
    # MLflow has gone away.
    (folder / "report" / "report.html").unlink()
    away = {**json.loads((folder / "tracking.json").read_text()), "uri": f"sqlite:///{tmp_path}/gone.db"}
    (folder / "tracking.json").write_text(json.dumps(away))
    code, output, errors = noisesweep("report", "test-curves")
    assert (code, output) == (1, "")
    assert errors.startswith(f"noisesweep: {folder}/report/report.html is written, but not logged: ")
    assert len(errors.strip().splitlines()) == 1
    assert (folder / "report" / "report.html").exists()

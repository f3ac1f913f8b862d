"""The study of `make sweep`, run from an installed wheel: Ray, Optuna, MLflow and the report.

`make test` runs it too.
"""

import json
import re
from collections import Counter
from pathlib import Path

from mlflow import MlflowClient

from tests.integration import test_wheel
from tests.integration.test_cli import noisesweep as noisesweep

SMALL = (
    "compare={noise: [none, layer]}",
    "claims=[]",
    "fixed.epochs=3",
    "stages.confirm.looks=null",
    "stages.confirm.seeds=2",
    "stages.confirm.at={sigma: [0.1]}",
    "budget.concurrent=1",
)
PLAN = (
    "2 arms of noise, 1 trial each, then 2 seeds of the best of each, also at 1 listed point; "
    "sparse_regression, at most 3 epochs each"
)


def test_a_study_from_run_to_report(installed, noisesweep, tmp_path):
    changes = [word for change in SMALL for word in ("--set", change)]
    output = test_wheel.noisesweep(installed, tmp_path, "run", "sparse-regression", "--trials", "1", *changes)
    assert re.search(f"^sparse-regression: {PLAN}, in ", output, re.MULTILINE)
    assert (
        "\nthe search is complete; confirming on seeds 1 to 2, also at 1 listed point:\n  none lr=" in output
    )
    assert "\ncomplete, 8 of 8 trials ended: 8 finished\n" in output
    assert f"tracking store: sqlite:///{tmp_path}/runs/mlflow.db" in output
    assert re.search(r"\nSee the runs and the report with: \S*noisesweep ui sparse-regression\n$", output)
    code, status, _ = noisesweep("status", "sparse-regression")
    assert code == 0
    assert "complete, 8 of 8 trials ended: 8 finished" in status
    for text in (output, status):
        assert "\nnoise modes" in text
        assert "\nconfirmed on fresh seeds: mean test_error" in text
    code, _, errors = noisesweep("run", "sparse-regression")
    assert code == 1
    assert "resume it (noisesweep resume sparse-regression)" in errors
    code, again, _ = noisesweep("resume", "sparse-regression")
    assert code == 0
    assert "8 of 8 trials ended" in again
    client = MlflowClient(f"sqlite:///{tmp_path}/runs/mlflow.db")
    folder = tmp_path / "runs" / "sparse-regression" / "001"
    parent = json.loads((folder / "tracking.json").read_text())["parent"]
    experiment = client.get_experiment_by_name("sparse-regression").experiment_id
    runs = client.search_runs([experiment])
    # Each arm has one for what the search chose, and layer one at the listed sigma.
    assert Counter(run.data.tags["kind"] for run in runs) == {"sweep": 1, "trial": 8, "arm": 3}
    assert {run.info.status for run in runs} == {"FINISHED"}
    pages = f"{folder}/report/report.html\n{folder}/report/report.md\n"
    (folder / "report" / "report.html").unlink()
    written = f"{pages}{folder}/report/paper/*\n"
    assert noisesweep("report", "sparse-regression", "--format", "csv,latex") == (0, written, "")
    assert (folder / "report" / "paper" / "effects.tex").exists()
    logged = [file.path for file in client.list_artifacts(parent, "report/paper")]
    assert "report/paper/effects.csv" in logged
    assert (folder / "report" / "report.html").exists()
    code, output, _ = noisesweep("report", "--all")
    assert code == 0
    overview = output.splitlines()[0]
    assert "sparse-regression" in Path(overview).read_text()
    # MLflow has gone away.
    (folder / "report" / "report.html").unlink()
    away = {**json.loads((folder / "tracking.json").read_text()), "uri": f"sqlite:///{tmp_path}/gone.db"}
    (folder / "tracking.json").write_text(json.dumps(away))
    code, output, errors = noisesweep("report", "sparse-regression")
    assert (code, output) == (1, "")
    assert errors.startswith(f"noisesweep: {folder}/report/report.html is written, but not logged: ")
    assert len(errors.strip().splitlines()) == 1
    assert (folder / "report" / "report.html").exists()
    # What was written for a paper does not stay beside a later report.
    assert not (folder / "report" / "paper").exists()

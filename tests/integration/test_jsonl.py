"""What programs can read about a sweep: JSON lines, and its record in the tracking store."""

import json
import os
import shutil
import sys
import time
from contextlib import contextmanager, redirect_stdout

import pytest
import yaml

from sweeps import cli, load_spec, resume
from sweeps.console.jsonl import teller
from sweeps.engine import data
from sweeps.record.folder import latest_sweep
from sweeps.tracking.store import connect
from sweeps.worker.tasks import Registered
from tests.clusters import free_ports
from tests.curves import Curves
from tests.integration.test_cli import noisesweep as noisesweep
from tests.strict import strict_json
from tests.threaded import publish_in_a_thread
from trainables import register, registry

STUDY = {
    "name": "test-log",
    "trainable": "curves",
    "mode": "grid",
    "compare": {"noise": ["none", "all"]},
    "fixed": {"epochs": 2, "sigma": 0.1},
    "search": {"trouble": {"grid": ["none", "raise", "diverge"]}},
    "objective": {"metric": "val_accuracy", "mode": "max"},
    "budget": {"concurrent": 2},
    "max_failures": 0,
}
COUNTS = {"finished": 2, "stopped": 0, "diverged": 2, "failed": 2, "interrupted": 0, "running": 0}
REASON = "failed: ValueError: no luck with this one"


@pytest.fixture(scope="module")
def ran(ray_session, tmp_path_factory):
    """Run a sweep; return its storage and the lines of its standard output."""
    register(Curves)
    folder = tmp_path_factory.mktemp("log")
    file, output = folder / "sweep.yaml", folder / "output"
    file.write_text(yaml.safe_dump(STUDY, sort_keys=False))
    with to_file(output), pytest.MonkeyPatch.context() as patch:
        publish_in_a_thread(patch)
        patch.setattr(sys, "argv", ["noisesweep", "run", str(file), "--json", "--storage", f"{folder}/runs"])
        with pytest.raises(SystemExit) as end:
            cli.main()
    assert not end.value.code
    return folder / "runs", output.read_text().splitlines()


@contextmanager
def to_file(path):
    """Redirect standard output to a file, including output of code that is not Python."""
    before = os.dup(1)
    with path.open("w") as file, redirect_stdout(file):
        os.dup2(file.fileno(), 1)
        try:
            yield
        finally:
            os.dup2(before, 1)
            os.close(before)


def test_every_line_is_json_with_the_names_of_study_and_sweep(ran):
    lines = [strict_json(line) for line in ran[1]]
    assert {(line["study"], line["sweep"]) for line in lines} == {("test-log", "001")}
    assert all(isinstance(line["time"], int) for line in lines)


def test_the_lines_are_the_journal_in_order_and_last_the_summary(ran):
    storage, output = ran
    *lines, summary = [json.loads(line) for line in output]
    told = [line for line in lines if line["event"] != "message"]
    names = {"study": "test-log", "sweep": "001"}
    journal = [event for event, _ in latest_sweep(storage, "test-log").journal.read()]
    diverged = [event for event in journal if event["event"] == "epoch" and event["epoch"] == 2]
    assert repr(diverged).count("'train_loss': nan") == 2
    for event in diverged:
        metrics = event["metrics"]
        event["metrics"] = {name: None if value != value else value for name, value in metrics.items()}
    assert told == [{**names, **event} for event in journal]
    assert [told[0]["event"], told[-1]["event"]] == ["begin", "finish"]
    assert (
        summary.items() >= {"event": "summary", "complete": True, "trials": COUNTS, "undelivered": 0}.items()
    )
    assert summary["tracking_uri"] == os.environ["MLFLOW_TRACKING_URI"]
    assert isinstance(summary["findings"], list)


def test_a_resume_writes_only_new_events(ran, curves, capsys):
    resume("test-log", storage=ran[0], log="json")
    lines = [strict_json(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["event"] for line in lines] == ["begin", "finish", "summary"]
    assert lines[-1]["trials"] == COUNTS


class Slow(Curves):
    """Prepares its data until the user has been told so."""

    name = "slow"

    def prepare(self, hyperparameters, *, test=False):
        deadline = time.monotonic() + 60
        while not (self.data_dir / "told").exists():
            assert time.monotonic() < deadline


@pytest.mark.parametrize("log", ["json", "text"])
def test_a_message_before_there_is_a_sweep(log, ray_session, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(data, "_NOTICE_SECONDS", 0)
    monkeypatch.setitem(registry._registered, "slow", Slow)
    spec = load_spec({**STUDY, "trainable": "slow", "data_dir": str(tmp_path)})
    tell = teller(spec, log)

    def say(text):
        tell(text)
        (tmp_path / "told").touch()

    data.prepare_data(spec, Registered.of(spec), say)
    (line,) = capsys.readouterr().out.splitlines()
    text = "preparing the data of slow, once per machine ..."
    if log == "json":
        expected = {"study": "test-log", "sweep": None, "event": "message", "text": text}
        assert json.loads(line).items() >= expected.items()
    else:
        assert line == text


# Status from another machine


def arms(output):
    """Return what ``status`` shows except the places of the sweep and its report, and how to retry trials."""
    first, *lines = output.splitlines()
    here = ("Report: ", "fix the cause, ")
    return first[first.index(": ") :], [line for line in lines if not line.startswith(here)]


@pytest.fixture
def store():
    """Return the tracking store of the session, which the fixture ``noisesweep`` hides."""
    return os.environ["MLFLOW_TRACKING_URI"]


def test_status_is_the_same_from_the_storage_and_from_the_tracking_store(
    store, ran, curves, noisesweep, tmp_path
):
    storage = shutil.copytree(ran[0], tmp_path / "runs")
    code, here, errors = noisesweep("status", "test-log", "--storage", storage)
    assert (code, errors) == (0, "")
    moved = ran[0].rename(ran[0].with_name("moved"))
    shutil.rmtree(storage)
    try:
        code, elsewhere, errors = noisesweep("status", "test-log", "--tracking-uri", store)
    finally:
        moved.rename(ran[0])
    assert (code, errors) == (0, "")
    assert elsewhere.startswith(f"{store}, sweep 001: complete, 6 of 6 trials ended: ")
    assert arms(elsewhere) == arms(here)
    assert ("--retry-failed" in here, "--retry-failed" in elsewhere) == (True, False)
    counts = {
        line.split()[0]: line.split()[1:4] for line in here.splitlines() if line.startswith(("none", "all"))
    }
    # Trials, diverged, failed.
    assert counts == {arm: ["3", "1", "1"] for arm in ("none", "all")}
    assert sum(REASON in line for line in elsewhere.splitlines()) == 1
    assert "0005-all failed: for the same reason" in elsewhere


def test_a_name_that_the_tracking_store_does_not_know(store, noisesweep):
    code, output, errors = noisesweep("status", "nothing", "--tracking-uri", store)
    assert (code, output, errors) == (1, "", f"noisesweep: {store}: no sweep named 'nothing'")


def test_a_tracking_store_that_cannot_be_reached(noisesweep, tmp_path):
    (port,) = free_ports(1)
    server, file = f"http://127.0.0.1:{port}", tmp_path / "gone.db"
    known = {
        server: f"MLflow cannot be reached at {server}: ",
        f"sqlite:///{file}": f"{file}: no tracking store; ",
    }
    for uri, message in known.items():
        code, output, errors = noisesweep("status", "test-log", "--tracking-uri", uri)
        assert (code, output) == (1, "")
        assert errors.startswith(f"noisesweep: {message}")
        assert len(errors.splitlines()) == 1
    assert not file.exists()


def test_a_sweep_whose_record_has_not_come_yet(store, noisesweep):
    client = connect(store)
    client.create_run(client.create_experiment("too-early"), tags={"sweep": "001"})
    code, output, errors = noisesweep("status", "too-early", "--tracking-uri", store)
    assert (code, output) == (1, "")
    assert errors.startswith(f"noisesweep: {store}: the record of 'too-early' is not uploaded yet: ")
    assert len(errors.splitlines()) == 1

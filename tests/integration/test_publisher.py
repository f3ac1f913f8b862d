"""Uploads to a real MLflow server that goes away and comes back."""

import logging
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import mlflow
import pytest
import requests
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from sweeps import SweepError, load_spec, resume, run
from sweeps.record.folder import create_sweep, latest_sweep
from sweeps.search.configuration import trial_id
from sweeps.tracking import publisher as publisher_module
from sweeps.tracking import store
from sweeps.tracking.bookmark import Bookmark
from sweeps.tracking.client import PublisherClient
from sweeps.tracking.provenance import provenance
from sweeps.tracking.publisher import Publisher
from sweeps.tracking.reasons import reason_of
from sweeps.tracking.remote import fetched
from sweeps.tracking.runs import SweepRuns
from sweeps.tracking.store import connect, mlflow_settings, open_store
from sweeps.tracking.ui import server_links
from sweeps.tracking.uris import default_tracking_uri
from tests.curves import content
from tests.runs import children, history
from tests.threaded import publish_in_a_thread

NEWER = (
    f"a newer version than MLflow {mlflow.__version__} has written the database; "
    "update MLflow, or name another store"
)


class Server:
    """An MLflow server on SQLite that can be killed and restarted at the same address."""

    def __init__(self, folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.folder = folder
        self.process = None

    def start(self):
        store = ["--backend-store-uri", f"sqlite:///{self.folder}/server.db"]
        artifacts = ["--artifacts-destination", f"{self.folder}/artifacts"]
        where = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "server", *store, *artifacts, *where],
            cwd=self.folder,
            # It starts faster without its job runner.
            env={**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        session = requests.Session()
        session.mount("http://", HTTPAdapter(max_retries=Retry(120, backoff_factor=0.2, backoff_max=1)))
        session.get(f"{self.uri}/health", timeout=10).raise_for_status()

    def kill(self):
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


class Forgetful:
    """A proxy that hangs up instead of replying to the second request of a kind."""

    def __init__(self, server, kind):
        session, seen = requests.Session(), []

        class Handler(BaseHTTPRequestHandler):
            def forward(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                answer = session.request(self.command, server + self.path, data=body, headers=self.headers)
                if self.path.endswith(kind):
                    seen.append(self.path)
                    if len(seen) == 2:
                        return
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "text/plain"))
                self.end_headers()
                self.wfile.write(answer.content)

            do_GET = do_POST = do_PUT = do_PATCH = forward

            def log_message(self, *arguments):
                pass

        self.proxy = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    def __enter__(self):
        threading.Thread(target=self.proxy.serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{self.proxy.server_port}"

    def __exit__(self, *exception):
        self.proxy.shutdown()
        self.proxy.server_close()


@pytest.fixture(scope="module")
def one_server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("server"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def server(one_server):
    """Give a running server, which tests may kill."""
    if one_server.process.poll() is not None:
        one_server.start()
    return one_server


class Messages:
    """Notes when the publisher says that MLflow cannot be written, and that it can again."""

    def __init__(self):
        self.away, self.back = threading.Event(), threading.Event()

    def __call__(self, text):
        (self.back if "resumed uploading" in text else self.away).set()


SPEC = content(budget={"trials": 3})
METRICS = {"train_loss": 0.5, "val_accuracy": 0.9, "val_loss": float("nan")}


@pytest.fixture
def folder(tmp_path, curves):
    return create_sweep(tmp_path / "runs", load_spec(SPEC))


@pytest.fixture(autouse=True)
def settings():
    with mlflow_settings():
        yield


def publisher(folder, uri, say=print):
    return Publisher(folder, open_store(uri, folder.spec().name), say)


def start(folder, number):
    hyperparameters = folder.spec().hyperparameters({"noise": "layer", "sigma": 0.1}).model_dump()
    trial = {"trial": trial_id(number), "number": number, "stage": "search", "arm": "layer", "seed": 0}
    folder.journal.append("start", **trial, hyperparameters=hyperparameters)


def epochs(folder, number, first, last):
    for epoch in range(first, last + 1):
        metrics = {**METRICS, "train_loss": 1 / epoch}
        tags = {"host": "here", "data_fingerprint": "formula"}
        folder.journal.append("epoch", trial=trial_id(number), epoch=epoch, metrics=metrics, tags=tags)


def end(folder, number, status="diverged"):
    # Not "finished": the best trial's checkpoint would be logged as a model, and these trials have none.
    folder.journal.append("end", trial=trial_id(number), status=status, reason="")


def delivered(folder, uri, parent):
    """Return the status and the loss of each epoch of every run of the sweep."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(folder.spec().name).experiment_id
    runs = client.search_runs([experiment], f"tags.mlflow.parentRunId = '{parent}'")
    by_trial = {}
    for child in runs:
        points = client.get_metric_history(child.info.run_id, "train_loss")
        trial = child.data.tags["trial"]
        assert trial not in by_trial, "a trial has two runs"
        by_trial[trial] = (child.info.status, sorted((point.step, point.value) for point in points))
    return by_trial


def expected(n_epochs):
    return [(epoch, 1 / epoch) for epoch in range(1, n_epochs + 1)]


def test_an_unreachable_server_is_one_error_and_leaves_nothing(ray_session, tmp_path, curves):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}"
        with pytest.raises(SweepError, match=f"^MLflow cannot be reached at {uri}: .*") as error:
            run(SPEC, storage=tmp_path / "runs", tracking_uri=uri)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("UPDATE alembic_version SET version_num = 'ffffffffffff'; COMMIT", NEWER),
        ("SELECT 1", "another process has locked the database; try again when it has ended"),
    ],
    ids=["newer", "locked"],
)
def test_a_database_that_cannot_be_used_is_one_line(statement, message, tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    connect(uri)
    with closing(sqlite3.connect(tmp_path / "mlflow.db", isolation_level=None)) as database:
        database.executescript(f"BEGIN EXCLUSIVE; {statement}")
        # MLflow keeps what it has opened in this process.
        command = [sys.executable, "-m", "sweeps.tracking.reach", uri]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == f"MLflow cannot be reached at {uri}: {message}\n"


def test_a_database_of_an_older_mlflow_is_called_out_of_date():
    error = MlflowException(
        "Detected out-of-date database schema (found version 451aebb31d03, but expected x)"
    )
    assert reason_of(error) == str(error)


@pytest.mark.parametrize("in_memory", [True, False])
def test_a_new_store_is_complete_or_absent(in_memory, tmp_path, monkeypatch):
    if not in_memory:
        monkeypatch.setattr(store, "_MEMORY", str(tmp_path / "nowhere"))
    uri = f"sqlite:///{tmp_path}/new.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "write_whole", lambda *paths: (_ for _ in ()).throw(OSError("the disk is full")))
        with pytest.raises(SweepError, match=r"^MLflow cannot be reached at .*: .*the disk is full"):
            connect(uri)
    assert {path.name for path in tmp_path.iterdir()} <= {"new.db.lock"}
    assert [experiment.name for experiment in connect(uri).search_experiments()] == ["Default"]
    assert {path.name for path in tmp_path.iterdir()} == {"new.db", "new.db.lock"}


@pytest.mark.parametrize("uri", ["htp://host:5000", "runs/mlflow.db", "file:///tmp/runs"])
def test_a_uri_that_is_not_a_store_is_one_error(uri):
    with pytest.raises(SweepError, match=f"^{uri}: not a tracking store; use sqlite:///FILE or "):
        connect(uri)


def test_two_sweeps_at_once_make_one_store(tmp_path):
    code = "import sys; from sweeps.tracking.store import open_store; open_store(sys.argv[1], sys.argv[2])"
    uri = f"sqlite:///{tmp_path}/both.db"
    commands = [[sys.executable, "-c", code, uri, study] for study in ("one", "other")]
    both = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for command in commands]
    assert ["" if process.wait() == 0 else process.stderr.read() for process in both] == ["", ""]
    names = {experiment.name for experiment in connect(uri).search_experiments()}
    assert names == {"Default", "one", "other"}


def test_a_sweep_on_a_server_has_its_metrics_and_model_there(ray_session, server, tmp_path):
    spec = {
        "name": "on-a-server",
        "trainable": "digits",
        "fixed": {"epochs": 2, "train_subset": 200},
        "search": {
            "noise": {"grid": ["none", "layer"]},
            "sigma": {"grid": [0.01], "when": {"noise": ["layer"]}},
        },
        "objective": {"metric": "val_loss", "mode": "min"},
    }
    result = run(spec, storage=tmp_path / "runs", tracking_uri=server.uri)
    assert result.undelivered == 0
    for trial in result.state.trials.values():
        child = children(result)[trial.id]
        logged = history(result, child.info.run_id, "val_loss")
        assert logged == {epoch: metrics["val_loss"] for epoch, metrics in trial.epochs.items()}
    before = os.environ.get("MLFLOW_TRACKING_URI")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", server.uri)
        model = mlflow.pyfunc.load_model(f"runs:/{result.run_id}/best_model")
    assert model.metadata.signature is not None
    assert os.environ.get("MLFLOW_TRACKING_URI") == before


def test_links_lead_to_a_sweep_on_a_server_and_to_its_report_here(server, folder):
    with pytest.raises(SweepError, match=f"^{server.uri}: does not have sweep 001 of 'test-curves'$"):
        list(server_links(server.uri, folder))
    parent = publisher(folder, server.uri).parent
    folder.report.mkdir()
    (folder.report / "report.html").touch()
    heading, runs, report = server_links(server.uri, folder)
    assert (heading, report) == ("test-curves 001", f"  report: {folder.report}/report.html")
    assert runs.startswith(f"  runs:   {server.uri}/#/experiments/")
    assert parent in runs


def test_a_server_that_is_killed_and_comes_back_gets_everything_once(server, folder):
    messages = Messages()
    follower = publisher(folder, server.uri, messages)
    start(folder, 1)
    epochs(folder, 1, 1, 3)
    follower.start()
    # Kill it during the first writes.
    server.kill()
    start(folder, 2)
    epochs(folder, 1, 4, 5)
    epochs(folder, 2, 1, 2)
    end(folder, 1)
    assert messages.away.wait(60)
    server.start()
    assert messages.back.wait(60)
    epochs(folder, 2, 3, 3)
    end(folder, 2, "failed")
    folder.journal.append("finish", status="interrupted")
    follower.close()
    assert follower.undelivered == 0
    assert delivered(folder, server.uri, follower.parent) == {
        "0001": ("FINISHED", expected(5)),
        "0002": ("FAILED", expected(3)),
    }
    assert MlflowClient(server.uri).get_run(follower.parent).info.status == "KILLED"


def test_the_next_driver_uploads_what_an_absent_server_missed(server, folder, monkeypatch):
    monkeypatch.setattr(publisher_module, "_LAST_RETRIES_SECONDS", 0.5)
    follower = publisher(folder, server.uri)
    start(folder, 1)
    epochs(folder, 1, 1, 2)
    server.kill()
    follower.start()
    follower.close()
    assert follower.undelivered == 3
    server.start()
    second = publisher(folder, server.uri)
    assert second.parent == follower.parent
    second.start()
    second.close()
    assert second.undelivered == 0
    # The journal does not say how the sweep ended, so no run may look as if it were running.
    assert delivered(folder, server.uri, second.parent) == {"0001": ("KILLED", expected(2))}
    assert MlflowClient(server.uri).get_run(second.parent).info.status == "KILLED"


def test_uploading_twice_changes_nothing(folder, tmp_path):
    uri = f"sqlite:///{tmp_path}/twice.db"
    start(folder, 1)
    epochs(folder, 1, 1, 4)
    end(folder, 1)
    first = publisher(folder, uri)
    first.start()
    first.close()
    once = delivered(folder, uri, first.parent)
    bookmark = folder.bookmark.read_text()
    folder.bookmark.write_text(bookmark.replace(f'"offset": {first.offset}', '"offset": 0'))
    again = publisher(folder, uri)
    assert again.offset == 0
    again.start()
    again.close()
    assert delivered(folder, uri, again.parent) == once == {"0001": ("FINISHED", expected(4))}


def test_a_run_that_the_user_deletes_stays_deleted_and_stops_nothing(folder, tmp_path):
    uri = f"sqlite:///{tmp_path}/deleted.db"
    start(folder, 1)
    start(folder, 2)
    first = publisher(folder, uri)
    first.start()
    first.close()
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name(folder.spec().name).experiment_id
    runs = {
        run.data.tags["trial"]: run.info.run_id
        for run in client.search_runs([experiment], "tags.trial != ''")
    }
    client.delete_run(runs["0001"])
    for number in (1, 2):
        epochs(folder, number, 1, 2)
        end(folder, number)
    second = publisher(folder, uri)
    second.start()
    second.close()
    assert second.undelivered == 0
    assert delivered(folder, uri, second.parent) == {"0002": ("FINISHED", expected(2))}
    assert client.get_run(runs["0001"]).info.lifecycle_stage == "deleted"


def test_a_sweep_whose_parent_is_deleted_is_uploaded_to_a_new_one(folder, tmp_path):
    uri = f"sqlite:///{tmp_path}/parent.db"
    start(folder, 1)
    epochs(folder, 1, 1, 2)
    end(folder, 1)
    first = publisher(folder, uri)
    first.start()
    first.close()
    MlflowClient(uri).delete_run(first.parent)
    second = publisher(folder, uri)
    second.start()
    second.close()
    assert second.parent != first.parent
    assert delivered(folder, uri, second.parent) == {"0001": ("FINISHED", expected(2))}


def test_a_driver_killed_while_it_makes_the_parent_leaves_no_second_one(folder, tmp_path, monkeypatch):
    """The run is created in the store, but its id is not yet in the bookmark."""
    uri = f"sqlite:///{tmp_path}/orphan.db"
    kept = []
    save = SweepRuns.save
    monkeypatch.setattr(SweepRuns, "save", lambda *now: kept or kept.append(save(*now)))
    first = publisher(folder, uri)
    monkeypatch.undo()
    assert Bookmark.read(folder).parent == ""
    assert publisher(folder, uri).parent == first.parent


def test_a_parent_gets_the_yaml_that_the_driver_before_did_not_log(folder, tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/files.db"
    # The first driver is killed before it logs them.
    monkeypatch.setattr(SweepRuns, "_log_files", lambda self: None)
    first = publisher(folder, uri)
    monkeypatch.undo()
    second = publisher(folder, uri)
    assert second.parent == first.parent
    files = {file.path for file in MlflowClient(uri).list_artifacts(second.parent)}
    assert files == {"sweep.yaml", "resolved.yaml"}


@pytest.mark.publisher_process
def test_artifacts_that_cannot_be_written_are_one_error_and_the_sweep_can_be_resumed(
    ray_session, tmp_path, curves, monkeypatch
):
    uri, blocked = f"sqlite:///{tmp_path}/blocked.db", tmp_path / "mlartifacts"
    blocked.write_text("no folder")
    spec = load_spec(content(name="blocked", budget={"trials": 1}))
    with pytest.raises(SweepError, match=r"^cannot write to MLflow at .*; fix the cause, then run: "):
        run(spec, storage=tmp_path / "runs", tracking_uri=uri)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("blocked").experiment_id
    assert [each.info.status for each in client.search_runs([experiment])] == ["KILLED"]
    blocked.unlink()
    publish_in_a_thread(monkeypatch)
    result = resume("blocked", storage=tmp_path / "runs", tracking_uri=uri)
    assert result.complete
    assert [each.info.status for each in client.search_runs([experiment])] == ["FINISHED"] * 2


def test_a_run_is_created_once_even_if_the_reply_is_lost(folder, server):
    with Forgetful(server.uri, "runs/create") as uri:
        follower = publisher(folder, uri, messages := Messages())
        follower.start()
        start(folder, 1)
        epochs(folder, 1, 1, 3)
        end(folder, 1)
        follower.close()
    assert messages.away.is_set()
    assert delivered(folder, server.uri, follower.parent) == {"0001": ("FINISHED", expected(3))}


def test_status_and_report_leave_the_callers_environment_and_log_levels_alone(folder, tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/caller.db"
    publisher(folder, uri)
    (folder.path / "journal.jsonl").touch()
    publisher(folder, uri)._log_journal()
    for name in [name for name in os.environ if name.startswith("MLFLOW_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "7")
    logger = logging.getLogger("mlflow.store.db.utils")
    logger.setLevel(logging.INFO)
    before = dict(os.environ)
    with fetched(uri, SPEC["name"]):
        assert (dict(os.environ), logger.level) == (before, logging.INFO)
    PublisherClient(uri, folder.study).send_report(folder, Bookmark.read(folder).parent)
    assert (dict(os.environ), logger.level) == (before, logging.INFO)
    with mlflow_settings():
        assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "7"
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "0"


def test_mlflow_does_not_log_database_errors(tmp_path, caplog):
    client = connect(f"sqlite:///{tmp_path}/damaged.db")
    with sqlite3.connect(tmp_path / "damaged.db") as database:
        database.execute("drop table experiments")
    logger = logging.getLogger("mlflow.store.db.utils")
    logger.addHandler(caplog.handler)
    try:
        with pytest.raises(MlflowException, match="no such table"):
            client.search_experiments()
        assert caplog.records == []
        # Outside mlflow_settings it does, and under this logger's name.
        logger.setLevel(logging.NOTSET)
        with pytest.raises(MlflowException, match="no such table"):
            client.search_experiments()
        assert caplog.records != []
    finally:
        logger.removeHandler(caplog.handler)


def test_a_report_that_cannot_be_uploaded_is_one_error(folder, tmp_path):
    uri = f"sqlite:///{tmp_path}/report.db"
    publisher(folder, uri)
    shutil.rmtree(tmp_path / "mlartifacts")
    (tmp_path / "mlartifacts").write_text("no folder")
    folder.report.mkdir()
    (folder.report / "report.html").write_text("a report")
    with pytest.raises(SweepError, match=f"^cannot write to MLflow at {uri}: .*mlartifacts"):
        PublisherClient(uri, folder.study).send_report(folder, Bookmark.read(folder).parent)


def test_a_storage_that_is_moved_has_its_store_with_it(tmp_path, curves, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    before, after = tmp_path / "before", tmp_path / "after"
    folder = create_sweep(before, load_spec(SPEC))
    parent = publisher(folder, default_tracking_uri(before)).parent
    before.rename(after)
    moved = latest_sweep(after, SPEC["name"])
    uri = Bookmark.read(moved).uri
    assert uri == f"sqlite:///{after}/mlflow.db"
    assert publisher(moved, uri).parent == parent


def test_a_trial_may_have_more_metrics_than_mlflow_takes_at_a_time(folder, tmp_path):
    uri = f"sqlite:///{tmp_path}/many.db"
    start(folder, 1)
    epochs(folder, 1, 1, 1200)
    follower = publisher(folder, uri)
    follower.start()
    follower.close()
    assert delivered(folder, uri, follower.parent)["0001"] == ("KILLED", expected(1200))


def test_a_deleted_experiment_is_one_error_and_leaves_nothing(curves, tmp_path):
    uri = f"sqlite:///{tmp_path}/deleted.db"
    client = connect(uri)
    client.delete_experiment(client.create_experiment(SPEC["name"]))
    with pytest.raises(
        SweepError, match=r"experiment 'test-curves' at .* is deleted; change name: .*restore -x"
    ):
        run(SPEC, storage=tmp_path / "runs", tracking_uri=uri)
    assert not (tmp_path / "runs").exists()


def test_the_recorded_versions_say_if_linear_layers_use_onednn(monkeypatch):
    monkeypatch.delenv("NOISESWEEP_ONEDNN", raising=False)
    versions = provenance()["versions"]
    for setting, note in (("0", ""), ("1", ", oneDNN linear layers")):
        monkeypatch.setenv("NOISESWEEP_ONEDNN", setting)
        assert provenance()["versions"] == versions + note

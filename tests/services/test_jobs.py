"""Sweeps as jobs of a real Ray cluster: submitted, followed, left alone, stopped and resumed."""

import json
import os
import re
import socket
import subprocess
import sys
from collections import Counter
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from types import SimpleNamespace
from zipfile import ZipFile

import pytest
import ray
import requests
from mlflow import MlflowClient
from ray._private.runtime_env.packaging import create_package

import cluster.client
from cluster.jobs import _resume_command
from cluster.submission import submit
from cluster.upload import LIMIT, check_size, find_files, formatted_size, pack
from sweeps import SweepError, cli
from sweeps.record.folder import latest_sweep
from sweeps.tracking.bookmark import Bookmark
from tests.clusters import BIN, LocalCluster, free_ports
from tests.faults.sweep import events

BASE = {
    "trainable": "digits",
    "search": {
        "noise": {"grid": ["none", "layer"]},
        "sigma": {"grid": [0.01], "when": {"noise": ["layer"]}},
    },
    "objective": {"metric": "val_loss", "mode": "min"},
}
QUICK = {"epochs": 2, "train_subset": 200}
# It takes some seconds, so that it is still running when it is stopped or its client ends.
SLOW = {"epochs": 8, "batch_size": 2, "train_subset": 600}
# Imports everything that the command needs, then waits for a line of input.
PREPARED = "import cluster.jobs; from sweeps import cli; print(flush=True); input(); cli.main()"


def write(folder, name, fixed, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.yaml"
    # JSON is YAML.
    file.write_text(json.dumps({"name": name, "fixed": fixed, **BASE, **changes}))
    return file


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("content")


def uploaded(root, *left_out):
    return {str(path.relative_to(root)) for path in find_files(root, [root / "runs", *left_out])}


# The files that are uploaded.


def test_a_folder_is_uploaded_with_what_a_sweep_needs(tmp_path):
    names = ("sweep.yaml", "studies/other.yaml", "own/__init__.py", "own/trainable.py", "words.csv")
    touch(tmp_path, *names)
    assert uploaded(tmp_path) == set(names)


@pytest.mark.parametrize(
    "name",
    [
        ".git/config",
        ".venv/pyvenv.cfg",
        "any-name/pyvenv.cfg",
        "conda/conda-meta/history",
        "own/__pycache__/trainable.pyc",
        "cache/CACHEDIR.TAG",
        ".ipynb_checkpoints/sweep.ipynb",
        "node_modules/package.js",
        "runs/digits/report.html",
        "results/digits/001/resolved.yaml",
        "results/mlflow.db",
        "mlflow.db",
        "mlflow.db-wal",
        "mlflow.db.lock",
        "mlruns/0/meta.yaml",
        "mlartifacts/0/model.pt",
        ".env",
        "cluster/nodes.env",
    ],
)
def test_what_only_this_machine_needs_is_left_out(tmp_path, name):
    touch(tmp_path, "sweep.yaml", name)
    assert uploaded(tmp_path) == {"sweep.yaml"}


def test_a_marked_folder_is_left_out_as_a_whole(tmp_path):
    touch(
        tmp_path, "sweep.yaml", ".venv/pyvenv.cfg", ".venv/lib/site.py", "results/mlflow.db", "results/a.csv"
    )
    assert uploaded(tmp_path) == {"sweep.yaml"}


def test_ignore_files_are_heeded_in_their_folders(tmp_path):
    touch(tmp_path, "sweep.yaml", "big.csv", "notes.txt", "own/keep.py", "own/drop.py", "drop.py")
    (tmp_path / ".gitignore").write_text("*.csv\n")
    (tmp_path / ".rayignore").write_text("notes.txt\n")
    (tmp_path / "own/.gitignore").write_text("drop.py\n")
    ignored = {".gitignore", ".rayignore", "own/.gitignore"}
    assert uploaded(tmp_path) - ignored == {"sweep.yaml", "own/keep.py", "drop.py"}


def test_ignore_files_mean_the_same_to_the_commands_of_ray(tmp_path):
    names = (
        "sweep.yaml",
        "logs/a.log",
        "logs/keep.log",
        "own/logs/b.txt",
        "own/a b.txt",
        "own/#c.txt",
        "d.csv",
    )
    touch(tmp_path, *names)
    patterns = [
        "# comment",
        "",
        "*.log",
        "!keep.log",
        "/logs/b.txt",
        "own/logs/",
        "a\\ b.txt",
        "\\#c.txt",
        "[d].csv",
    ]
    (tmp_path / ".rayignore").write_text("\n".join(patterns))
    create_package(str(tmp_path), tmp_path / "package.zip", include_gitignore=True)
    packed = {name for name in ZipFile(tmp_path / "package.zip").namelist() if not name.endswith("/")}
    assert uploaded(tmp_path) - {"package.zip"} == packed - {"package.zip"}
    assert packed - {"package.zip"} == {".rayignore", "sweep.yaml", "logs/keep.log"}


def test_data_is_left_out(tmp_path):
    touch(tmp_path, "sweep.yaml", "data/mnist/train.parquet", "more/imdb/train.parquet")
    assert uploaded(tmp_path, tmp_path / "data", tmp_path / "more") == {"sweep.yaml"}


def test_links_are_followed_but_not_in_circles(tmp_path):
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
    touch(elsewhere, "shared.py")
    touch(root, "sweep.yaml")
    (elsewhere / "itself").symlink_to(elsewhere)
    (root / "linked").symlink_to(elsewhere)
    (root / "round").symlink_to(root)
    (root / "broken").symlink_to(root / "nowhere")
    assert uploaded(root) == {"sweep.yaml", "linked/shared.py"}


@pytest.mark.parametrize(
    ("size", "shown"), [(1, "1 KiB"), (12_000, "12 KiB"), (650_000, "0.6 MiB"), (LIMIT, "100.0 MiB")]
)
def test_sizes_are_shown(size, shown):
    assert formatted_size(size) == shown


def test_what_is_packed_is_what_was_found(tmp_path):
    touch(tmp_path, "root/sweep.yaml", "root/own/trainable.py")
    files = find_files(tmp_path / "root")
    size = pack(files, tmp_path / "root", tmp_path / "upload.zip")
    assert size == (tmp_path / "upload.zip").stat().st_size
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", tmp_path / "upload.zip"], capture_output=True, text=True
    )
    assert re.findall(r"^(\S+\.\S+) ", listed.stdout, re.MULTILINE) == ["own/trainable.py", "sweep.yaml"]


def test_an_upload_beyond_the_limit_is_refused_with_the_largest_files(tmp_path):
    touch(tmp_path, "sweep.yaml")
    for name, size in (("images/a.bin", LIMIT // 2), ("images/b.bin", LIMIT // 2), ("model.pt", 2**20)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            # A sparse file takes no disk.
            file.truncate(size)
    with pytest.raises(SweepError) as error:
        check_size(find_files(tmp_path), tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: the upload of 101.0 MiB in 4 files exceeds 100.0 MiB; submit from a smaller folder, or "
        "list in .rayignore what the sweep does not need; the largest are: images (100.0 MiB), model.pt "
        "(1.0 MiB), sweep.yaml (1 KiB)"
    )


# Commands that are refused before anything is uploaded.


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path):
    """Call the command line without a cluster; returns its errors."""
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", f"http://127.0.0.1:{free_ports(1)[0]}")
    monkeypatch.delenv("NOISESWEEP_DATA_DIR", raising=False)
    folder = tmp_path / "folder"
    write(folder, "quick", QUICK)
    monkeypatch.chdir(folder)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["noisesweep", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        # Python prints a text and exits with 1.
        assert isinstance(exit_.value.code, str)
        return capsys.readouterr().err + exit_.value.code

    return call


@pytest.mark.parametrize("words", [("submit", "quick.yaml"), ("jobs",), ("logs", "a"), ("stop", "a")])
def test_a_cluster_out_of_reach_is_one_line(refused, words):
    said = refused(*words)
    assert re.fullmatch(r"noisesweep: http://127\.0\.0\.1:\d+: no Ray job server answers .*right", said)


def test_a_server_that_never_answers_is_one_line(refused, monkeypatch):
    monkeypatch.setattr(cluster.client, "_TIMEOUT", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as server:
        said = refused("jobs", "--address", f"http://127.0.0.1:{server.getsockname()[1]}")
    assert "no Ray job server answers (ReadTimeout); check that" in said


def test_a_server_of_another_kind_is_one_line(refused):
    with ThreadingHTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{server.server_port}"
        said = refused("jobs", "--address", url)
        server.shutdown()
    assert said.endswith(f"noisesweep: {url}: is not the dashboard of a Ray cluster; check --address")


def test_an_address_that_is_no_url_is_one_line(refused):
    said = refused("jobs", "--address", "head:8265")
    assert said == ("noisesweep: --address head:8265: must be the dashboard's URL, such as http://HEAD:8265")


def test_a_sweep_with_mistakes_is_not_submitted(refused):
    write(Path(), "wrong", {"epochs": 0})
    said = refused("submit", "wrong.yaml")
    assert said.endswith("1 mistake; nothing was run")
    assert "fixed.epochs" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--storage", "here"], r"--storage must be an absolute path .*; got: here"),
        (["--storage", "s3://a:hidden@bucket"], r"--storage s3://\.\.\.@bucket: must not have a password.*"),
        (["--tracking-uri", "mlflow.db"], r"mlflow\.db: not a tracking store; .*"),
        (["--tracking-uri", "http://a:hidden@host"], r".* http://\.\.\.@host: must not have a password.*"),
    ],
)
def test_places_that_a_job_cannot_have_are_refused(refused, options, message):
    said = refused("submit", "quick.yaml", *options)
    assert re.fullmatch(f"noisesweep: {message}", said)
    assert "hidden" not in said


@pytest.fixture
def nowhere():
    """Return a stand-in for a cluster that must not be called."""
    return SimpleNamespace()


def test_a_file_outside_of_the_folder_is_refused(nowhere, tmp_path, monkeypatch):
    file = write(tmp_path / "other", "quick", QUICK)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    message = f"{file}: must be in the folder that is uploaded; submit from its folder, not from: "
    message += str(tmp_path / "folder")
    with pytest.raises(SweepError, match=re.escape(message)):
        submit(nowhere, file, "quick")


def test_a_shipped_study_is_submitted_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    touch(tmp_path, "trainable.py")
    jobs = []
    client = SimpleNamespace(submit_job=lambda **job: jobs.append(job))
    cluster = SimpleNamespace(client=client, address="http://127.0.0.1:1")
    submit(cluster, Path("digits"), "digits", options=["--profile=quick"], shipped=True)
    assert jobs[0]["entrypoint"] == "noisesweep run digits --profile=quick"
    assert _resume_command(jobs[0]["entrypoint"]) == ["submit", "digits", "--resume", "--profile=quick"]


def test_a_file_that_is_ignored_is_refused(nowhere, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "quick", QUICK)
    (tmp_path / ".gitignore").write_text("*.yaml\n")
    with pytest.raises(
        SweepError, match=r"^quick\.yaml: would not be uploaded, because \.gitignore .* folder$"
    ):
        submit(nowhere, Path("quick.yaml"), "quick")


def test_data_that_is_only_here_is_refused(refused):
    said = refused("submit", "quick.yaml", "--set=data_dir=data")
    assert re.fullmatch(r"noisesweep: quick\.yaml: data_dir must be an absolute path .*; got: data", said)


# On a cluster.


def test_a_connection_leaves_the_environment_and_the_log_levels_as_they_were():
    code = """if True:
        import logging, os, ray.job_submission
        def state():
            loggers = ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk")
            return dict(os.environ), [logging.getLogger(name).level for name in loggers]
        before = state()
        from cluster.client import SweepError, connect
        try:
            connect("http://127.0.0.1:1")
        except SweepError:
            print(state() == before)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "True\n"


def test_commands_about_jobs_import_no_torch():
    code = "import sys, cluster.jobs; print([name for name in ('torch', 'mlflow') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


class JobServer(BaseHTTPRequestHandler):
    """Answers as Ray's job server does, and records which token each request had."""

    required, seen = "", list[str | None]()
    # The scheme that is asked for, and where requests are redirected to; empty for neither.
    scheme = elsewhere = ""

    def do_GET(self):
        token = self.headers["Authorization"]
        self.seen.append(token)
        is_let_in = not self.required or token == f"Bearer {self.required}"
        self.send_response(302 if self.elsewhere else 200 if is_let_in else 403 if token else 401)
        if self.scheme:
            self.send_header("WWW-Authenticate", self.scheme)
        if self.elsewhere:
            self.send_header("Location", f"{self.elsewhere}{self.path}")
        self.end_headers()
        self.wfile.write(json.dumps({"ray_version": ray.__version__}).encode())


CONNECT = """
import sys
from cluster.client import connect
from sweeps.errors import SweepError
try:
    connect(sys.argv[1])
except SweepError as error:
    print(error)
"""


@pytest.fixture
def asked(monkeypatch, tmp_path):
    """Connect to a server that requires a token, or none if it is empty; returns the error, if any.

    A process of its own connects: Ray reads the mode of authentication once.
    """
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), JobServer) as server:
        Thread(target=server.serve_forever, daemon=True).start()

        def connect_to(required):
            monkeypatch.setattr(JobServer, "required", required)
            monkeypatch.setattr(JobServer, "seen", [])
            words = [sys.executable, "-c", CONNECT, f"http://127.0.0.1:{server.server_port}"]
            return subprocess.run(words, capture_output=True, text=True, check=True).stdout

        yield connect_to
        server.shutdown()


def test_a_token_goes_only_to_a_server_that_asks_for_one(asked, tmp_path, monkeypatch):
    assert ": requires a token; put it into RAY_AUTH_TOKEN, " in asked("of-file")
    touch(tmp_path, ".ray/auth_token", "other")
    (tmp_path / ".ray/auth_token").write_text("of-file\n")
    (tmp_path / "other").write_text("of-path\n")
    assert asked("") == ""
    assert set(JobServer.seen) == {None}
    assert asked("of-file") == ""
    assert (JobServer.seen[0], JobServer.seen[-1]) == (None, "Bearer of-file")
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "other"))
    assert asked("of-path") == ""
    monkeypatch.setenv("RAY_AUTH_TOKEN", "of-variable")
    assert asked("of-variable") == ""
    assert ": refuses the token; " in asked("another")
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert ": requires a token; " in asked("of-variable")


def test_no_token_goes_to_a_server_that_asks_for_a_password_or_redirects(asked, tmp_path, monkeypatch):
    touch(tmp_path, ".ray/auth_token")
    (tmp_path / ".ray/auth_token").write_text("of-file\n")
    monkeypatch.setattr(JobServer, "scheme", "Basic")
    assert ": requires a token; " in asked("of-file")
    assert set(JobServer.seen) == {None}

    class Another(JobServer):
        scheme = elsewhere = ""

    monkeypatch.setattr(JobServer, "scheme", "")
    with ThreadingHTTPServer(("127.0.0.1", 0), Another) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(JobServer, "elsewhere", f"http://127.0.0.1:{server.server_port}")
        assert ": requires a token; " in asked("of-file")
        server.shutdown()
    assert set(JobServer.seen) == {None}


class Clients:
    """Commands in processes of their own, in a folder with sweeps, against a cluster."""

    def __init__(self, cluster, folder, storage):
        self.cluster, self.folder, self.storage = cluster, folder, storage
        own = {"RAY_AUTH_TOKEN": cluster.token, "HOME": str(folder.parent)}
        # Ray's command takes the address from the environment, where ours is given a wrong one.
        self.env = {**os.environ, **own, "RAY_API_SERVER_ADDRESS": cluster.dashboard_url}
        self.env.pop("RAY_ADDRESS")

    def start(self, *command, **env):
        return subprocess.Popen(
            list(map(str, command)),
            cwd=self.folder,
            env=self.env | env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def noisesweep(self, *words, **env):
        """Start a command with the address as an option, which takes precedence over the environment."""
        address = ("--address", self.cluster.dashboard_url)
        elsewhere = {"RAY_ADDRESS": "local", "RAY_API_SERVER_ADDRESS": "http://127.0.0.1:1"}
        return self.start(BIN / "noisesweep", *words, *address, **elsewhere | env)

    def ask(self, path):
        headers = {"Authorization": f"Bearer {self.cluster.token}"}
        return requests.get(f"{self.cluster.dashboard_url}/api/{path}", headers=headers, timeout=30)

    def sweep(self, name):
        return latest_sweep(self.storage, name)


def ended(client, code=0):
    printed, _ = client.communicate(timeout=300)
    assert client.returncode == code, printed
    return printed


def job_of(client):
    """Return the ID of the job that a waiting client has submitted."""
    uploading, job = client.stdout.readline(), client.stdout.readline().strip()
    assert re.fullmatch(r"uploading \d+ KiB in \d files\n", uploading), uploading + client.stdout.read()
    return job


def until(clients, name, event, client):
    """Wait for an event of a sweep."""
    assert any(
        each["event"] == event for each in events(clients.storage, SimpleNamespace(process=client), name)
    )


def tracked(name):
    """Count a study's runs in MLflow by kind and status."""
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name(name).experiment_id
    runs = client.search_runs([experiment])
    return Counter((run.data.tags["kind"], run.info.status) for run in runs)


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    root = tmp_path_factory.mktemp("jobs")
    folder, storage = root / "folder", root / "storage"
    # The folder has the name of a package of ours, and must not be imported in its place.
    write(folder / "sweeps", "slow", SLOW)
    write(folder, "plain", QUICK)
    touch(folder, ".venv/pyvenv.cfg", "mlflow.db")
    with LocalCluster(head_cpus=2, env={"NOISESWEEP_STORAGE": str(storage)}) as cluster:
        yield Clients(cluster, folder, storage)


@pytest.fixture(scope="module")
def plain(clients):
    """Start Ray's own command, which runs beside the other tests."""
    command = ["job", "submit", "--working-dir", ".", "--", "noisesweep", "run", "plain.yaml"]
    return clients.start(BIN / "ray", *command, RAY_AUTH_MODE="token")


def test_a_job_outlives_its_client_and_can_be_stopped_and_resumed(clients, plain):
    client = clients.noisesweep("submit", "sweeps/slow.yaml", "--wait", "--follow")
    job = job_of(client)
    stop = clients.start(sys.executable, "-c", PREPARED, "stop", job)
    assert stop.stdout.readline() == "\n"
    assert any(f"in {clients.storage}/slow/001" in line for line in client.stdout)
    client.kill()
    client.wait()
    waiting = clients.noisesweep("logs", job, "--follow")
    until(clients, "slow", "epoch", stop)
    said = ended_after_enter(stop)
    assert re.search(rf"^{job} stopped after 0:\d\d:\d\d$", said, re.MULTILINE)
    assert said.splitlines()[-1] == "resume it with: noisesweep submit sweeps/slow.yaml --resume"
    assert f"{job} stopped after" in ended(waiting, code=1)
    assert clients.ask(f"jobs/{job}").json()["status"] == "STOPPED"
    state = clients.sweep("slow").state()
    assert not state.complete
    assert {trial.status for trial in state.trials.values()} == {"interrupted"}
    started = len(state.trials)
    assert tracked("slow") == {("sweep", "KILLED"): 1, ("trial", "KILLED"): started}

    repeated = clients.noisesweep("submit", "sweeps/slow.yaml", "--wait")
    said = ended(clients.noisesweep("submit", "sweeps/slow.yaml", "--resume", "--wait", "--verbose"))
    resumed = clients.sweep("slow")
    _, job, begin, *results, end = said.splitlines()
    assert begin == "results of slow, sweep 001"
    assert re.search(rf"^{job} succeeded after 0:\d\d:\d\d$", end)
    assert "complete, 2 of 2 trials ended: 2 finished" in results
    (report,) = [line for line in results if line.startswith("Report: ")]
    run = Bookmark.read(resumed).parent
    assert report == (
        f"Report: {resumed.report}/report.html on node {socket.gethostname()}; "
        f"in the tracking store: report/report.html of run {run}"
    )
    assert results[-1] == f"tracking store: {os.environ['MLFLOW_TRACKING_URI']}"
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    assert "report/report.html" in [file.path for file in client.list_artifacts(run, "report")]
    # The job has been told to be verbose.
    log = ended(clients.noisesweep("logs", job))
    assert re.search(r"^\[2/2\] 000\d-\w+ .*finished after 8 of 8 epochs", log, re.MULTILINE)
    assert resumed.path.name == "001"
    assert (resumed.report / "report.html").exists()
    assert resumed.state().trials.keys() >= state.trials.keys()
    assert [len(trial.epochs) for trial in resumed.state().trials.values()] == [8, 8]
    assert tracked("slow") == {("sweep", "FINISHED"): 1, ("trial", "FINISHED"): 2}

    failed = ended(repeated, code=1)
    assert re.search(r"^slow-\S+ failed after 0:\d\d:\d\d$", failed, re.MULTILINE)
    assert re.search(r"the study 'slow' .*\(noisesweep resume slow --storage ", failed)


def ended_after_enter(client):
    client.stdin.write("\n")
    return ended(client)


def test_the_plain_command_of_ray_runs_a_sweep(clients, plain):
    assert "succeeded" in ended(plain)
    assert clients.sweep("plain").state().complete
    assert tracked("plain") == {("sweep", "FINISHED"): 1, ("trial", "FINISHED"): 2}


def test_errors_on_a_cluster_are_one_line(clients):
    unknown = [clients.noisesweep(command, "nobody/1") for command in ("logs", "stop")]
    wrong = clients.noisesweep("jobs", RAY_AUTH_TOKEN="0" * 64)
    missing = clients.noisesweep("jobs", RAY_AUTH_TOKEN="")
    url = clients.cluster.dashboard_url
    for client in unknown:
        assert ended(client, code=1) == (
            f"noisesweep: no job 'nobody/1'; list the jobs with: noisesweep jobs --address {url}\n"
        )
    advice = "put it into RAY_AUTH_TOKEN, the file that RAY_AUTH_TOKEN_PATH names, or ~/.ray/auth_token"
    assert ended(wrong, code=1) == f"noisesweep: {url}: refuses the token; {advice}\n"
    assert ended(missing, code=1) == f"noisesweep: {url}: requires a token; {advice}\n"


def test_jobs_are_listed_and_none_reveals_the_token(clients):
    known = clients.ask("jobs/").json()
    submitted = {job["submission_id"]: job for job in known if job["type"] == "SUBMISSION"}
    assert submitted
    table = ended(clients.noisesweep("jobs"))
    for job, details in submitted.items():
        assert re.search(rf"{job} .* {details['status'].lower()} ", table)
        assert clients.cluster.token not in clients.ask(f"jobs/{job}/logs").text
    assert clients.cluster.token not in json.dumps(known)
    assert ended(clients.noisesweep("logs", job)) == clients.ask(f"jobs/{job}/logs").json()["logs"]
    written = [path for path in clients.storage.rglob("*") if path.is_file()]
    assert written
    assert not [path for path in written if clients.cluster.token.encode() in path.read_bytes()]

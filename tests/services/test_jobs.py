"""Sweeps as jobs of a real Ray cluster: submitted, followed, left alone, stopped and resumed."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests
from mlflow import MlflowClient

from cluster.jobs import _again
from cluster.submission import submit
from cluster.upload import LIMIT, check_size, find_files, pack, shown_size
from sweeps import SweepError, cli
from sweeps.record.folder import newest_sweep
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
SLOW = {
    "epochs": 8,
    "batch_size": 2,
    "train_subset": 600,
}  # some seconds, so that it runs when it is stopped, or left alone
# The command with all it imports, which waits until it is told to go on.
PREPARED = "import cluster.jobs; from sweeps import cli; print(flush=True); input(); cli.main()"


def write(folder, name, fixed, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / f"{name}.yaml"
    file.write_text(json.dumps({"name": name, "fixed": fixed, **BASE, **changes}))  # JSON is YAML
    return file


def touch(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("content")


def found(root, *left_out):
    return {str(path.relative_to(root)) for path in find_files(root, [root / "runs", *left_out])}


# What is uploaded.


def test_a_folder_goes_with_what_a_sweep_needs(tmp_path):
    names = ("sweep.yaml", "studies/other.yaml", "own/__init__.py", "own/trainable.py", "words.csv")
    touch(tmp_path, *names)
    assert found(tmp_path) == set(names)


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
def test_what_only_this_machine_needs_stays(tmp_path, name):
    touch(tmp_path, "sweep.yaml", name)
    assert found(tmp_path) == {"sweep.yaml"}


def test_a_folder_of_a_kind_stays_whole(tmp_path):
    touch(
        tmp_path, "sweep.yaml", ".venv/pyvenv.cfg", ".venv/lib/site.py", "results/mlflow.db", "results/a.csv"
    )
    assert found(tmp_path) == {"sweep.yaml"}


def test_ignore_files_are_heeded_in_their_folders(tmp_path):
    touch(tmp_path, "sweep.yaml", "big.csv", "notes.txt", "own/keep.py", "own/drop.py", "drop.py")
    (tmp_path / ".gitignore").write_text("*.csv\n")
    (tmp_path / ".rayignore").write_text("notes.txt\n")
    (tmp_path / "own/.gitignore").write_text("drop.py\n")
    ignored = {".gitignore", ".rayignore", "own/.gitignore"}
    assert found(tmp_path) - ignored == {"sweep.yaml", "own/keep.py", "drop.py"}


def test_data_stays(tmp_path):
    touch(tmp_path, "sweep.yaml", "data/mnist/train.parquet", "more/imdb/train.parquet")
    assert found(tmp_path, tmp_path / "data", tmp_path / "more") == {"sweep.yaml"}


def test_links_are_followed_but_not_round_and_round(tmp_path):
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
    touch(elsewhere, "shared.py")
    touch(root, "sweep.yaml")
    (elsewhere / "itself").symlink_to(elsewhere)
    (root / "linked").symlink_to(elsewhere)
    (root / "round").symlink_to(root)
    (root / "broken").symlink_to(root / "nowhere")
    assert found(root) == {"sweep.yaml", "linked/shared.py"}


@pytest.mark.parametrize(
    ("size", "shown"), [(1, "1 KiB"), (12_000, "12 KiB"), (650_000, "0.6 MiB"), (LIMIT, "100.0 MiB")]
)
def test_sizes_are_shown(size, shown):
    assert shown_size(size) == shown


def test_what_is_packed_is_what_was_found(tmp_path):
    touch(tmp_path, "root/sweep.yaml", "root/own/trainable.py")
    files = find_files(tmp_path / "root")
    size = pack(files, tmp_path / "root", tmp_path / "upload.zip")
    assert size == (tmp_path / "upload.zip").stat().st_size
    listed = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", tmp_path / "upload.zip"], capture_output=True, text=True
    )
    assert re.findall(r"^(\S+\.\S+) ", listed.stdout, re.MULTILINE) == ["own/trainable.py", "sweep.yaml"]


def test_an_absurd_upload_is_refused_with_what_makes_it_large(tmp_path):
    touch(tmp_path, "sweep.yaml")
    for name, size in (("images/a.bin", LIMIT // 2), ("images/b.bin", LIMIT // 2), ("model.pt", 2**20)):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        with path.open("wb") as file:
            file.truncate(size)  # takes no disk
    with pytest.raises(SweepError) as error:
        check_size(find_files(tmp_path), tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: 101.0 MiB in 4 files would be uploaded, more than 100.0 MiB; the largest are images "
        "(100.0 MiB), model.pt (1.0 MiB), sweep.yaml (1 KiB); submit from a smaller folder, or list what the "
        "sweep does not need in .rayignore"
    )


# What is refused before anything is uploaded: nothing answers at this address.


@pytest.fixture
def refused(monkeypatch, capsys, tmp_path):
    """Call the command line where no cluster is; gives what it says."""
    monkeypatch.setenv("RAY_API_SERVER_ADDRESS", f"http://127.0.0.1:{free_ports(1)[0]}")
    monkeypatch.delenv("NOISESWEEP_DATA_DIR", raising=False)
    folder = tmp_path / "folder"
    write(folder, "quick", QUICK)
    monkeypatch.chdir(folder)

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["noisesweep", *map(str, words)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        assert isinstance(exit_.value.code, str)  # Python prints it and exits with 1
        return capsys.readouterr().err + exit_.value.code

    return call


@pytest.mark.parametrize("words", [("submit", "quick.yaml"), ("jobs",), ("logs", "a"), ("stop", "a")])
def test_a_cluster_out_of_reach_is_one_line(refused, words):
    said = refused(*words)
    assert re.fullmatch(r"noisesweep: http://127\.0\.0\.1:\d+: no Ray job server answers .*right\?", said)


def test_an_address_that_is_none_is_one_line(refused):
    said = refused("jobs", "--address", "head:8265")
    assert said == (
        "noisesweep: --address head:8265: give the http:// address of the dashboard, such as http://HEAD:8265"
    )


def test_a_sweep_with_mistakes_is_not_submitted(refused):
    write(Path(), "wrong", {"epochs": 0})
    said = refused("submit", "wrong.yaml")
    assert said.endswith("1 mistake; nothing was run")
    assert "fixed.epochs" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--storage", "here"], r"--storage here: is relative, and the job's folder is a copy .*"),
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
    """Stand for a cluster that is not asked."""
    return SimpleNamespace()


def test_a_file_outside_of_the_folder_is_refused(nowhere, tmp_path, monkeypatch):
    file = write(tmp_path / "other", "quick", QUICK)
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    message = f"{file}: is not in {tmp_path / 'folder'}, the folder that is uploaded; submit from its folder"
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
    assert _again(jobs[0]["entrypoint"]) == ["submit", "digits", "--resume", "--profile=quick"]


def test_a_file_that_is_ignored_is_refused(nowhere, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "quick", QUICK)
    (tmp_path / ".gitignore").write_text("*.yaml\n")
    with pytest.raises(SweepError, match=r"^quick\.yaml: would not be uploaded: \.gitignore or .*; move it$"):
        submit(nowhere, Path("quick.yaml"), "quick")


def test_data_that_is_only_here_is_refused(refused):
    said = refused("submit", "quick.yaml", "--set=data_dir=data")
    assert re.match(r"noisesweep: quick\.yaml: data_dir data: is a folder here, .* absolute path", said)


# On a cluster.


def test_commands_about_jobs_import_no_torch():
    code = "import sys, cluster.jobs; print([name for name in ('torch', 'mlflow') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


class Clients:
    """Commands in processes of their own, in a folder with sweeps, against a cluster."""

    def __init__(self, cluster, folder, storage):
        self.cluster, self.folder, self.storage = cluster, folder, storage
        own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": cluster.token, "HOME": str(folder.parent)}
        # Ray's command takes the address from the environment; ours is given another there.
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
        """Start it, with the address as an option, which is stronger than the environment."""
        address = ("--address", self.cluster.dashboard_url)
        elsewhere = {"RAY_ADDRESS": "local", "RAY_API_SERVER_ADDRESS": "http://127.0.0.1:1"}
        return self.start(BIN / "noisesweep", *words, *address, **elsewhere | env)

    def ask(self, path):
        headers = {"Authorization": f"Bearer {self.cluster.token}"}
        return requests.get(f"{self.cluster.dashboard_url}/api/{path}", headers=headers, timeout=30)

    def sweep(self, name):
        return newest_sweep(self.storage, name)


def ended(client, code=0):
    printed, _ = client.communicate(timeout=300)
    assert client.returncode == code, printed
    return printed


def job_of(client):
    """Read which job a client that waits has submitted."""
    uploading, job = client.stdout.readline(), client.stdout.readline().strip()
    assert re.fullmatch(r"uploading \d+ KiB in \d files\n", uploading), uploading + client.stdout.read()
    return job


def until(clients, name, event, client):
    """Wait for an event of a sweep."""
    assert any(
        each["event"] == event for each in events(clients.storage, SimpleNamespace(process=client), name)
    )


def tracked(name):
    """How many runs a study has in MLflow, by what they are and their status."""
    client = MlflowClient(os.environ["MLFLOW_TRACKING_URI"])
    experiment = client.get_experiment_by_name(name).experiment_id
    runs = client.search_runs([experiment])
    return Counter(("trial" if "trial" in run.data.tags else "sweep", run.info.status) for run in runs)


@pytest.fixture(scope="module")
def clients(tmp_path_factory):
    root = tmp_path_factory.mktemp("jobs")
    folder, storage = root / "folder", root / "storage"
    # A folder that is called like a package of ours, which must not be taken for it.
    write(folder / "sweeps", "slow", SLOW)
    write(folder, "plain", QUICK)
    touch(folder, ".venv/pyvenv.cfg", "mlflow.db")
    with LocalCluster(head_cpus=2, env={"NOISESWEEP_STORAGE": str(storage)}) as cluster:
        yield Clients(cluster, folder, storage)


@pytest.fixture(scope="module")
def plain(clients):
    """Start Ray's own command, to run beside the others."""
    command = ["job", "submit", "--working-dir", ".", "--", "noisesweep", "run", "plain.yaml"]
    return clients.start(BIN / "ray", *command)


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
    assert said.splitlines()[-1] == "go on with it: noisesweep submit sweeps/slow.yaml --resume"
    assert f"{job} stopped after" in ended(waiting, code=1)
    assert clients.ask(f"jobs/{job}").json()["status"] == "STOPPED"
    state = clients.sweep("slow").state()
    assert not state.complete
    assert {trial.status for trial in state.trials.values()} == {"interrupted"}
    started = len(state.trials)
    assert tracked("slow") == {("sweep", "KILLED"): 1, ("trial", "KILLED"): started}

    anew = clients.noisesweep("submit", "sweeps/slow.yaml", "--wait")
    log = ended(clients.noisesweep("submit", "sweeps/slow.yaml", "--resume", "--wait", "--follow"))
    assert "complete, 2 of 2 trials ended: 2 finished" in log
    assert re.search(r"^slow-\S+ succeeded after 0:\d\d:\d\d$", log, re.MULTILINE)
    resumed = clients.sweep("slow")
    assert resumed.path.name == "001"
    assert (resumed.report / "report.html").exists()
    assert resumed.state().trials.keys() >= state.trials.keys()
    assert [len(trial.epochs) for trial in resumed.state().trials.values()] == [8, 8]
    assert tracked("slow") == {("sweep", "FINISHED"): 1, ("trial", "FINISHED"): 2}

    failed = ended(anew, code=1)
    assert re.search(r"^slow-\S+ failed after 0:\d\d:\d\d$", failed, re.MULTILINE)
    assert "the study 'slow' has a sweep; go on with it (noisesweep resume slow --storage " in failed


def ended_after_enter(client):
    client.stdin.write("\n")
    return ended(client)


def test_the_plain_command_of_ray_runs_a_sweep(clients, plain):
    assert "succeeded" in ended(plain)
    assert clients.sweep("plain").state().complete
    assert tracked("plain") == {("sweep", "FINISHED"): 1, ("trial", "FINISHED"): 2}


def test_what_goes_wrong_on_a_cluster_is_said(clients):
    unknown = [clients.noisesweep(command, "nobody/1") for command in ("logs", "stop")]
    wrong = clients.noisesweep("jobs", RAY_AUTH_TOKEN="0" * 64)
    missing = clients.noisesweep("jobs", RAY_AUTH_TOKEN="", RAY_AUTH_MODE="")
    url = clients.cluster.dashboard_url
    for client in unknown:
        assert ended(client, code=1) == (
            f"noisesweep: no job 'nobody/1'; noisesweep jobs --address {url} lists them\n"
        )
    how = "RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token"
    assert ended(wrong, code=1) == f"noisesweep: {url}: refuses the token; it comes from {how}\n"
    assert ended(missing, code=1) == f"noisesweep: {url}: asks for a token; it comes from {how}\n"


def test_jobs_are_listed_and_none_tells_the_token(clients):
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

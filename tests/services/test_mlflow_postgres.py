"""The compose file's MLflow server, on PostgreSQL and with artifacts in S3, takes a sweep."""

import contextlib
import json
import logging
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import boto3
import mlflow
import psycopg2
import pytest
import requests
import yaml
from moto.server import ThreadedMotoServer
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from sweeps import run
from tests.runs import children, history

SERVICES = Path(__file__).parents[2] / "cluster" / "services"
# Debian keeps PostgreSQL's programs out of PATH; take those of the latest version.
POSTGRESQL = max(
    Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name), default=None
)

pytestmark = pytest.mark.skipif(
    POSTGRESQL is None, reason="needs PostgreSQL's server in /usr/lib/postgresql (apt-get install postgresql)"
)


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def make_secrets(folder):
    """Write the secrets of the compose file as its user does."""
    shutil.copy(SERVICES / "make-secrets", folder)
    subprocess.run([folder / "make-secrets"], check=True)
    return folder / "secrets"


@pytest.fixture(scope="module")
def passwords(tmp_path_factory):
    return make_secrets(tmp_path_factory.mktemp("passwords"))


@pytest.fixture(scope="module")
def postgres(passwords):
    """Start a PostgreSQL server; give the environment variables by which libpq finds it."""
    # PostgreSQL refuses to run as root, and its user cannot read pytest's folders.
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    folder = Path(tempfile.mkdtemp(prefix="noisesweep-postgres-"))
    password = folder / "password"
    shutil.copy(passwords / "postgres_password", password)
    if user:
        shutil.chown(folder, "postgres")
        shutil.chown(password, "postgres")
    data, log = folder / "data", folder / "log"

    def postgresql(program, *arguments, **options):
        subprocess.run(
            [*user, POSTGRESQL / program, *arguments],
            check=True,
            cwd=folder,
            stdout=subprocess.DEVNULL,
            **options,
        )

    postgresql(
        "initdb", "--pgdata", data, "--username=mlflow", "--auth=scram-sha-256", f"--pwfile={password}"
    )
    address = {"PGHOST": "127.0.0.1", "PGPORT": str(free_port()), "PGUSER": "mlflow"}
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": address["PGPORT"],
        "unix_socket_directories": folder,
        # The data need not survive a crash.
        "fsync": "off",
    }
    options = " ".join(f"-c {key}={value}" for key, value in settings.items())
    postgresql("pg_ctl", "--pgdata", data, "--log", log, "--options", options, "--wait", "start")
    try:
        postgresql("createdb", "mlflow", env={**os.environ, **address, "PGPASSWORD": password.read_text()})
        yield address
    finally:
        postgresql("pg_ctl", "--pgdata", data, "--mode=immediate", "stop")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def s3():
    """Start an S3 server; give its address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


class Server:
    """The MLflow server with the compose file's command and environment, except for addresses and paths."""

    def __init__(self, folder, secrets_folder, postgres, s3):
        service = yaml.safe_load((SERVICES / "compose.yaml").read_text())["services"]["mlflow"]
        port = free_port()
        self.uri = f"http://127.0.0.1:{port}"
        self.log = folder / "mlflow.log"
        here = {
            **postgres,
            "MLFLOW_S3_ENDPOINT_URL": s3,
            "SECRETS": str(secrets_folder),
            "MLFLOW_HOST": "127.0.0.1",
            "MLFLOW_PORT": str(port),
            "MLFLOW_SERVER_ALLOWED_HOSTS": service["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"].replace(
                "${BIND_ADDRESS:-127.0.0.1}", "127.0.0.1"
            ),
        }
        assert here.keys() <= service["environment"].keys()
        # Leave out the settings of the test session's own store.
        inherited = {
            key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "PG", "AWS_"))
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, SERVICES / "mlflow" / "start.py", *service["command"]],
                cwd=folder,
                env={**inherited, **service["environment"], **here},
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait()

    def _wait(self):
        session = requests.Session()
        session.mount("http://", HTTPAdapter(max_retries=Retry(2, backoff_factor=0.2)))
        while self.process.poll() is None:
            with contextlib.suppress(requests.ConnectionError):
                return session.get(f"{self.uri}/health", timeout=60).raise_for_status()
        raise AssertionError(self.log.read_text())


@pytest.fixture(scope="module")
def server(tmp_path_factory, passwords, postgres, s3):
    # urllib3 warns about every retry.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
    server = Server(tmp_path_factory.mktemp("mlflow"), passwords, postgres, s3)
    yield server
    os.killpg(server.process.pid, signal.SIGTERM)
    server.process.wait()


SPEC = {
    "name": "on-postgres",
    "trainable": "digits",
    "fixed": {"epochs": 2, "train_subset": 200},
    "search": {
        "noise": {"grid": ["none", "layer"]},
        "sigma": {"grid": [0.01], "when": {"noise": ["layer"]}},
    },
    "objective": {"metric": "val_loss", "mode": "min"},
}


def test_a_sweep_is_stored_in_postgresql_and_s3_without_any_password(
    ray_session, server, passwords, postgres, s3, tmp_path
):
    result = run(SPEC, storage=tmp_path / "runs", tracking_uri=server.uri)
    assert result.undelivered == 0
    for trial in result.state.trials.values():
        logged = history(result, children(result)[trial.id].info.run_id, "val_loss")
        assert logged == {epoch: metrics["val_loss"] for epoch, metrics in trial.epochs.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", server.uri)
        model = mlflow.pyfunc.load_model(f"runs:/{result.run_id}/best_model")
    assert model.metadata.signature is not None

    store = boto3.client(
        "s3", endpoint_url=s3, region_name="us-east-1", aws_access_key_id="any", aws_secret_access_key="any"
    )
    stored = {found["Key"] for found in store.list_objects_v2(Bucket="mlflow")["Contents"]}
    assert any(key.endswith("/MLmodel") for key in stored)
    assert any(result.run_id in key for key in stored)

    password = (passwords / "postgres_password").read_text()
    environment = {**os.environ, **postgres, "PGPASSWORD": password}
    dump = [POSTGRESQL / "pg_dump", "--data-only", "--inserts", "mlflow"]
    database = subprocess.run(dump, env=environment, check=True, capture_output=True, text=True).stdout
    assert result.run_id in database
    keys = json.loads((passwords / "s3.json").read_text())["identities"][0]["credentials"][0]
    secret = {password, keys["accessKey"], keys["secretKey"]}
    assert len(secret) == 3
    log = server.log.read_text()
    kept = "".join(
        path.read_text(errors="ignore") for path in (tmp_path / "runs").rglob("*") if path.is_file()
    )
    assert [text for text in secret if text in database + log + kept] == []


def test_requests_for_another_host_or_with_another_password_are_refused(server, postgres):
    assert requests.get(f"{server.uri}/version", timeout=10).ok
    experiments = f"{server.uri}/api/2.0/mlflow/experiments/search?max_results=1"
    assert requests.get(experiments, timeout=10).ok
    assert (
        requests.get(experiments, headers={"Host": "rebound.example.com:5000"}, timeout=10).status_code == 403
    )
    address = {"host": postgres["PGHOST"], "port": postgres["PGPORT"], "user": postgres["PGUSER"]}
    with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
        psycopg2.connect(dbname="mlflow", password=secrets.token_hex(), **address)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("postgres_password", "\n"),
        ("s3.json", '{"identities": [{"credentials": [{"accessKey": "key", "secretKey": ""}]}]}'),
    ],
    ids=["postgresql", "s3"],
)
def test_an_empty_password_is_refused(tmp_path, file, content):
    folder = make_secrets(tmp_path)
    (folder / file).write_text(content)
    done = subprocess.run(
        [sys.executable, SERVICES / "mlflow" / "start.py", "--artifacts-destination", "s3://mlflow"],
        env={**os.environ, "SECRETS": str(folder)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "a secret is empty" in done.stderr

"""The compose file of the shared services: pinned images, health checks, loopback only, and no password."""

import json
import os
import re
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

SERVICES = Path(__file__).parents[2] / "cluster" / "services"
COMPOSE = yaml.safe_load((SERVICES / "compose.yaml").read_text())
# The tag is a version: neither latest nor a major version alone.
IMAGE = r"[\w./-]+:\d+\.\d[\w.-]*"


def compose_client():
    """Return this machine's compose client: Docker's plugin, or the older program."""
    for client in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(client[0])
            and subprocess.run([*client, "version"], capture_output=True).returncode == 0
        ):
            return client
    return None


@pytest.mark.parametrize("service", COMPOSE["services"].values(), ids=COMPOSE["services"].keys())
def test_every_service_is_pinned_has_a_health_check_and_reads_passwords_from_files(service):
    assert re.fullmatch(IMAGE, service["image"])
    assert service["healthcheck"]["test"][0] == "CMD"
    assert service["healthcheck"]["retries"] > 1
    assert service["secrets"]
    assert set(service["secrets"]) <= COMPOSE["secrets"].keys()
    for key, value in service.get("environment", {}).items():
        secret = any(word in key for word in ("PASSWORD", "SECRET", "KEY", "TOKEN"))
        assert not secret or value.startswith("/run/secrets"), key


def test_only_mlflow_is_published_and_on_loopback():
    ports = {name: service["ports"] for name, service in COMPOSE["services"].items() if "ports" in service}
    assert ports == {"mlflow": ["${BIND_ADDRESS:-127.0.0.1}:5000:5000"]}
    assert COMPOSE["networks"]["stores"] == {"internal": True}
    published = {name for name, service in COMPOSE["services"].items() if "published" in service["networks"]}
    assert published == {"mlflow"}


def test_the_base_images_are_pinned():
    for file in SERVICES.parent.rglob("Dockerfile"):
        base = re.search(r"^FROM (\S+)", file.read_text(), re.MULTILINE).group(1)
        assert re.fullmatch(IMAGE, base), file


def test_the_image_is_named_after_the_mlflow_that_is_pinned():
    pins = (SERVICES.parents[1] / "constraints.txt").read_text()
    version = re.search(r"^mlflow==(.*)$", pins, re.MULTILINE).group(1)
    assert COMPOSE["services"]["mlflow"]["image"] == f"noisesweep-mlflow:{version}"


def test_make_secrets_writes_random_private_secrets_and_keeps_them(tmp_path):
    def make(folder):
        folder.mkdir(exist_ok=True)
        shutil.copy(SERVICES / "make-secrets", folder)
        subprocess.run([folder / "make-secrets"], check=True)
        assert stat.S_IMODE((folder / "secrets").stat().st_mode) == 0o700
        return {path.name: path.read_text() for path in (folder / "secrets").iterdir()}

    first, other = make(tmp_path / "a"), make(tmp_path / "b")
    assert first.keys() == COMPOSE["secrets"].keys()
    assert {source["file"] for source in COMPOSE["secrets"].values()} == {f"secrets/{name}" for name in first}
    keys = json.loads(first["s3.json"])["identities"][0]["credentials"][0]
    passwords = {first["postgres_password"], keys["accessKey"], keys["secretKey"]}
    assert len(passwords) == 3
    assert all(re.fullmatch("[0-9a-f]{48}", password) for password in passwords)
    assert not any(password in text for password in passwords for text in other.values())
    assert make(tmp_path / "a") == first


@pytest.mark.parametrize("address", [None, "10.0.0.5"])
def test_docker_compose_accepts_the_file(address):
    client = compose_client()
    if client is None:
        pytest.skip("needs a Docker client with compose")
    environment = {key: value for key, value in os.environ.items() if key != "BIND_ADDRESS"}
    if address:
        environment["BIND_ADDRESS"] = address
    command = [*client, "--file", SERVICES / "compose.yaml", "config"]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    mlflow = yaml.safe_load(done.stdout)["services"]["mlflow"]
    (port,) = mlflow["ports"]
    # The older program writes the short form.
    host = port["host_ip"] if isinstance(port, dict) else port.split(":")[0]
    assert host == (address or "127.0.0.1")
    assert mlflow["environment"]["MLFLOW_SERVER_ALLOWED_HOSTS"].endswith(f",{host}:*")

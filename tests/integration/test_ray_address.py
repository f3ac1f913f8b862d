"""Which Ray a sweep joins, and what it says if none answers."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import pytest
import ray

from sweeps.engine import ray_address, ray_private
from sweeps.engine.ray_address import ALONE, address_to_join
from sweeps.errors import SweepError

# Ray replaces 127.0.0.1 by the machine's own address.
HOST = "127.0.0.2"
TOKEN = "export RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN unless the token is in ~/.ray/auth_token"


@pytest.fixture
def opened():
    with ExitStack() as stack:
        yield stack


def closed(opened):
    with socket.create_server((HOST, 0)) as server:
        return server.getsockname()[1]


def silent(opened):
    """A server that accepts connections and never answers."""
    return opened.enter_context(socket.create_server((HOST, 0))).getsockname()[1]


class Refusal(grpc.GenericRpcHandler):
    def service(self, call):
        def refuse(request, context):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "InvalidAuthToken")

        return grpc.unary_unary_rpc_method_handler(refuse)


def with_token(opened):
    server = grpc.server(opened.enter_context(ThreadPoolExecutor(1)), handlers=[Refusal()])
    port = server.add_insecure_port(f"{HOST}:0")
    server.start()
    opened.callback(lambda: server.stop(0).wait())
    return port


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (closed, "no Ray cluster answers there; start it"),
        (silent, "no Ray cluster answers there; start it"),
        (with_token, f"requires a token, or another one; {TOKEN}"),
    ],
)
def test_a_head_that_cannot_be_used_is_told_within_seconds(head, said, opened, monkeypatch):
    monkeypatch.setattr(ray_address, "_SECONDS", 0.5 if head is silent else 60)
    address = f"{HOST}:{head(opened)}"
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(SweepError) as caught:
        address_to_join()
    assert str(caught.value) == f"RAY_ADDRESS={address}: {said}, or {ALONE}"


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("ray://head:10001", "a sweep cannot use Ray's client; run it on a node of the cluster"),
        ("http://head:8265", "is not the HOST:PORT of a head; put a dashboard's address into RAY_API_SERVER"),
        ("head", "Invalid address format: head; give HOST:PORT of the head"),
    ],
)
def test_an_address_of_another_kind_is_told(address, said, monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", address)
    with pytest.raises(SweepError) as caught:
        address_to_join()
    assert str(caught.value).startswith(f"RAY_ADDRESS={address}: {said}")
    assert str(caught.value).endswith(ALONE)


def test_the_record_of_a_cluster_that_is_gone_is_told(opened, tmp_path, monkeypatch):
    (tmp_path / "ray").mkdir()
    address = f"{HOST}:{closed(opened)}"
    (tmp_path / "ray" / "ray_current_cluster").write_text(address)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    with pytest.raises(SweepError, match=f"{address}, recorded by `ray start`: no Ray cluster answers there"):
        address_to_join()


@pytest.mark.parametrize("address", ["local", ""])
def test_without_an_address_a_sweep_starts_ray_here(address, tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", address)
    assert address_to_join() is None


@pytest.mark.usefixtures("ray_session")
def test_a_head_at_work_can_be_joined(monkeypatch):
    address = ray.get_runtime_context().gcs_address
    monkeypatch.setenv("RAY_ADDRESS", address)
    ray_private.ask_head(address, 60)
    assert ray_private.running_address() == address

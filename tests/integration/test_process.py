"""The publisher process may be killed, and exits with its driver."""

import os
import subprocess
import sys
import threading
from multiprocessing import Pipe
from queue import SimpleQueue

import psutil
import pytest

from sweeps import SweepError, load_spec
from sweeps.record.folder import create_sweep
from sweeps.tracking import publisher_main
from sweeps.tracking.client import PublisherClient
from tests.integration.test_publisher import SPEC, delivered, end, epochs, expected, publisher, start

FOLLOW = """
import sys, threading
from pathlib import Path
from sweeps.tracking.client import PublisherClient
from sweeps.record.folder import SweepFolder
from tests.curves import Curves
from trainables import register

register(Curves)
client = PublisherClient(sys.argv[2], "test-curves")
client.open()
client.follow(SweepFolder(Path(sys.argv[1])), print)
client.start()
print(client._process._process.pid, flush=True)
threading.Event().wait()
"""


class Said(list):
    """Collects what the user is told."""

    def __init__(self):
        self.any = threading.Event()

    def __call__(self, text):
        self.append(text)
        self.any.set()


@pytest.fixture
def folder(tmp_path, curves):
    return create_sweep(tmp_path / "runs", load_spec(SPEC))


@pytest.fixture
def uri(tmp_path):
    return f"sqlite:///{tmp_path}/mlflow.db"


def following(folder, uri, said):
    client = PublisherClient(uri, folder.spec().name)
    client.open()
    client.follow(folder, said)
    client.start()
    return client


def kill(client):
    client._process._process.kill()


def test_it_ignores_signals_and_modules_in_the_working_directory(folder, uri, tmp_path, monkeypatch):
    (tmp_path / "mlflow.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    client = following(folder, uri, said := Said())
    start(folder, 1)
    child = psutil.Process(client._process._process.pid)
    child.send_signal(2)
    child.send_signal(15)
    child.send_signal(1)
    epochs(folder, 1, 1, 3)
    end(folder, 1)
    client.close()
    assert delivered(folder, uri, client.parent) == {"0001": ("FINISHED", expected(3))}
    assert (client.undelivered, said) == (0, [])


def test_it_is_replaced_when_it_is_killed(folder, uri):
    client = following(folder, uri, said := Said())
    parent = client.parent
    start(folder, 1)
    epochs(folder, 1, 1, 2)
    kill(client)
    assert said.any.wait(60)
    epochs(folder, 1, 3, 3)
    end(folder, 1)
    client.close()
    assert delivered(folder, uri, parent) == {"0001": ("FINISHED", expected(3))}
    assert said == [f"the MLflow publisher for {uri} exited with status -9; starting another"]
    assert (client.parent, client.undelivered) == (parent, 0)


def test_it_is_not_replaced_when_the_one_before_uploaded_nothing(folder, uri, monkeypatch):
    client = following(folder, uri, said := Said())
    monkeypatch.setattr(PublisherClient, "_follow", kill)
    start(folder, 1)
    kill(client)
    client._listener.join(60)
    client.close()
    assert f"exited with status -9 again; the rest is kept in {folder.journal.path}" in said[-1]
    assert said[-1].endswith(f"; fix the cause, then run: {folder.resume_command}")
    assert client.undelivered == 1
    monkeypatch.undo()
    rest = publisher(folder, uri)
    rest.start()
    rest.close()
    assert delivered(folder, uri, client.parent) == {"0001": ("KILLED", [])}


def test_an_abandoned_publisher_is_not_mentioned(folder, uri, monkeypatch):
    """A second Ctrl-C abandons it."""
    raised = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    client = following(folder, uri, said := Said())
    client.abandon()
    client._listener.join(60)
    assert not client._listener.is_alive()
    assert (raised, said) == ([], [])


def test_a_publisher_that_is_abandoned_while_it_is_replaced_leaves_no_process(folder, uri):
    client = PublisherClient(uri, folder.spec().name)
    client.open()
    client.follow(folder, lambda text: client.abandon())
    client.start()
    kill(client)
    client._listener.join(60)
    assert not client._listener.is_alive()
    assert client._process._process.poll() is not None


class LastBytesArrive:
    """A mirror whose copy is complete just when the driver begins to close."""

    def __init__(self, folder):
        self.copied, self.client = 0, None
        self._size = folder.journal.path.stat().st_size
        self.ticks = 0

    def tick(self):
        """Renew the lease."""
        self.ticks += 1

    @property
    def offset(self):
        offset = self.copied
        if self.client is not None:
            self.copied = self._size
            self.client._closing.set()
        return offset


def test_events_that_become_safe_when_the_driver_closes_are_uploaded(folder, uri):
    start(folder, 1)
    end(folder, 1)
    mirror = LastBytesArrive(folder)
    client = PublisherClient(uri, folder.spec().name)
    client.open()
    client.follow(folder, print, mirror)
    mirror.client = client
    client.start()
    client.close()
    assert client.undelivered == 0
    # The lease was kept while the rest was uploaded.
    assert mirror.ticks > 0


def test_it_exits_with_its_driver(folder, uri):
    driver = subprocess.Popen(
        [sys.executable, "-c", FOLLOW, str(folder.path), uri], stdout=subprocess.PIPE, text=True
    )
    child = psutil.Process(int(driver.stdout.readline()))
    driver.kill()
    driver.wait()
    child.wait(60)
    assert not child.is_running()


def test_it_exits_when_the_driver_dies_with_a_message_unread(monkeypatch):
    driver, publisher = Pipe()
    publisher.send("unread")
    driver.close()
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit):
        publisher_main._receive(publisher, SimpleQueue())


def test_it_imports_nothing_large_before_it_listens_to_the_driver():
    code = "import sys, sweeps.tracking.publisher_main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    large = {"cloudpickle", "mlflow", "numpy", "pandas", "pydantic", "ray", "sweeps.spec", "torch"}
    assert large.isdisjoint(done.stdout.split())


def test_its_death_before_it_opens_the_store_is_one_error(folder, uri):
    client = PublisherClient(uri, folder.spec().name)
    kill(client)
    with pytest.raises(SweepError, match=rf"^the MLflow publisher for {uri} exited with status -9$"):
        client.open()
    client.abandon()

"""The process that delivers to MLflow: it may be killed, and it ends with its driver."""

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
from sweeps.tracking import process
from sweeps.tracking.process import Delivery
from tests.curves import Curves
from tests.integration.test_publisher import SPEC, delivered, end, epochs, expected, publisher, start

FOLLOW = """
import sys, threading
from pathlib import Path
from sweeps.tracking.process import Delivery
from sweeps.record.folder import SweepFolder
from tests.curves import Curves
from trainables import register

register(Curves)
delivery = Delivery(sys.argv[2], "test-curves")
delivery.open()
delivery.follow(SweepFolder(Path(sys.argv[1])), Curves, print)
delivery.start()
print(delivery._process._process.pid, flush=True)
threading.Event().wait()
"""


class Said(list):
    """What the user is told, to wait for."""

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
    delivery = Delivery(uri, folder.spec().name)
    delivery.open()
    delivery.follow(folder, Curves, said)
    delivery.start()
    return delivery


def kill(delivery):
    delivery._process._process.kill()


def test_it_delivers_whatever_modules_lie_about_and_leaves_signals_to_the_driver(
    folder, uri, tmp_path, monkeypatch
):
    (tmp_path / "mlflow.py").write_text("raise SystemExit('not this one')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    delivery = following(folder, uri, said := Said())
    start(folder, 1)
    child = psutil.Process(delivery._process._process.pid)
    child.send_signal(2)
    child.send_signal(15)
    epochs(folder, 1, 1, 3)
    end(folder, 1)
    delivery.close()
    assert delivered(folder, uri, delivery.parent) == {"t1": ("FINISHED", expected(3))}
    assert (delivery.undelivered, said) == (0, [])


def test_where_it_is_killed_another_goes_on(folder, uri):
    delivery = following(folder, uri, said := Said())
    parent = delivery.parent
    start(folder, 1)
    epochs(folder, 1, 1, 2)
    kill(delivery)
    assert said.any.wait(60)
    epochs(folder, 1, 3, 3)
    end(folder, 1)
    delivery.close()
    assert delivered(folder, uri, parent) == {"t1": ("FINISHED", expected(3))}
    assert said == ["what writes to MLflow has ended (exit status -9); another goes on"]
    assert (delivery.parent, delivery.undelivered) == (parent, 0)


def test_where_it_dies_again_without_having_delivered_anything_the_rest_is_kept(folder, uri, monkeypatch):
    delivery = following(folder, uri, said := Said())
    monkeypatch.setattr(Delivery, "_follow", kill)  # the next one gets no further
    start(folder, 1)
    kill(delivery)
    delivery._listener.join(60)
    delivery.close()
    assert "the rest is kept in" in said[-1]
    assert f"deliver it with: {folder.resume_command}" in said[-1]
    assert delivery.undelivered == 1
    monkeypatch.undo()
    rest = publisher(folder, uri)
    rest.start()
    rest.close()
    assert delivered(folder, uri, delivery.parent) == {"t1": ("KILLED", [])}


def test_where_it_is_abandoned_its_listener_ends_in_silence(folder, uri, monkeypatch):
    """As where a second Ctrl-C ends the wait for the rest."""
    raised = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    delivery = following(folder, uri, said := Said())
    delivery.abandon()
    delivery._listener.join(60)
    assert not delivery._listener.is_alive()
    assert (raised, said) == ([], [])


def test_it_ends_with_its_driver(folder, uri):
    driver = subprocess.Popen(
        [sys.executable, "-c", FOLLOW, str(folder.path), uri], stdout=subprocess.PIPE, text=True
    )
    child = psutil.Process(int(driver.stdout.readline()))
    driver.kill()
    driver.wait()
    child.wait(60)
    assert not child.is_running()


def test_it_ends_where_the_driver_dies_with_a_message_unread(monkeypatch):
    driver, publisher = Pipe()
    publisher.send("unread")
    driver.close()
    monkeypatch.setattr(os, "_exit", sys.exit)
    with pytest.raises(SystemExit):
        process._listen(publisher, SimpleQueue())


def test_where_it_dies_before_it_opens_is_one_error(folder, uri):
    delivery = Delivery(uri, folder.spec().name)
    kill(delivery)
    with pytest.raises(SweepError, match=rf"^what writes to MLflow at {uri} has ended \(exit status -9\)$"):
        delivery.open()
    delivery.abandon()

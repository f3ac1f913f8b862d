"""Sweeps in an object store: real requests to a simulated S3."""

import json
import os
import platform
import re
import subprocess
import sys
import threading
import time

import pytest
from mlflow import MlflowClient
from pyarrow.fs import FileSystem

from sweeps import SweepError, load_spec
from sweeps.record.files import JOURNAL, LEASE
from sweeps.record.folder import SweepFolder, create_sweep, latest_sweep
from sweeps.record.lease import Lease
from sweeps.record.storage import join_uri, open_storage, uri_of
from tests.buckets import bucket_storage
from tests.curves import content
from tests.faults.sweep import Driver, write


@pytest.fixture(scope="module")
def bucket():
    """A bucket, as the URI of a storage."""
    with bucket_storage() as uri:
        yield uri


@pytest.fixture
def machines(tmp_path, monkeypatch):
    """Be on one machine or another: each has a cache, and so a working copy, of its own."""

    def on(name):
        monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / name))
        return tmp_path / name

    return on


def write_lease(uri, host="elsewhere", pid=7, age=0.0, **more):
    filesystem, path = FileSystem.from_uri(join_uri(uri, LEASE))
    filesystem.create_dir(path.rpartition("/")[0], recursive=True)
    content = {"host": host, "pid": pid, "time": time.time() - age, **more}
    with filesystem.open_output_stream(path) as stream:
        stream.write(json.dumps(content).encode())


def read_lease(uri):
    filesystem, path = FileSystem.from_uri(join_uri(uri, LEASE))
    return json.loads(filesystem.open_input_stream(path).readall())


def test_leases_of_earlier_versions_are_understood(bucket, machines):
    folder = SweepFolder(machines("here") / "busy" / "001")
    uri = join_uri(uri_of(open_storage(bucket)), "busy", "001")
    lease = Lease(folder.path, uri)
    assert lease.holder_elsewhere() is None
    for host, pid in (("elsewhere", 7), (platform.node(), os.getpid())):
        write_lease(uri, host, pid, age=5)
        assert str(lease.holder_elsewhere()) == f"{host} (process {pid})"
        with pytest.raises(SweepError, match="this sweep is running already, on "):
            lease.claim()
        write_lease(uri, host, pid, age=500)
        assert lease.holder_elsewhere() is None


DRIVE = """
import sys
from pathlib import Path
from sweeps.record.folder import SweepFolder
folder = SweepFolder(Path(sys.argv[1]))
lock = folder.lock()
folder.claim()
mirror = folder.mirror(print)
print("claimed", flush=True)
sys.stdin.read()
"""


def test_a_killed_driver_is_replaced_at_once_from_its_machine_and_after_a_minute_from_others(
    bucket, machines, curves
):
    spec = load_spec(content(name="killed"))
    machines("first")
    first = create_sweep(open_storage(bucket), spec)
    command = [sys.executable, "-c", DRIVE, str(first.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        try:
            assert driver.stdout.readline() == b"claimed\n"
            machines("second")
            second = latest_sweep(open_storage(bucket), spec.name)
            assert first.is_running()
            assert second.is_running()
            with pytest.raises(SweepError, match=r"this sweep is running already$"):
                first.lock()
            running = f"this sweep is running already, on {platform.node()} (process {driver.pid})"
            with pytest.raises(SweepError, match=re.escape(running)):
                second.claim()
        finally:
            driver.kill()
    assert not first.is_running()
    assert second.is_running()
    with pytest.raises(SweepError, match=re.escape(running)):
        second.claim()
    with first.lock():
        first.claim()
    lease = read_lease(first.uri)
    assert lease["pid"] == os.getpid()
    write_lease(first.uri, **{**lease, "time": lease["time"] - 61})
    assert not second.is_running()
    second.claim()
    assert first.is_running()


def test_a_driver_that_another_has_replaced_stops_and_copies_nothing_more(bucket, machines, curves):
    spec = load_spec(content(name="replaced"))
    machines("first")
    first = create_sweep(open_storage(bucket), spec)
    first.claim()
    mirror, lost, said = first.mirror(print), threading.Event(), []
    mirror.on_lost, mirror._say = lambda error: (said.append(str(error)), lost.set()), said.append
    machines("second")
    second = latest_sweep(open_storage(bucket), spec.name)
    lease = read_lease(first.uri)
    write_lease(first.uri, **{**lease, "time": lease["time"] - 61})
    second.claim()
    second.journal.append("begin", versions="second")
    second_mirror = second.mirror(print)
    first.journal.append("begin", versions="first")
    mirror.start()
    assert lost.wait(30)
    mirror.close()
    mirror.release()
    assert mirror.offset == 0
    assert {text.partition(", on ")[0] for text in said} == {
        f"{first.uri}: another driver has taken over this sweep"
    }
    machines("reader")
    (event,) = (event for event, _ in latest_sweep(open_storage(bucket), spec.name).journal.read())
    assert event["versions"] == "second"
    second_mirror.release()
    assert not second.is_running()


def test_a_sweep_ends_when_another_driver_takes_it_over(bucket, machines, tmp_path):
    machines("here")
    long = {"epochs": 500, "optimizer": "adam", "batch_size": 32}
    server = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    driver = Driver("run", write(tmp_path, "fenced", fixed=long), "--storage", bucket, **server)
    uri = join_uri(bucket, "fenced", "001")
    filesystem, journal = FileSystem.from_uri(join_uri(uri, JOURNAL))
    while not filesystem.get_file_info(journal).size and not driver.ended_within(0.5):
        pass
    # Repeated, because a renewal at the same moment replaces the lease.
    while not driver.ended_within(1):
        write_lease(uri)
    output = driver.finish(1)
    assert f"{uri}: another driver has taken over this sweep, on elsewhere (process 7); " in output
    assert read_lease(uri)["host"] == "elsewhere"
    # The other driver writes to the same runs: this one must not end them.
    client = MlflowClient(server["MLFLOW_TRACKING_URI"])
    runs = client.search_runs([client.get_experiment_by_name("fenced").experiment_id])
    assert {run.info.status for run in runs} == {"RUNNING"}


def test_a_driver_takes_over_what_the_one_before_has_written_last(bucket, machines, curves):
    spec = load_spec(content(name="taken-over"))

    def record():
        return [event["event"] for event, _ in latest_sweep(open_storage(bucket), spec.name).journal.read()]

    machines("first")
    first = create_sweep(open_storage(bucket), spec)
    first.claim()
    mirror = first.mirror(print)
    mirror.start()
    first.journal.append("begin", versions="some")
    machines("second")
    second = latest_sweep(open_storage(bucket), spec.name)
    # The first driver ends while the second prepares its data.
    for seconds in range(3):
        first.journal.append("finish", status=f"interrupted {seconds}")
    mirror.close()
    mirror.release()
    second.amend(spec.model_copy(update={"question": "another"}), [])
    second.claim()
    assert second.spec().question == "another"
    second.mirror(print)
    machines("reader")
    assert record() == ["begin", "finish", "finish", "finish"]


def test_a_store_needs_a_server_for_tracking(bucket, machines, monkeypatch, tmp_path):
    machines("here")
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    output = Driver("run", write(tmp_path, "untracked"), "--storage", bucket).finish(1)
    assert "needs an MLflow server; set MLFLOW_TRACKING_URI, or pass --tracking-uri" in output


def test_a_store_that_is_not_there_is_one_error(machines):
    machines("here")
    with pytest.raises(SweepError, match=r"^storage s3://bucket/a\?endpoint_override=.*: cannot be read: "):
        open_storage("s3://bucket/a?endpoint_override=127.0.0.1:9&scheme=http&region=us-east-1")
    with pytest.raises(SweepError, match=r"^storage nonsense://a: cannot be read: "):
        open_storage("nonsense://a")


def test_below_keeps_the_query_last():
    assert join_uri("s3://b/a?region=x", "c", "d") == "s3://b/a/c/d?region=x"
    assert join_uri("gs://b", "c") == "gs://b/c"

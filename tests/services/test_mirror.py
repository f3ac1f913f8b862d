"""Sweeps in an object store: real requests to a simulated S3."""

import json
import os
import platform
import re
import subprocess
import sys
import time

import pytest
from pyarrow.fs import FileSystem

from sweeps import SweepError, load_spec
from sweeps.record.files import LEASE
from sweeps.record.folder import create_sweep, newest_sweep
from sweeps.record.mirror import below, lease_holder, uri_of
from sweeps.record.storage import open_storage
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


def test_a_sweep_that_runs_elsewhere_is_left_alone(bucket, machines):
    machines("here")
    storage = open_storage(bucket)
    uri = below(uri_of(storage), "busy", "001")
    filesystem, path = FileSystem.from_uri(uri)
    filesystem.create_dir(path, recursive=True)

    def lease(host, pid, age):
        content = {"host": host, "pid": pid, "time": time.time() - age}
        with filesystem.open_output_stream(f"{path}/{LEASE}") as stream:
            stream.write(json.dumps(content).encode())

    lease("elsewhere", 7, age=5)
    assert lease_holder(uri) == "elsewhere (process 7)"
    lease("elsewhere", 7, age=500)
    assert lease_holder(uri) is None
    lease(platform.node(), os.getpid(), age=5)
    assert lease_holder(uri) == f"{platform.node()} (process {os.getpid()})"
    lease(platform.node(), 2**22 + 1, age=5)  # beyond what a process id can be
    assert lease_holder(uri) is None


def test_a_driver_takes_over_what_the_one_before_has_written_last(bucket, machines, curves):
    spec = load_spec(content(name="taken-over"))

    def record():
        return [event["event"] for event, _ in newest_sweep(open_storage(bucket), spec.name).journal.read()]

    machines("first")
    first = create_sweep(open_storage(bucket), spec)
    first.claim()
    mirror = first.mirror(print)
    mirror.start()
    first.journal.append("begin", versions="some")
    machines("second")
    second = newest_sweep(open_storage(bucket), spec.name)
    holder = re.escape(f"{platform.node()} (process {os.getpid()})")
    assert lease_holder(second.uri) == f"{platform.node()} (process {os.getpid()})"
    claim_elsewhere = f"from sweeps.record.mirror import claim; claim({str(second.path)!r}, {second.uri!r})"
    refused = subprocess.run([sys.executable, "-c", claim_elsewhere], capture_output=True, text=True)
    assert re.search(f"SweepError: .*: this sweep is running already, on {holder}", refused.stderr)

    for seconds in range(3):  # the first one ends while the second prepares its data
        first.journal.append("finish", status=f"interrupted {seconds}")
    mirror.close()
    mirror.release()
    second.claim()
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
    assert below("s3://b/a?region=x", "c", "d") == "s3://b/a/c/d?region=x"
    assert below("gs://b", "c") == "gs://b/c"

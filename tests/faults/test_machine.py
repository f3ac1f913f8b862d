"""The driver's machine is lost with its working copy; another machine resumes from the object store."""

import json
import os
import shutil
import signal

from pyarrow.fs import FileSystem

from sweeps.record.files import LEASE
from sweeps.record.storage import join_uri, open_storage
from tests.buckets import bucket_storage
from tests.faults.sweep import Driver, events, verify, write


def expire_lease(bucket):
    """Let the minute pass after which the lease of a lost machine has expired."""
    filesystem, path = FileSystem.from_uri(join_uri(bucket, "faults", "001", LEASE))
    lease = json.loads(filesystem.open_input_stream(path).readall())
    with filesystem.open_output_stream(path) as stream:
        stream.write(json.dumps({**lease, "time": lease["time"] - 61}).encode())


def test_machines_lost(undisturbed, record, monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    with bucket_storage() as bucket:
        filesystem, journal = FileSystem.from_uri(join_uri(bucket, "faults", "001", "journal.jsonl"))

        def ended():
            if filesystem.get_file_info(journal).size is None:
                return 0
            return filesystem.open_input_stream(journal).readall().count(b'"event": "end"')

        words = ["run", write(tmp_path)]
        for machine in range(3):
            cache, before = tmp_path / f"machine-{machine}", ended()
            monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(cache))
            driver = Driver(*words, "--storage", bucket)
            for _ in events(open_storage(bucket), driver):
                if ended() > before:
                    os.killpg(driver.process.pid, signal.SIGKILL)
            driver.process.wait()
            assert driver.process.returncode == -signal.SIGKILL
            shutil.rmtree(cache)
            expire_lease(bucket)
            words = ["resume", "faults"]
        monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "last"))
        Driver(*words, "--storage", bucket).finish()
        monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "reader"))
        record(
            "driver's machine lost, sweep in an object store", 3, verify(open_storage(bucket), undisturbed)
        )

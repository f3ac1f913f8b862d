"""The driver is killed, at moments that a seeded generator draws."""

import itertools
import os
import random
import signal

from sweeps.record.journal import Journal
from tests.faults.sweep import Driver, events, verify, write

KILLS = 10


def test_killed_at_ten_random_moments(undisturbed, store, record, tmp_path):
    chance = random.Random(os.environ.get("NOISESWEEP_FAULTS_SEED", "1"))
    file, killed = write(tmp_path), 0
    for attempt in range(KILLS):
        driver = Driver(*command(tmp_path, file))
        # Every second time while it starts, or begins; else while trials run, however long the start takes.
        ended = attempt % 2 and not began(tmp_path, driver)
        if not ended and not driver.ended_within(
            chance.uniform(0, 8) if attempt % 2 else chance.uniform(2, 12)
        ):
            os.killpg(driver.process.pid, signal.SIGKILL)
            driver.process.wait()
            killed += 1
    Driver(*command(tmp_path, file)).finish()
    record("driver killed (SIGKILL), resumed each time", killed, verify(tmp_path, undisturbed))


def command(storage, file):
    """What a user types: resume once there is something to resume."""
    known = list(storage.glob("faults/001/resolved.yaml"))
    return [*(("resume", "faults") if known else ("run", file)), "--storage", storage]


def began(storage, driver):
    """Wait until a driver has begun; False if it has ended before."""
    before = begun(Journal(storage / "faults" / "001" / "journal.jsonl").read())
    told = (event for event in events(storage, driver) if event["event"] == "begin")
    return next(itertools.islice(told, before, None), None) is not None


def begun(journal):
    return sum(event["event"] == "begin" for event, _ in journal)

"""The driver is killed, at moments that a seeded generator draws."""

import os
import random
import signal

from sweeps.storage import newest_sweep
from tests.faults.sweep import Driver, verify, write

KILLS = 10


def test_killed_at_ten_random_moments(undisturbed, store, record, tmp_path):
    chance = random.Random(os.environ.get("NOISESWEEP_FAULTS_SEED", "1"))
    file, killed, command = write(tmp_path), 0, ("run",)
    for _ in range(KILLS):
        driver = Driver(*command, *([file] if command == ("run",) else []), "--storage", tmp_path)
        if not driver.ended_within(chance.uniform(6, 16)):  # it takes some seconds to start
            os.killpg(driver.process.pid, signal.SIGKILL)
            driver.process.wait()
            killed += 1
        if list(tmp_path.glob("faults/001/resolved.yaml")):
            command = ("resume", "faults")
    Driver("resume", "faults", "--storage", tmp_path).finish()
    print(newest_sweep(tmp_path, "faults").state().counts())
    record("driver killed (SIGKILL), resumed each time", killed, verify(tmp_path, undisturbed))

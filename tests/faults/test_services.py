"""The tracking server goes away, the disk is full, the data are gone."""

import os
import platform
import random
import shutil

from sweeps.record.folder import latest_sweep
from tests.clusters import LocalCluster
from tests.disks import fill, small_disk
from tests.faults.sweep import Driver, events, verify, write
from tests.integration.test_publisher import Server
from tests.made_data import write_made_data


def test_the_mlflow_server_is_killed_while_it_writes_and_stays_away(undisturbed, store, record, tmp_path):
    chance, server, killed = random.Random(1), Server(tmp_path), 0
    server.start()
    try:
        driver = Driver("run", write(tmp_path), "--storage", tmp_path, "--tracking-uri", server.uri)
        down = False
        for event in events(tmp_path, driver):
            # Delivery follows the journal by half a second: it is in the middle of it.
            if event["event"] == "epoch" and not down and killed < 4 and chance.random() < 0.2:
                server.kill()
                killed, down = killed + 1, True
            elif event["event"] == "start" and down:
                server.start()
                down = False
        if down:
            server.start()
            driver.finish(1)  # not all is delivered, and it says so
            driver = Driver("resume", "faults", "--storage", tmp_path)
        driver.finish()
        found = verify(tmp_path, undisturbed)
    finally:
        server.kill()
    record("MLflow server killed during writes, and away for a while", killed, found)


def test_the_disk_of_the_storage_is_full(undisturbed, store, record, tmp_path):
    storage = tmp_path / "disk"
    with small_disk(storage, "160m"):
        Driver("run", write(tmp_path, "others", fixed={"epochs": 1}), "--storage", storage).finish()
        filled = fill(storage / "ballast")
        output = Driver("run", write(tmp_path), "--storage", storage).finish(1)  # it does not begin
        assert "disk is full" in output  # the tracking store is the first that has no place
        assert "Traceback" not in output
        (storage / "ballast").unlink()
        driver = Driver("run", write(tmp_path), "--storage", storage)
        for event in events(storage, driver):
            if event["event"] == "epoch" and event["epoch"] == 5 and filled < 2:
                filled += fill(storage / "ballast")
        output = driver.finish(1)
        assert "No space left on device" in output
        assert "then run: " in output
        assert "Traceback" not in output
        (storage / "ballast").unlink()
        again = Driver("resume", "faults", "--storage", storage)
        for event in events(storage, again):
            if event["event"] == "epoch" and event["epoch"] == 5 and filled < 3:
                filled += fill(storage / "ballast")
        assert "No space left on device" in again.finish(1)
        (storage / "ballast").unlink()
        Driver("resume", "faults", "--storage", storage).finish()
        record("disk of the storage full", filled, verify(storage, undisturbed))


DATA = {
    "trainable": "mnist",
    "fixed": {"epochs": 6, "lr": 0.01},
    "search": {"sigma": {"uniform": [0.01, 0.1], "when": {"noise": ["layer"]}}},
    "stages": {"search": {"trials_per_arm": 2}, "confirm": {"seeds": 2}},
}


def test_the_data_are_missing_or_damaged(store, record, tmp_path):
    """Before the sweep: nothing begins. During it, on a node that reads them late: it stops."""
    data, storage, injected = tmp_path / "data", tmp_path / "runs", 0
    write_made_data(tmp_path / "made")
    spec = {**DATA, "data_dir": str(data)}
    file = write(tmp_path, **spec)
    env = {"NOISESWEEP_CACHE_DIR": str(tmp_path / "cache"), "HF_HUB_OFFLINE": "1"}
    for harm in (remove, damage):
        shutil.copytree(tmp_path / "made", data)
        harm(data / "mnist")
        output = Driver("run", file, "--storage", storage, **env).finish(1)
        assert "mnist" in output
        assert "Traceback" not in output
        assert not storage.exists()
        shutil.rmtree(data)
        injected += 1
    shutil.copytree(tmp_path / "made", data)
    reference = Driver(
        "run", write(tmp_path, "reference", **spec), "--storage", tmp_path / "reference", **env
    )
    reference.finish()
    for harm in (remove, damage):
        storage = tmp_path / f"runs-{harm.__name__}"
        shutil.rmtree(tmp_path / "elsewhere", ignore_errors=True)
        with LocalCluster(env=env) as cluster:
            cluster.add_node()
            on_cluster = {**cluster.env, "RAY_ADDRESS": cluster.address}
            driver = Driver("run", file, "--storage", storage, **on_cluster)
            for event in events(storage, driver):
                if event["event"] == "epoch" and len(cluster.nodes) == 2:
                    shutil.move(data / "mnist", tmp_path / "whole")
                    shutil.copytree(tmp_path / "whole", data / "mnist")
                    harm(data / "mnist")
                    cluster.add_node(env={"NOISESWEEP_CACHE_DIR": str(tmp_path / "elsewhere")})
            output = driver.finish(1)
            assert f"cannot read or write: DataError: on {platform.node()}: " in output
            assert "then run: " in output
            assert "Traceback" not in output
            shutil.rmtree(data / "mnist")
            shutil.move(tmp_path / "whole", data / "mnist")
            Driver("resume", "faults", "--storage", storage, **on_cluster).finish()
        injected += 1
        found = verify(storage, latest_sweep(tmp_path / "reference", "reference"))
    record("dataset missing or damaged", injected, found)


def remove(folder):
    shutil.rmtree(folder)
    folder.mkdir()


def damage(folder):
    for file in folder.rglob("*.parquet"):
        os.truncate(file, file.stat().st_size // 2)

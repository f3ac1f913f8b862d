"""The cache of datasets, asked by two processes at once."""

import multiprocessing
import os

import torch

from trainables.data.images import load_fixed_images


def build_and_note(log):
    with open(log, "a") as file:
        file.write(f"{os.getpid()}\n")
    generator = torch.Generator().manual_seed(0)
    # Large enough that the other process asks before this one has finished.
    return torch.randint(256, (20_000, 1, 28, 28), generator=generator).to(torch.uint8), torch.arange(20_000)


def ask(barrier, log, answers):
    barrier.wait()
    images = load_fixed_images("raced", lambda: build_and_note(log))
    answers.put((images.fingerprint, int(images.pixels.sum()), int(images.labels.sum())))


def test_two_processes_at_once_build_once_and_read_the_same(tmp_path, monkeypatch):
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "cache"))
    spawn = multiprocessing.get_context("spawn")
    barrier, answers, log = spawn.Barrier(2), spawn.Queue(), tmp_path / "builds"
    processes = [spawn.Process(target=ask, args=(barrier, str(log), answers)) for _ in range(2)]
    for process in processes:
        process.start()
    first, second = (answers.get(timeout=120) for _ in range(2))
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert first == second
    assert len(log.read_text().splitlines()) == 1
    assert len([path for path in (tmp_path / "cache").iterdir() if path.suffix != ".lock"]) == 1

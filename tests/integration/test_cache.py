"""The cache of datasets, asked by two processes at once, and by two users."""

import multiprocessing
import os
import shutil
import tempfile
from pathlib import Path

import pytest
import torch

from trainables.data import DataError
from trainables.data.cache import cached
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


def as_user(user, umask, key, answers):
    os.umask(umask)
    os.setuid(user)
    try:
        folder = cached(key, lambda folder: (folder / "file").write_text(str(user)))
        answers.put((folder / "file").read_text())
    except DataError as error:
        answers.put(str(error))


@pytest.fixture
def shared(monkeypatch):
    """A cache that any user may write; returns its folder and a function that asks it as a user."""
    if os.getuid():
        pytest.skip("only root can act as other users")
    # The folder of pytest is closed to other users.
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o777)
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(folder))
    spawn = multiprocessing.get_context("spawn")
    answers = spawn.Queue()

    def ask(user, key, umask=0o022):
        process = spawn.Process(target=as_user, args=(user, umask, key, answers))
        process.start()
        answer = answers.get(timeout=120)
        process.join()
        return answer

    yield folder, ask
    shutil.rmtree(folder)


def test_users_share_a_cache(shared):
    folder, ask = shared
    # A lock of an earlier version, which this user may not open.
    (folder / "old.lock").touch(0o644)
    assert ask(2001, "old") == "2001"
    assert ask(2002, "old") == "2001"
    assert ask(2001, "private", 0o077) == "2001"
    # A cache that may only be read.
    folder.chmod(0o755)
    assert ask(2002, "old") == "2001"
    assert ask(2002, "private") == (
        f"cache {folder}/private: cannot be read (Permission denied); its owner can share it: "
        f"chmod -R a+rX {folder}; or set NOISESWEEP_CACHE_DIR to a writable folder"
    )
    advice = "set NOISESWEEP_CACHE_DIR to a writable folder"
    assert ask(2002, "new") == f"cache {folder}: cannot be written (Permission denied); {advice}"


def test_without_locks_the_first_to_finish_counts(tmp_path, monkeypatch):
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path))
    # It cannot be opened as a file.
    (tmp_path / "key.lock").mkdir()

    def build(folder):
        (folder / "file").write_text("second")
        (tmp_path / "key").mkdir()
        (tmp_path / "key" / "file").write_text("first")

    assert (cached("key", build) / "file").read_text() == "first"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["key", "key.lock"]

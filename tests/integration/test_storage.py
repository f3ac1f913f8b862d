"""Storages of sweeps, and which driver may work on one."""

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy
from filelock import FileLock

from sweeps import SweepError
from sweeps.record.folder import create_sweep, latest_sweep, sweep_folders
from sweeps.record.storage import check_writable, open_storage
from sweeps.spec.load import load_spec
from sweeps.tracking.bookmark import Bookmark
from sweeps.tracking.store import open_store
from sweeps.tracking.uris import check_database, default_tracking_uri, own_store, sqlite_file
from tests.disks import fill, small_disk
from tests.unit.test_spec import BASE, read


@pytest.fixture
def spec(tmp_path):
    return read(tmp_path, "# été\n" + BASE, "fixed.epochs=5")


@pytest.fixture
def storage(tmp_path):
    return tmp_path / "runs"


def names(folders):
    return [folder.path.name for folder in folders]


def test_sweeps_are_numbered(spec, storage):
    created = [create_sweep(storage, spec) for _ in range(3)]
    assert names(created) == ["001", "002", "003"]
    assert sweep_folders(storage, "study") == created
    assert latest_sweep(storage, "study") == created[-1]


def test_of_two_drivers_that_begin_a_study_at_once_the_second_is_refused(spec, storage):
    first = create_sweep(storage, spec, first=True)
    with pytest.raises(SweepError, match=f"^{first.path}: another driver has just begun this sweep$"):
        create_sweep(storage, spec, first=True)
    assert names(sweep_folders(storage, "study")) == ["001"]


@pytest.mark.parametrize("form", ["~/runs", "file://~/runs"])
def test_the_home_folder_is_meant_where_no_shell_replaces_it(form, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_storage(form) == tmp_path / "runs"


def test_numbers_continue_after_999_and_after_a_gap(spec, storage):
    create_sweep(storage, spec)
    (storage / "study" / "001").rename(storage / "study" / "999")
    assert names([create_sweep(storage, spec), create_sweep(storage, spec)]) == ["1000", "1001"]
    assert names(sweep_folders(storage, "study")) == ["999", "1000", "1001"]


def test_other_folders_are_no_sweeps(spec, storage):
    create_sweep(storage, spec)
    for name in ("002", "7 notes", "notes"):
        (storage / "study" / name).mkdir()
    assert names(sweep_folders(storage, "study")) == ["001"]
    assert names([create_sweep(storage, spec)]) == ["003"]


def test_a_folder_keeps_the_yaml_as_written_and_as_resolved(spec, storage):
    folder = create_sweep(storage, spec)
    assert (folder.path / "sweep.yaml").read_text(encoding="utf-8") == "# été\n" + BASE
    assert folder.spec() == spec
    assert folder.spec().fixed == {"epochs": 5}
    assert folder.state().trials == {}


def test_the_storage_may_be_relative(spec, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = create_sweep(Path("runs"), spec)
    assert folder.path == tmp_path / "runs" / "study" / "001"
    assert latest_sweep(Path("runs"), "study") == folder


def test_an_unknown_name_says_what_there_is(spec, storage):
    with pytest.raises(SweepError) as caught:
        latest_sweep(storage, "study")
    assert str(caught.value) == f"{storage}: no sweep named 'study'; there is none yet"
    for name in ("zeta", "alpha"):
        create_sweep(storage, load_spec({**spec.model_dump(exclude_none=True), "name": name}))
    with pytest.raises(SweepError) as caught:
        latest_sweep(storage, "study")
    assert str(caught.value) == f"{storage}: no sweep named 'study'; the storage has: alpha, zeta"


@pytest.mark.parametrize("name", ["../study", "..", "/", ""])
def test_a_name_does_not_lead_out_of_the_storage(name, spec, tmp_path):
    create_sweep(tmp_path, spec)  # beside the storage
    with pytest.raises(SweepError, match="no sweep named"):
        latest_sweep(tmp_path / "runs", name)


@pytest.mark.parametrize("file", ["runs", "runs/study"])
def test_unwritable_storage(file, spec, tmp_path):
    storage = tmp_path / "runs"
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text("a file")
    with pytest.raises(SweepError) as caught:
        create_sweep(storage, spec)
    reason = f"[Errno 20] Not a directory: '{storage / 'study' / '001'}'"
    assert str(caught.value) == f"{storage}: cannot be written: {reason}"


def test_a_storage_that_cannot_be_written_or_is_a_file_is_named_at_once(spec, tmp_path, monkeypatch):
    storage = tmp_path / "disk"
    with small_disk(storage, "1m"):
        check_writable(storage / "new" / "runs")
        subprocess.run(["mount", "-o", "remount,ro", storage], check=True)
        with pytest.raises(SweepError) as caught:
            check_writable(storage / "new" / "runs")
        rule = f"{storage} cannot be written; give another with --storage"
        assert str(caught.value) == f"storage {storage / 'new' / 'runs'}: {rule}"
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").touch()
    with pytest.raises(SweepError, match=r"^storage runs: is a file; give a folder or a URI$"):
        open_storage()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EACCES])
def test_a_lock_that_cannot_be_had_is_one_error(number, spec, storage, monkeypatch):
    folder = create_sweep(storage, spec)
    folder.lock().release()

    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    # As a network file system without a lock server, or a file of another user.
    monkeypatch.setattr(FileLock, "acquire", refuse)
    monkeypatch.setattr(fcntl, "flock", refuse)
    for ask in (folder.lock, folder.is_running):
        with pytest.raises(SweepError) as caught:
            ask()
        assert str(caught.value) == (
            f"{folder.path}/.lock: cannot be locked ({os.strerror(number)}); "
            "a sweep is resumed by its owner, in a storage on a file system with locks"
        )


@pytest.mark.parametrize("name", ["what?", "a%20b", "100%", "a#b", "a b", "été", 'it\'s "it"', "a;b&c+d:e=f"])
def test_the_database_is_in_the_storage_whatever_its_name(name, tmp_path):
    file = tmp_path / name / "mlflow.db"
    uri = own_store(tmp_path / name)
    assert sqlite_file(uri) == file
    assert sqlalchemy.make_url(uri).database == str(file)
    # Only what would be misread is quoted, so that URIs in bookmarks are as before.
    assert (uri == f"sqlite:///{file}") == (name not in ("what?", "a%20b"))


def test_a_quoted_path_leaves_no_folder_of_its_own(tmp_path):
    open_store(own_store(tmp_path / "what?"), "study")
    assert [path.name for path in tmp_path.iterdir()] == ["what?"]


def test_options_in_a_uri_are_not_part_of_the_file():
    assert sqlite_file("sqlite:////data/a%20b/mlflow.db?timeout=30") == Path("/data/a b/mlflow.db")


HOLD = """
import sys
from pathlib import Path
from sweeps.record.folder import SweepFolder
lock = SweepFolder(Path(sys.argv[1])).lock()
print("held", flush=True)
sys.stdin.read()
"""


def test_a_full_disk_leaves_no_half_written_sweep(spec, tmp_path):
    storage = tmp_path / "disk"
    with small_disk(storage, "64k"):
        (storage / "ballast").write_bytes(b"0" * 2**10)
        fill(storage / "more")
        with pytest.raises(SweepError, match=r"disk: cannot be written: .*No space left on device"):
            create_sweep(storage, spec)
        assert sweep_folders(storage, spec.name) == []
        (storage / "more").unlink()
        assert create_sweep(storage, spec).path.name == "001"


def test_a_user_who_may_only_read_sees_whether_a_sweep_runs(spec, tmp_path):
    storage = tmp_path / "disk"
    with small_disk(storage, "1m"):
        folder = create_sweep(storage, spec)
        # The lock does not exist yet.
        assert not folder.is_running()
        folder.lock().release()
        subprocess.run(["mount", "-o", "remount,ro", storage], check=True)
        assert not folder.is_running()


def test_a_damaged_bookmark_is_one_error(spec, storage):
    folder = create_sweep(storage, spec)
    folder.bookmark.write_text("")
    with pytest.raises(SweepError, match=r"tracking\.json: is damaged; delete it, and the sweep is uploaded"):
        Bookmark.read(folder)


def test_one_driver_at_a_time_and_a_dead_one_releases_the_lock(spec, storage):
    folder = create_sweep(storage, spec)
    command = [sys.executable, "-c", HOLD, str(folder.path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as driver:
        try:
            assert driver.stdout.readline() == b"held\n"
            assert folder.is_running()
            with pytest.raises(SweepError) as caught:
                folder.lock()
            assert str(caught.value) == f"{folder.path}: this sweep is running already"
        finally:
            driver.kill()
    assert not folder.is_running()
    lock = folder.lock()
    assert folder.is_running()  # from this process, too
    lock.release()
    assert not folder.is_running()


def test_the_tracking_store(storage, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    uri = default_tracking_uri(storage)
    assert uri == f"sqlite:///{storage / 'mlflow.db'}"
    with pytest.raises(SweepError) as caught:
        check_database(uri)
    said = (
        f"{storage / 'mlflow.db'}: no tracking store; run a sweep first, or name its storage with --storage"
    )
    assert str(caught.value) == said
    check_database("http://localhost:5000")
    storage.mkdir()
    (storage / "mlflow.db").touch()
    check_database(uri)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    assert default_tracking_uri(storage) == "http://localhost:5000"


def test_a_tracking_store_of_another_project_is_named_with_its_variable(storage, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "./mlruns")
    message = r"^\./mlruns \(from MLFLOW_TRACKING_URI\): not a tracking store; use sqlite:///FILE or "
    with pytest.raises(SweepError, match=message):
        check_database(default_tracking_uri(storage))

"""What lies in a data folder besides, or in place of, the files of a dataset."""

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.made_data import write_images_parquet
from trainables.data import DataError
from trainables.data.forms import LocalForm
from trainables.data.hub import HubDataset

TRAIN, TEST = "train-00000-of-00001.parquet", "test-00000-of-00001.parquet"
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:6652\nsize 146946961\n"
PAGE = b"\n<!DOCTYPE html>\n<html><head><title>Sign in</title></head></html>\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "cache"))


@pytest.fixture
def shapes(tmp_path):
    """The folder of a dataset with five images in each split, each of its own."""
    for seed, split in enumerate(("train", "test")):
        pixels = np.random.RandomState(seed).randint(0, 256, (5, 3, 3)).astype(np.uint8)
        write_images_parquet(tmp_path / "data" / "shapes", split, pixels, [seed] * 5)
    return tmp_path / "data" / "shapes"


def rows_of(root: Path, split="train", forms=()) -> int:
    def write(rows, folder):
        (folder / "rows").write_text(str(rows))

    source = HubDataset("someone/shapes", (), decode=len, forms=forms)
    return int((source.cached(split, root, [], write) / "rows").read_text())


def error_of(root: Path, **options) -> str:
    with pytest.raises(DataError) as raised:
        rows_of(root, **options)
    return str(raised.value)


def png(seed: int) -> bytes:
    content = io.BytesIO()
    Image.fromarray(np.full((3, 3), seed, np.uint8)).save(content, "PNG")
    return content.getvalue()


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (POINTER, "is only a pointer to a file of Git LFS; run git lfs pull in its folder"),
        (PAGE, "is a web page, not the data; download it again"),
        (b"\xef\xbb\xbf<html>", "is a web page, not the data; download it again"),
        (b"", "is empty"),
    ],
    ids=["pointer", "page", "page after a mark", "empty"],
)
def test_what_stands_in_for_a_file_is_named(split, content, reason, shapes):
    file = shapes / f"{split}-00000-of-00001.parquet"
    file.write_bytes(content)
    assert error_of(shapes.parent) == f"{file}: {reason}"


def test_what_stands_in_for_a_file_of_another_form_is_named(tmp_path):
    class Form(LocalForm[int]):
        name = "bytes"

        def find(self, root):
            return {"train": [root / "images.gz"]}

        def read(self, split, files):
            return len(files[0].read_bytes())

    (tmp_path / "images.gz").write_bytes(PAGE)
    message = f"{tmp_path}/images.gz: is a web page, not the data; download it again"
    assert error_of(tmp_path, forms=[Form()]) == message
    (tmp_path / "images.gz").write_bytes(b"\x1f\x8b")
    assert rows_of(tmp_path, forms=[Form()]) == 2


@pytest.mark.parametrize("end", [".crdownload", ".incomplete", ".part"])
def test_an_unfinished_download_is_named(end, shapes):
    file = shapes / f"{TRAIN}{end}"
    file.write_bytes((shapes / TRAIN).read_bytes()[:-9])
    assert error_of(shapes.parent) == f"{file}: is an unfinished download; finish or delete it"


@pytest.mark.parametrize("copy", ["train-00000-of-00001 (1).parquet", "train copy.parquet", f"old/{TRAIN}"])
def test_rows_of_a_copy_are_not_read_twice(copy, shapes):
    (shapes / copy).parent.mkdir(exist_ok=True)
    shutil.copy(shapes / TRAIN, shapes / copy)
    first, second = sorted([shapes / TRAIN, shapes / copy])
    assert error_of(shapes.parent) == f"{first} and {second}: have the same content; delete the copy"


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_a_missing_file_of_several_is_named(missing, shapes):
    names = [f"train-{number:05d}-of-00003.parquet" for number in range(3)]
    for seed, name in enumerate(names, start=10):
        pixels = np.full((2, 3, 3), seed, np.uint8)
        write_images_parquet(shapes, "part", pixels, [0, 1]).rename(shapes / name)
    (shapes / TRAIN).unlink()
    (shapes / names[missing]).rename(shapes.parent / "elsewhere")
    message = f"{shapes}/{names[missing]}: is missing, of 3 files; download it"
    assert error_of(shapes.parent) == message
    (shapes.parent / "elsewhere").rename(shapes / names[missing])
    assert rows_of(shapes.parent) == 6


@pytest.mark.parametrize(
    ("name", "split"),
    [("Test.parquet", "test"), ("mnistTest.parquet", "test"), ("VALID.parquet", "validation")],
)
def test_a_file_whose_split_is_not_recognized_is_not_trained_on(name, split, shapes):
    (shapes / TRAIN).rename(shapes / "a.parquet")
    (shapes / TEST).rename(shapes / name)
    message = (
        f"{shapes / name}: would be read for the split train; "
        f"write {split} in lower case, as a word of its own, in the path {name}"
    )
    assert error_of(shapes.parent) == message


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (
            ["my_test/train/0/a.png", "my_test/test/0/b.png"],
            "my_test/train/0/a.png: would be read for the splits train, test; its path my_test/train/0/a.png "
            "must name one split, once",
        ),
        (
            ["train/test-kits/a.png", "test/0/b.png"],
            "train/test-kits/a.png: would be read for the splits train, test; its path train/test-kits/a.png "
            "must name one split, once",
        ),
        (
            ["0/train.png", "0/b.png"],
            "0/b.png: would be read for no split; name one in the path 0/b.png, such as train/, or move the "
            "file out of {folder}",
        ),
    ],
)
def test_loose_images_are_read_once(names, reason, tmp_path):
    folder = tmp_path / "data" / "shapes"
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(seed))
    assert error_of(folder.parent) == f"{folder}/{reason.format(folder=folder)}"


def test_loose_images_may_be_alike(tmp_path):
    folder = tmp_path / "data" / "shapes"
    for name in ("train/0/a.png", "train/1/b.png", "test/0/test_1.png"):
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_bytes(png(0))
    assert rows_of(folder.parent) == 2


@pytest.mark.parametrize(
    "extra", [".DS_Store", f"._{TRAIN}", f"__MACOSX/{TRAIN}", f".ipynb_checkpoints/{TRAIN}", ".git/config"]
)
def test_what_machines_leave_in_folders_is_ignored(extra, shapes):
    (shapes / extra).parent.mkdir(exist_ok=True)
    (shapes / extra).write_bytes(b"\x00\x05\x16\x07")
    assert rows_of(shapes.parent) == 5


def test_a_folder_of_links_is_read(shapes, tmp_path):
    shapes.rename(tmp_path / "blobs")
    shapes.mkdir()
    for name in (TRAIN, TEST):
        (shapes / name).symlink_to(tmp_path / "blobs" / name)
    assert rows_of(shapes.parent) == 5


# Names of folders


@pytest.mark.parametrize("name", ["Shapes", "shapes_", "SHAPES", "sha-pes"])
def test_a_folder_of_nearly_the_name_is_not_passed_over(name, shapes):
    other = shapes.rename(shapes.with_name(name))
    message = f"{other}: rename it to shapes, which is the name of the dataset's folder"
    assert error_of(shapes.parent) == message


def test_the_folder_of_the_dataset_is_not_the_data_folder(shapes):
    message = f"data_dir {shapes}: give the folder that holds shapes/, such as {shapes.parent}"
    assert error_of(shapes) == message


@pytest.mark.parametrize("end", [".zip", ".tar.gz"])
def test_an_archive_is_to_be_unpacked(end, shapes):
    shutil.rmtree(shapes)
    archive = shapes.with_name(f"shapes{end}")
    archive.write_bytes(b"PK")
    assert error_of(shapes.parent) == f"{archive}: unpack it to {shapes}/"

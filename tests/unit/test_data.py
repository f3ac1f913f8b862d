"""Datasets on disk: the shared cache, decoding, and what is said of data that cannot be read."""

import io
import logging
import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow.parquet as parquet
import pytest
import torch
from PIL import Image

from tests.made_data import write_images_parquet as write_parquet
from trainables.data import DataError
from trainables.data.cache import cache_dir, cached
from trainables.data.images import ImageDataset, Images, load_fixed_images, read_images, write_images

DATASET = ImageDataset("someone/shapes")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("NOISESWEEP_DATA_DIR", raising=False)
    return tmp_path / "cache"


def pictures(*shape, n=5, seed=0):
    return np.random.RandomState(seed).randint(0, 256, (n, *shape)).astype(np.uint8)


def folders(cache):
    return sorted(path.name for path in cache.iterdir() if path.suffix != ".lock")


# The cache


def test_a_failed_build_leaves_nothing_and_the_next_one_works(cache):
    def fail(folder):
        (folder / "half").write_text("half")
        raise InterruptedError

    with pytest.raises(InterruptedError):
        cached("thing", fail)
    assert folders(cache) == []
    folder = cached("thing", lambda folder: (folder / "whole").write_text("whole"))
    assert [path.name for path in folder.iterdir()] == ["whole"]
    assert cached("thing", fail) == folder  # what is there is not built again
    assert folders(cache) == ["thing"]


def test_a_cache_that_cannot_be_written_is_named(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "file" / "cache"))
    write_parquet(tmp_path / "shapes", "train", pictures(3, 3), [1] * 5)
    message = error_of(tmp_path)
    assert message.startswith(f"cache {tmp_path}/file/cache: cannot be written (")
    assert message.endswith("set NOISESWEEP_CACHE_DIR to a writable folder")


@pytest.mark.parametrize("empty", ["", None])
def test_where_the_cache_is(empty, monkeypatch, tmp_path):
    def forget(name):
        monkeypatch.delenv(name) if empty is None else monkeypatch.setenv(name, empty)

    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", "~/mine")
    assert cache_dir() == Path.home() / "mine"
    forget("NOISESWEEP_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir() == tmp_path / "xdg" / "noisesweep"
    forget("XDG_CACHE_HOME")
    assert cache_dir() == Path.home() / ".cache" / "noisesweep"


# Decoding


@pytest.mark.parametrize(("shape", "channels"), [((6, 4), 1), ((6, 4, 3), 3), ((6, 4), 3)])
def test_pixels_are_those_that_pil_decodes(tmp_path, shape, channels):
    path = write_parquet(tmp_path / "shapes", "train", pictures(*shape), [3, 1, 4, 1, 5])
    images = ImageDataset("someone/shapes", channels=channels).load("train", tmp_path)
    decoded = [Image.open(file).convert("L" if channels == 1 else "RGB") for file in encoded(path)]
    expected = np.stack([np.asarray(image).reshape(6, 4, channels) for image in decoded])
    assert np.array_equal(images.pixels.permute(0, 2, 3, 1).numpy(), expected)
    assert images.pixels.dtype == torch.uint8
    assert images.labels.tolist() == [3, 1, 4, 1, 5]
    assert images.labels.dtype == torch.int64


def encoded(path):
    return [io.BytesIO(row["bytes"]) for row in parquet.read_table(path)["image"].to_pylist()]


def test_splits_are_kept_apart(tmp_path):
    for seed, split in enumerate(("train", "test")):
        write_parquet(tmp_path / "shapes", split, pictures(3, 3, seed=seed), [seed] * 5)
    train, test = (DATASET.load(split, tmp_path) for split in ("train", "test"))
    assert train.labels.tolist() == [0] * 5
    assert test.labels.tolist() == [1] * 5
    assert train.fingerprint != test.fingerprint


@pytest.mark.parametrize("form", ["{}", "{}/", "~", "~/"])
def test_the_environment_names_the_folder(form, tmp_path, monkeypatch):
    write_parquet(tmp_path / "shapes", "train", pictures(3, 3), [1] * 5)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NOISESWEEP_DATA_DIR", form.format(tmp_path))
    assert len(DATASET.load("train", None).labels) == 5


def test_what_was_decoded_is_read_again(tmp_path, cache, monkeypatch):
    write_parquet(tmp_path / "shapes", "train", pictures(3, 3), [1] * 5)
    first = DATASET.load("train", tmp_path)
    monkeypatch.setattr("trainables.data.images.decode_rows", lambda *_: pytest.fail("decoded twice"))
    assert DATASET.load("train", tmp_path).fingerprint == first.fingerprint
    (folder,) = cache.glob("shapes-train-*[!k]")
    assert sorted(path.name for path in folder.iterdir()) == ["fingerprint", "labels.npy", "pixels.npy"]


@pytest.mark.parametrize("change", ["time", "size"])
def test_a_changed_file_is_decoded_anew(tmp_path, change):
    def write(label, time):
        labels = [label] * (5 if change == "time" else 5 - label)
        path = write_parquet(tmp_path / "shapes", "train", pictures(3, 3, n=len(labels), seed=label), labels)
        os.utime(path, (time, time))  # archives may give all files one time
        return DATASET.load("train", tmp_path)

    before, after = write(1, time=1), write(2, time=2 if change == "time" else 1)
    assert before.labels.unique().tolist() == [1]
    assert after.labels.unique().tolist() == [2]
    assert before.fingerprint != after.fingerprint


def test_fingerprints_follow_pixels_and_labels(tmp_path):
    pixels, labels = torch.zeros(4, 1, 2, 2, dtype=torch.uint8), torch.arange(4)
    fingerprints = set()
    for index, arrays in enumerate([(pixels, labels), (pixels + 1, labels), (pixels, labels + 1)]):
        folder = tmp_path / str(index)
        folder.mkdir()
        write_images(folder, *arrays)
        fingerprints.add(read_images(folder).fingerprint)
    assert len(fingerprints) == 3


def test_images_in_memory_may_be_numpy_arrays_and_are_never_those_of_before():
    pixels, labels = pictures(1, 4, 4), np.arange(5, dtype=np.uint8)
    first = Images.of(pixels, labels)
    assert first.labels.tolist() == [0, 1, 2, 3, 4]
    assert first.labels.dtype == torch.int64
    assert first.fingerprint == Images.of(torch.from_numpy(pixels), torch.arange(5)).fingerprint
    changed = Images.of(pixels + 1, labels)
    assert changed.pixels.tolist() == (pixels + 1).tolist()
    assert changed.fingerprint != first.fingerprint


def test_writes_to_tensors_do_not_reach_the_file():
    def load():
        return load_fixed_images("zeros", lambda: (torch.zeros(4, 1, 2, 2).byte(), torch.zeros(4)))

    images = load()
    images.pixels.fill_(255)
    images.labels.fill_(9)
    assert images.pixels.sum() == 255 * 16
    again = load()
    assert again.pixels.sum() == 0
    assert again.labels.sum() == 0


# Errors


def error_of(tmp_path, split="train", dataset=DATASET):
    with pytest.raises(DataError) as caught:
        dataset.load(split, tmp_path)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 400
    return message


@pytest.mark.parametrize("has_root", [True, False])
def test_a_missing_folder_names_the_hub_id_and_what_to_do(tmp_path, has_root):
    # The tests run with HF_HUB_OFFLINE=1: the hub cannot be asked.
    message = error_of(tmp_path if has_root else None)
    assert message.startswith("someone/shapes: cannot be loaded from the Hugging Face hub (")
    advice = "set data_dir in the YAML or NOISESWEEP_DATA_DIR to a folder that holds shapes/"
    assert message.endswith(f"; put shapes/ into {tmp_path}, which does not hold it" if has_root else advice)


def test_a_dataset_published_as_a_script_comes_from_the_hubs_conversion(tmp_path, monkeypatch):
    import datasets

    write_parquet(tmp_path / "shapes", "train", pictures(3, 3), [1] * 5)
    load, asked = datasets.load_dataset, []

    def refusing(path, *, revision=None, **options):
        asked.append(revision)
        if revision is None:  # as datasets says it since 4.0
            raise RuntimeError("Dataset scripts are no longer supported, but found shapes.py")
        return load(path, **options)

    monkeypatch.setattr(datasets, "load_dataset", refusing)
    assert len(DATASET.load("train", tmp_path).labels) == 5
    assert asked == [None, "refs/convert/parquet"]


def test_a_module_that_hides_the_library_is_named(tmp_path, monkeypatch):
    module = ModuleType("datasets")
    module.__file__ = "/home/me/project/datasets/__init__.py"
    monkeypatch.setitem(sys.modules, "datasets", module)
    (tmp_path / "shapes").mkdir()
    rule = "hides the library datasets, which reads the data; rename it"
    assert error_of(tmp_path) == f"{module.__file__}: {rule}"


@pytest.mark.parametrize("bars", [True, False])
def test_reading_leaves_the_hubs_client_as_it_was(tmp_path, bars):
    import datasets

    write_parquet(tmp_path / "shapes", "train", pictures(3, 3), [1] * 5)
    logger, set_bars = logging.getLogger("huggingface_hub"), datasets.enable_progress_bars
    before = logger.level, datasets.are_progress_bars_disabled()
    try:
        logger.setLevel(13)
        if not bars:
            datasets.disable_progress_bars()
        DATASET.load("train", tmp_path)
        assert (logger.level, datasets.are_progress_bars_disabled()) == (13, not bars)
    finally:
        logger.setLevel(before[0])
        if not before[1]:
            set_bars()


def test_a_corrupted_file_is_one_line(tmp_path, cache):
    path = write_parquet(tmp_path / "shapes", "train", pictures(3, 3), [1] * 5)
    path.write_bytes(path.read_bytes()[:-100])
    assert error_of(tmp_path).startswith(
        f"{path}: cannot be read (ArrowInvalid: Parquet magic bytes not found"
    )
    assert folders(cache) == []


def test_a_corrupted_image_is_one_line(tmp_path):
    import datasets

    rows = {"image": [{"bytes": b"no image", "path": None}], "label": [0]}
    features = datasets.Features({"image": datasets.Image(), "label": datasets.Value("int64")})
    (tmp_path / "shapes").mkdir()
    datasets.Dataset.from_dict(rows, features=features).to_parquet(tmp_path / "shapes" / "train.parquet")
    message = error_of(tmp_path)
    assert message.startswith(f"{tmp_path / 'shapes'}")
    assert ": row 1: the image cannot be decoded (RuntimeError: " in message


@pytest.mark.parametrize("column", ["image", "label"])
def test_a_missing_column_is_named(tmp_path, column):
    write_parquet(tmp_path / "shapes", "train", pictures(3, 3), [1] * 5)
    dataset = ImageDataset("someone/shapes", **{column: "wanted"})
    message = error_of(tmp_path, dataset=dataset)
    assert message == f"{tmp_path / 'shapes'}: no column 'wanted'; it has image, label"


def test_a_missing_split_is_named(tmp_path):
    write_parquet(tmp_path / "shapes", "train", pictures(3, 3), [1] * 5)
    write_parquet(tmp_path / "shapes", "validation", pictures(3, 3), [1] * 5)
    has = "has no split 'test', only train, validation; name its folder test/, or its files test"
    assert error_of(tmp_path, split="test") == f"{tmp_path / 'shapes'}: {has}"


def test_an_empty_folder_is_one_line(tmp_path):
    (tmp_path / "shapes").mkdir()
    assert "split 'train' cannot be read (" in error_of(tmp_path)

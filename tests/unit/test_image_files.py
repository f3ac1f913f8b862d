"""Image datasets as they lie on disks: folders of image files, MNIST's own files, CIFAR's batches."""

import gzip
import hashlib
import pickle
import struct

import numpy as np
import pytest
import torchvision
from PIL import Image

from tests.made_data import write_images_parquet
from trainables.cifar import CIFAR10, CIFAR100
from trainables.data import DataError
from trainables.data.located import locate
from trainables.mnist import MNIST, FashionMNIST

N = 20
LABELS = np.arange(N) % 10
GREY = np.random.RandomState(0).randint(0, 256, (N, 28, 28)).astype(np.uint8)
COLOUR = np.random.RandomState(1).randint(0, 256, (N, 32, 32, 3)).astype(np.uint8)
SPLITS = ("train", "test")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "cache"))


def loaded(trainable, data_dir):
    """Prepare a trainable with the data in a folder, and return its training images."""
    made = trainable(data_dir)
    made.prepare(made.Hyperparameters(), test=True)
    return made.load("train")


def error_of(trainable, data_dir):
    with pytest.raises(DataError) as caught:
        loaded(trainable, data_dir)
    return str(caught.value)


# Folders of image files


def write_files(folder, pixels, classes, split=None):
    for index, image in enumerate(pixels):
        for each in [split] if split else SPLITS:
            place = folder / each / classes[index % len(classes)]
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(place / f"{index:03}.png")


@pytest.mark.parametrize(
    ("trainable", "name", "pixels"),
    [
        (MNIST, "mnist", GREY),
        (CIFAR10, "cifar10", COLOUR),
        (CIFAR100, "cifar100", COLOUR.repeat(10, 0)),
    ],
)
def test_a_folder_of_image_files_is_read(tmp_path, trainable, name, pixels):
    classes = [f"class {index:02}" for index in range(trainable.classes)]
    write_files(tmp_path / name, pixels, classes)
    images = loaded(trainable, tmp_path)
    order = np.argsort(np.arange(len(pixels)) % len(classes), kind="stable")
    assert images.labels.tolist() == (order % len(classes)).tolist()
    shown = images.pixels.permute(0, 2, 3, 1).numpy().reshape(pixels.shape)
    assert np.array_equal(shown, pixels[order])


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"no image", "the image cannot be decoded (RuntimeError: "),
        (None, "the label must be a whole number from 0 to 9, got 10"),
    ],
)
def test_a_file_that_cannot_be_trained_on_is_named(tmp_path, split, content, message):
    write_files(tmp_path / "mnist", GREY, [str(index) for index in range(10)])
    file = tmp_path / "mnist" / split / ("other" if content is None else "3") / "999.png"
    file.parent.mkdir(exist_ok=True)
    Image.fromarray(GREY[0]).save(file)
    if content is not None:
        file.write_bytes(content)
    assert f"({file}): {message}" in error_of(MNIST, tmp_path)


# MNIST's own files

NAMES = [f"{split}-{kind}-ubyte" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}i", *array.shape) + array.tobytes()


def write_idx(folder, names=NAMES, compress=bytes):
    folder.mkdir(parents=True)
    for name in names:
        (folder / name).write_bytes(compress(idx(GREY if "images" in name else LABELS.astype(np.uint8))))


@pytest.mark.parametrize(
    ("folder", "trainable", "names", "compress"),
    [
        ("MNIST/raw", MNIST, NAMES, bytes),
        ("MNIST/raw", MNIST, [f"{name}.gz" for name in NAMES], gzip.compress),
        ("MNIST/raw", MNIST, [name.replace("-idx", ".idx") for name in NAMES], bytes),
        ("mnist", MNIST, [f"{name}.gz" for name in NAMES], gzip.compress),
        ("mnist/raw", MNIST, NAMES, bytes),
        ("mnist/MNIST/raw", MNIST, NAMES, bytes),
        ("FashionMNIST/raw", FashionMNIST, NAMES, bytes),
        ("fashion_mnist/FashionMNIST/raw", FashionMNIST, NAMES, bytes),
    ],
)
def test_the_files_of_mnist_are_those_of_the_hub(tmp_path, folder, trainable, names, compress):
    write_idx(tmp_path / "raw" / folder, names, compress)
    images = loaded(trainable, tmp_path / "raw")
    published = trainable.source.path
    for split in SPLITS:
        write_images_parquet(tmp_path / "hub" / published, split, GREY, LABELS.tolist())
    assert images.fingerprint == loaded(trainable, tmp_path / "hub").fingerprint
    assert locate(trainable.source, tmp_path / "raw").is_relative_to(tmp_path / "raw")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda content: content[:-5], "EOFError"),
        (lambda content: idx(GREY), "BadGzipFile"),
        (lambda content: gzip.compress(idx(GREY)[:-5]), "ValueError"),
        (lambda content: gzip.compress(idx(LABELS.astype(np.uint8))), "ValueError"),
    ],
)
def test_a_file_of_mnist_that_is_not_whole_is_named(tmp_path, change, reason):
    write_idx(tmp_path / "MNIST" / "raw", [f"{name}.gz" for name in NAMES], gzip.compress)
    file = tmp_path / "MNIST" / "raw" / "t10k-images-idx3-ubyte.gz"
    file.write_bytes(change(file.read_bytes()))
    message = error_of(MNIST, tmp_path)
    assert message.startswith(f"{file}: is no whole file of the IDX format ({reason}: ")
    assert message.endswith("; download it again")


def test_a_split_of_mnist_without_labels_is_named(tmp_path):
    write_idx(tmp_path / "MNIST" / "raw", NAMES[:3])
    assert "has no files of the split 'test' of mnist, only " in error_of(MNIST, tmp_path)


# CIFAR's batches


@pytest.fixture(params=["cifar10", "cifar100"])
def batches(request, tmp_path, monkeypatch):
    """Write small batches, and publish their checksums in place of the real ones."""
    form = {"cifar10": CIFAR10, "cifar100": CIFAR100}[request.param].dataset.forms[0]
    folder = tmp_path / form.batches
    folder.mkdir()
    published = getattr(torchvision.datasets, form.torchvision)
    labels = "labels" if form.torchvision == "CIFAR10" else "fine_labels"
    for split, files in form.files.items():
        for file, part in zip(files, np.array_split(np.arange(N), len(files)), strict=True):
            rows = COLOUR[part].transpose(0, 3, 1, 2).reshape(len(part), -1)
            (folder / file).write_bytes(pickle.dumps({"data": rows, labels: LABELS[part].tolist()}))
        monkeypatch.setattr(published, f"{split}_list", [[file, checksum(folder / file)] for file in files])
    meta = folder / published.meta["filename"]
    meta.write_bytes(pickle.dumps({published.meta["key"]: list("abc")}))
    monkeypatch.setattr(published, "meta", published.meta | {"md5": checksum(meta)})
    return folder


def checksum(file):
    return hashlib.md5(file.read_bytes()).hexdigest()


def trainable_of(batches):
    return CIFAR10 if "10-batches" in batches.name else CIFAR100


@pytest.mark.parametrize("nested", [False, True])
def test_batches_of_cifar_are_read(tmp_path, batches, nested):
    trainable = trainable_of(batches)
    if nested:
        (tmp_path / trainable.name).mkdir()
        batches.rename(tmp_path / trainable.name / batches.name)
    images = loaded(trainable, tmp_path)
    assert np.array_equal(images.pixels.permute(0, 2, 3, 1).numpy(), COLOUR)
    assert images.labels.tolist() == LABELS.tolist()
    assert locate(trainable.source, tmp_path).is_relative_to(tmp_path)


class Harmful:
    """Creates a file when it is unpickled."""

    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (str(self.file), "w")


@pytest.mark.parametrize("missing", [False, True])
def test_a_batch_of_cifar_that_was_not_published_is_not_unpickled(tmp_path, batches, missing):
    file = batches / trainable_of(batches).dataset.forms[0].files["test"][0]
    if missing:
        file.unlink()
    else:
        file.write_bytes(pickle.dumps(Harmful(tmp_path / "harm")))
    message = error_of(trainable_of(batches), tmp_path)
    assert message.startswith(
        f"{batches}: a file is missing, or by its checksum not the published one; unpack"
    )
    assert not (tmp_path / "harm").exists()

"""Images that cannot be trained on are found before the first trial, in both splits."""

import io

import datasets
import numpy as np
import pytest
import torch
from PIL import Image

from trainables.data import ContentError, DataError
from trainables.data.images import Images
from trainables.images import ImageTrainable
from trainables.mnist import MNIST

N = 20
GOOD = [i % 10 for i in range(N)]
WHOLE, REAL, TEXT = (datasets.Value(kind) for kind in ("int64", "float64", "string"))
CLASSES = datasets.ClassLabel(num_classes=10)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("NOISESWEEP_CACHE_DIR", str(tmp_path / "cache"))


def encoded(*shape, dtype=np.uint8, form="PNG"):
    values = np.random.RandomState(0).randint(0, np.iinfo(dtype).max + 1, shape)
    buffer = io.BytesIO()
    Image.fromarray(values.astype(dtype)).save(buffer, form)
    return {"bytes": buffer.getvalue(), "path": None}


GREY, LARGE, DEEP = encoded(28, 28), encoded(32, 32), encoded(28, 28, dtype=np.uint16)


def with_row_8(values, value):
    return [*values[:7], value, *values[8:]]


def write(folder, split, images, labels, feature):
    features = datasets.Features({"image": datasets.Image(), "label": feature})
    rows = datasets.Dataset.from_dict({"image": images, "label": labels}, features=features)
    folder.mkdir(exist_ok=True)
    rows.to_parquet(folder / f"{split}-00000-of-00001.parquet")


def prepare(trainable):
    trainable.prepare(trainable.Hyperparameters(), test=True)


NOT_A_CLASS = "the label must be a whole number from 0 to 9, got "


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("images", "labels", "feature", "message"),
    [
        ([GREY] * N, [1 + i % 10 for i in range(N)], WHOLE, f"row 10: {NOT_A_CLASS}10"),
        ([GREY] * N, [i % 11 for i in range(N)], WHOLE, f"row 11: {NOT_A_CLASS}10"),
        (
            [GREY] * N,
            with_row_8(GOOD, -1),
            CLASSES,
            f"row 8: {NOT_A_CLASS}-1; remove the rows without a label",
        ),
        ([GREY] * N, with_row_8(GOOD, None), WHOLE, f"row 8: {NOT_A_CLASS}None; remove the rows"),
        ([GREY] * N, with_row_8(GOOD, float("nan")), REAL, f"row 8: {NOT_A_CLASS}nan; remove the rows"),
        ([GREY] * N, with_row_8(GOOD, 0.5), REAL, f"row 8: {NOT_A_CLASS}0.5"),
        (
            [GREY] * N,
            ["cat"] * N,
            TEXT,
            f"row 1: {NOT_A_CLASS}'cat'; number the classes, alike in all splits",
        ),
        ([GREY] * N, [3] * N, WHOLE, "all labels are 3; a classifier needs two classes or more"),
        ([LARGE] * N, GOOD, WHOLE, r"the images must have the shape .* = \(1, 28, 28\), got \(1, 32, 32\)"),
        (
            with_row_8([GREY] * N, LARGE),
            GOOD,
            WHOLE,
            "row 8: the image has 32x32 pixels, .* before it 28x28; ",
        ),
        (with_row_8([GREY] * N, DEEP), GOOD, WHOLE, "row 8: the image has pixels of 16 bits; convert all"),
        *(
            (
                with_row_8([GREY] * N, encoded(28, 28, form=form)),
                GOOD,
                WHOLE,
                f"row 8: the image is a {form} file; convert it to PNG",
            )
            for form in ("BMP", "GIF", "TIFF")
        ),
        (with_row_8([GREY] * N, None), GOOD, WHOLE, "row 8: the image is missing; remove such rows"),
        (
            with_row_8([GREY] * N, {"bytes": b"no image", "path": "a/b.png"}),
            GOOD,
            WHOLE,
            r"row 8 \(a/b.png\): the image cannot be decoded \(RuntimeError: ",
        ),
    ],
)
def test_a_row_that_cannot_be_trained_on_is_named(tmp_path, split, images, labels, feature, message):
    for each in ("train", "test"):
        whole = ([GREY] * N, [str(i) for i in GOOD] if feature is TEXT else GOOD, feature)
        write(tmp_path / "mnist", each, *((images, labels, feature) if each == split else whole))
    # All rows of text labels are wrong, in the training split first.
    with pytest.raises(DataError, match=f"^{tmp_path}/mnist.*: {message.replace('cat', '(cat|0)')}"):
        prepare(MNIST(tmp_path))


def test_labels_that_are_whole_numbers_of_another_type_are_labels(tmp_path):
    for split in ("train", "test"):
        write(tmp_path / "mnist", split, [GREY] * N, [float(i) for i in GOOD], REAL)
    prepare(MNIST(tmp_path))
    assert MNIST(tmp_path).load("test").labels.tolist() == GOOD


def test_a_column_with_too_few_classes_is_refused(tmp_path):
    few = datasets.ClassLabel(names=["zero", "one", "two", "three"])
    write(tmp_path / "mnist", "train", [GREY] * N, [i % 4 for i in range(N)], few)
    with pytest.raises(
        DataError, match=r"the column 'label' has 4 classes \(zero, one, two, \.\.\.\), must have 10"
    ):
        prepare(MNIST(tmp_path))


# Images that a trainable of the user loads

PIXELS = np.zeros((N, 1, 4, 4), np.uint8)


class Own(ImageTrainable):
    name, shape, classes, mean, std = "own", (1, 4, 4), 10, 0.0, 1.0

    def __init__(self, **loaded):
        super().__init__()
        good = Images.of(PIXELS, GOOD)
        self.loaded = {"train": good, "test": good} | loaded

    def load(self, split):
        return self.loaded[split]


@pytest.mark.parametrize("split", ["train", "test"])
@pytest.mark.parametrize(
    ("images", "message"),
    [
        (Images.of(PIXELS, [i % 11 for i in range(N)]), f"row 11: {NOT_A_CLASS}10"),
        (Images.of(PIXELS, [3] * N), "all labels are 3; a classifier needs two classes or more"),
        (
            Images(torch.from_numpy(PIXELS), torch.tensor(GOOD[1:]), "mine"),
            "has 20 images and 19 labels; each image needs one",
        ),
        (
            Images(PIXELS, np.array(GOOD), "mine"),
            "must be tensors of uint8 and int64, got ndarray of uint8 and ndarray of int64; use Images.of",
        ),
        (
            Images(torch.from_numpy(PIXELS).float(), torch.tensor(GOOD), "mine"),
            "must be tensors of uint8 and int64, got Tensor of torch.float32 and Tensor of torch.int64; use",
        ),
        (Images.of(PIXELS[:, :, 1:], GOOD), r"the images must have the shape .*, got \(1, 3, 4\)"),
        ((PIXELS, GOOD), r"load must return Images.of\(pixels, labels\), got tuple"),
    ],
)
def test_what_a_trainable_of_the_user_loads_is_checked(split, images, message):
    with pytest.raises(DataError, match=f"^own: split '{split}': {message}"):
        prepare(Own(**{split: images}))


def test_without_an_example_for_validation_nothing_is_trained():
    prepare(Own(train=Images.of(PIXELS[:6], GOOD[:6]), test=Images.of(PIXELS[:2], GOOD[:2])))
    message = "^own: split 'train': 5 examples are too few to hold out a tenth for validation"
    with pytest.raises(DataError, match=message):
        prepare(Own(train=Images.of(PIXELS[:5], GOOD[:5])))


@pytest.mark.parametrize(
    ("pixels", "labels", "message"),
    [
        (
            PIXELS / 255,
            GOOD,
            r"pixels must be whole numbers of the shape .*, got float64 of .* \(20, 1, 4, 4\)",
        ),
        (PIXELS[0], GOOD, r"has 1 images and 20 labels; each image needs one"),
        (PIXELS[0, 0], GOOD, r"pixels must be whole numbers of the shape .* \(4, 4\)"),
        (PIXELS.astype("u2") + 256, GOOD, "pixels must be from 0 to 255, got 256 to 256"),
        (PIXELS, GOOD[1:], "has 20 images and 19 labels; each image needs one"),
        (PIXELS, with_row_8(GOOD, -1), "row 8: the label must be a whole number from 0, got -1"),
        (
            PIXELS,
            with_row_8(GOOD, 1e20),
            r"row 8: the label must be .* from 0, got 1e\+20; number the classes, alike in all splits",
        ),
        (PIXELS, np.array(GOOD) + 0.5, "row 1: the label must be a whole number from 0, got 0.5"),
        (
            PIXELS,
            np.eye(10)[GOOD],
            r"labels must be \(N,\), .* \(20, 10\); of one-hot labels take labels.argmax",
        ),
    ],
)
def test_images_in_memory_that_are_none_are_refused(pixels, labels, message):
    with pytest.raises(ContentError, match=message):
        Images.of(pixels, labels)


@pytest.mark.parametrize("pixels", [PIXELS[:, 0], PIXELS.astype(int), PIXELS.astype("u2"), PIXELS.tolist()])
def test_pixels_of_other_types_are_uint8(pixels):
    images = Images.of(pixels, np.array(GOOD, dtype=float)[:, None])
    assert images.fingerprint == Images.of(PIXELS, GOOD).fingerprint

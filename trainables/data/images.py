"""Image datasets as uint8 tensors.

Shapes: N examples, K channels, H height, W width.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from trainables.data import ContentError
from trainables.data.arrays import (
    Examples,
    as_array,
    as_tensor,
    fingerprint_of,
    read_array,
    read_fingerprint,
    write_arrays,
)
from trainables.data.cache import cached
from trainables.data.decoding import decode_rows
from trainables.data.forms import LocalForm
from trainables.data.hub import HubDataset
from trainables.data.labels import as_labels

# Change this when the files written below change.
_FORMAT = "images-2"


class Images(Examples):
    """One split: pixels (N, K, H, W) uint8, labels (N,) int64, and a hash of both."""

    @classmethod
    def of(cls, pixels: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> "Images":
        """Take images that are in memory already.

        Args:
            pixels: Whole numbers from 0 to 255 of any type, (N, K, H, W) or (N, H, W).
            labels: Whole numbers from 0 of any type, (N,).

        Raises:
            ContentError: If pixels or labels are anything else.
        """
        inputs, targets = _as_pixels(pixels), as_labels(labels)
        images = cls(as_tensor(inputs), as_tensor(targets), fingerprint_of(inputs, targets))
        images.check(None, None)
        return images

    def check(self, shape: tuple[int, int, int] | None, classes: int | None) -> None:
        """Check the shape of the images, (K, H, W), and the labels against the number of classes, if known.

        Raises:
            ContentError: If they do not fit, have other types, or all labels are the same.
        """
        types = [getattr(values, "dtype", None) for values in (self.pixels, self.labels)]
        if types != [torch.uint8, torch.int64]:
            raise ContentError(f"must be tensors of uint8 and int64, got {_typed(self)}; use Images.of")
        if len(self.pixels) != len(self.labels):
            counts = f"{len(self.pixels)} images and {len(self.labels)} labels"
            raise ContentError(f"has {counts}; each image needs one")
        if shape and tuple(self.pixels.shape[1:]) != tuple(shape):
            got = tuple(self.pixels.shape[1:])
            raise ContentError(f"the images must have the shape (K, H, W) = {tuple(shape)}, got {got}")
        labels = as_labels(self.labels, classes)
        if classes and (labels == labels[0]).all():
            raise ContentError(f"all labels are {labels[0]}; a classifier needs two classes or more")

    @property
    def pixels(self) -> Tensor:
        """The inputs."""
        return self.inputs

    @property
    def labels(self) -> Tensor:
        """The targets."""
        return self.targets


def _typed(images: Images) -> str:
    parts = (images.pixels, images.labels)
    return " and ".join(f"{type(part).__name__} of {getattr(part, 'dtype', 'no type')}" for part in parts)


def _as_pixels(values: Any) -> np.ndarray:
    pixels = as_array(values)
    pixels = pixels[:, None] if pixels.ndim == 3 else pixels
    if pixels.dtype.kind not in "iu" or pixels.ndim != 4 or not pixels.size:
        got = f"{pixels.dtype} of the shape {pixels.shape}"
        raise ContentError(f"pixels must be whole numbers of the shape (N, K, H, W), got {got}")
    if pixels.dtype != np.uint8 and not 0 <= pixels.min() <= pixels.max() <= 255:
        raise ContentError(f"pixels must be from 0 to 255, got {pixels.min()} to {pixels.max()}")
    return pixels.astype(np.uint8, copy=False)


@dataclass(frozen=True)
class ImageDataset:
    """Source of an image dataset.

    Attributes:
        hub_id: Its id on the Hugging Face hub; a local copy is a folder named as the part after the slash.
        image: Column of the images.
        label: Column of the class indices.
        channels: K, 1 for grey or 3 for RGB.
        forms: Other forms to look for in the data folder, whose content is pixels (N, K, H, W) uint8 and
            labels (N,).
    """

    hub_id: str
    image: str = "image"
    label: str = "label"
    channels: int = 1
    forms: Sequence[LocalForm[tuple[Tensor, Tensor]]] = ()

    def load(
        self,
        split: str,
        data_dir: Path | None,
        shape: tuple[int, int, int] | None = None,
        classes: int | None = None,
    ) -> Images:
        """Load a split, such as ``train``, from the machine's cache, decoding it first if necessary.

        The tensors are over memory-mapped files; writes to them do not reach the files.

        Args:
            split: Name of the split.
            data_dir: Folder that may hold the dataset's folder; ``NOISESWEEP_DATA_DIR`` when None.
            shape: (K, H, W) that the images must have, if it is known.
            classes: C, if it is known.

        Raises:
            DataError: If there are no such data, or they cannot be used; it names file and row.
        """

        def decode(rows: Any) -> tuple[Tensor, Tensor]:
            return decode_rows(rows, self.image, self.label, self.channels, classes)

        def write(content: tuple[Tensor, Tensor], folder: Path) -> None:
            images = Images.of(*content)
            images.check(shape, classes)
            _write(folder, images)

        columns = {"image": self.image, "label": self.label}
        source = HubDataset(self.hub_id, (self.image, self.label), decode, self.forms, columns)
        return read_images(source.cached(split, data_dir, [_FORMAT, self.channels], write))


def write_images(folder: Path, pixels: Tensor, labels: Tensor) -> None:
    """Write pixels (N, K, H, W) uint8 and labels (N,) for ``read_images`` to an empty folder."""
    _write(folder, Images.of(pixels, labels))


def _write(folder: Path, images: Images) -> None:
    write_arrays(folder, {"pixels": images.pixels.numpy(), "labels": images.labels.numpy()})


def read_images(folder: Path) -> Images:
    """Map a split that ``write_images`` wrote."""
    return Images(read_array(folder, "pixels"), read_array(folder, "labels"), read_fingerprint(folder))


def load_fixed_images(key: str, make: Callable[[], tuple[Tensor, Tensor]]) -> Images:
    """Load a split that never changes, and that a function generates, through the same cache.

    For images of your own use ``Images.of``: this function would not notice that they have changed.

    Args:
        key: Name in the cache.
        make: Returns pixels (N, K, H, W) uint8 and labels (N,).
    """
    return read_images(cached(f"{_FORMAT}-{key}", lambda folder: write_images(folder, *make())))

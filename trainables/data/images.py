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
from trainables.data.forms import LocalForm
from trainables.data.hub import HubDataset

# Change this when the files written below change.
_FORMAT = "images-1"


class Images(Examples):
    """One split: pixels (N, K, H, W) uint8, labels (N,) int64, and a hash of both."""

    @classmethod
    def of(cls, pixels: Tensor | np.ndarray, labels: Tensor | np.ndarray) -> "Images":
        """Take images that are in memory already; labels may be of any whole-number type."""
        inputs, targets = as_array(pixels), as_array(labels).astype(np.int64)
        return cls(as_tensor(inputs), as_tensor(targets), fingerprint_of(inputs, targets))

    @property
    def pixels(self) -> Tensor:
        """The inputs."""
        return self.inputs

    @property
    def labels(self) -> Tensor:
        """The targets."""
        return self.targets


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

    def load(self, split: str, data_dir: Path | None) -> Images:
        """Load a split, such as ``train``, from the machine's cache, decoding it first if necessary.

        The tensors are over memory-mapped files; writes to them do not reach the files.

        Args:
            split: Name of the split.
            data_dir: Folder that may hold the dataset's folder; ``NOISESWEEP_DATA_DIR`` when None.
        """
        source = HubDataset(self.hub_id, (self.image, self.label), self._decode, self.forms)
        return read_images(source.cached(split, data_dir, [_FORMAT, self.channels], _write))

    def _decode(self, rows: Any) -> tuple[Tensor, Tensor]:
        # Each import takes a second, and neither is needed for images in the cache.
        import datasets
        from torchvision.io import ImageReadMode, decode_image

        rows = rows.cast_column(self.image, datasets.Image(decode=False))
        mode = ImageReadMode.GRAY if self.channels == 1 else ImageReadMode.RGB
        images = [
            decode_image(torch.frombuffer(bytearray(image["bytes"]), dtype=torch.uint8), mode)
            for batch in rows.iter(1000)
            for image in batch[self.image]
        ]
        return torch.stack(images), torch.tensor(rows[self.label][:])


def write_images(folder: Path, pixels: Tensor, labels: Tensor) -> None:
    """Write pixels (N, K, H, W) uint8 and labels (N,) for ``read_images`` to an empty folder."""
    images = Images.of(pixels, labels)
    write_arrays(folder, {"pixels": images.pixels.numpy(), "labels": images.labels.numpy()})


def _write(content: tuple[Tensor, Tensor], folder: Path) -> None:
    write_images(folder, *content)


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

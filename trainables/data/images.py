"""Image datasets as uint8 tensors.

Shapes: N examples, K channels, H height, W width.
"""

import hashlib
import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torchvision.io import ImageReadMode, decode_image

from trainables.data import DataError
from trainables.data.cache import cached

_FORMAT = "images-1"  # change when what is written below changes


@dataclass(frozen=True)
class Images:
    """One split: pixels (N, K, H, W) uint8, labels (N,) int64, and a hash of both."""

    pixels: Tensor
    labels: Tensor
    fingerprint: str


@dataclass(frozen=True)
class ImageDataset:
    """Where an image dataset comes from.

    Attributes:
        hub_id: Its id on the Hugging Face hub; a local folder bears the part after the slash.
        image: Column of the images.
        label: Column of the class indices.
        channels: K, 1 for grey and 3 for RGB.
    """

    hub_id: str
    image: str = "image"
    label: str = "label"
    channels: int = 1

    def load(self, split: str, data_dir: Path | None) -> Images:
        """Load a split from the machine's cache, decoding it first if need be.

        Args:
            split: Such as ``train``.
            data_dir: Folder that may hold the dataset's folder; ``NOISESWEEP_DATA_DIR`` when None.

        Returns:
            Tensors over memory-mapped files, shared by all processes of the machine; writes stay private.

        Raises:
            DataError: If it is neither in the folder nor to be had from the hub.
        """
        source = self._source(data_dir)
        try:
            folder = cached(self._key(source, split), lambda path: self._decode(source, split, path))
        except DataError:
            raise
        except Exception as error:  # datasets raises many kinds
            raise DataError(self._advice(source, split, error)) from error
        return read_images(folder)

    def _source(self, data_dir: Path | None) -> Path | str:
        root = data_dir or os.environ.get("NOISESWEEP_DATA_DIR")
        if root and not Path(root).is_dir():
            raise DataError(f"data_dir {root}: no such folder (from the YAML or NOISESWEEP_DATA_DIR)")
        folder = Path(root, self.hub_id.split("/")[-1]) if root else None
        return folder.resolve() if folder and folder.is_dir() else self.hub_id

    def _key(self, source: Path | str, split: str) -> str:
        identity: list[Any] = [_FORMAT, str(source), self.image, self.label, self.channels]
        if isinstance(source, Path):
            files = sorted(path for path in source.rglob("*") if path.is_file())
            identity += [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        digest = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
        return f"{self.hub_id.split('/')[-1]}-{split}-{digest}"

    def _decode(self, source: Path | str, split: str, folder: Path) -> None:
        import datasets  # 1 s; only the first process of a machine needs it

        if not sys.stderr.isatty():
            datasets.disable_progress_bars()
        with tempfile.TemporaryDirectory(dir=folder) as scratch:
            # datasets' own cache knows a local file by path and time alone, and would be a second copy.
            arrow = scratch if isinstance(source, Path) else None
            rows = datasets.load_dataset(str(source), split=split, cache_dir=arrow)
            missing = [column for column in (self.image, self.label) if column not in rows.column_names]
            if missing:
                raise DataError(f"{source}: no column {missing[0]!r}; it has {', '.join(rows.column_names)}")
            rows = rows.cast_column(self.image, datasets.Image(decode=False))
            mode = ImageReadMode.GRAY if self.channels == 1 else ImageReadMode.RGB
            images = [
                decode_image(torch.frombuffer(bytearray(image["bytes"]), dtype=torch.uint8), mode)
                for batch in rows.iter(1000)
                for image in batch[self.image]
            ]
            write_images(folder, torch.stack(images), torch.tensor(rows[self.label][:]))

    def _advice(self, source: Path | str, split: str, error: Exception) -> str:
        name = self.hub_id.split("/")[-1]
        reason = " ".join(str(error).split())[:200]
        if isinstance(source, Path):
            return f"{source}: split {split!r} cannot be read ({type(error).__name__}: {reason})"
        return (
            f"{self.hub_id}: cannot be had from the Hugging Face hub ({type(error).__name__}: {reason}); "
            f"set data_dir in the YAML or NOISESWEEP_DATA_DIR to a folder that holds {name}/"
        )


def write_images(folder: Path, pixels: Tensor, labels: Tensor) -> None:
    """Write a split as ``read_images`` reads it.

    Args:
        folder: An empty folder.
        pixels: (N, K, H, W) uint8.
        labels: (N,) class indices.
    """
    arrays = {"pixels": pixels.numpy(), "labels": labels.to(torch.int64).numpy()}
    digest = hashlib.sha256()
    for name, array in arrays.items():
        digest.update(array.tobytes())
        np.save(folder / f"{name}.npy", array)
    (folder / "fingerprint").write_text(digest.hexdigest()[:16])


def read_images(folder: Path) -> Images:
    """Map a split that ``write_images`` wrote.

    Args:
        folder: Its folder.

    Returns:
        The split; pages are read when used and shared between processes.
    """
    pixels, labels = (
        torch.from_numpy(np.load(folder / f"{name}.npy", mmap_mode="c")) for name in ("pixels", "labels")
    )
    return Images(pixels, labels, (folder / "fingerprint").read_text())


def load_cached_images(key: str, make: Callable[[], tuple[Tensor, Tensor]]) -> Images:
    """Load a split that code makes instead of a download, through the same cache.

    Args:
        key: Name in the cache; change it when the data change.
        make: Returns pixels (N, K, H, W) uint8 and labels (N,).

    Returns:
        The split.
    """
    return read_images(cached(f"{_FORMAT}-{key}", lambda folder: write_images(folder, *make())))

"""The files that torchvision keeps below its ``root``, and the same files from elsewhere.

Shapes: N examples, H height, W width.
"""

import gzip
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from trainables.data import DataError
from trainables.errors import reason_of


@dataclass(frozen=True)
class IdxFiles:
    """MNIST's own files, compressed or not, such as ``MNIST/raw/train-images-idx3-ubyte.gz``.

    Attributes:
        torchvision: Torchvision's name of the dataset.
        folder: Name of the dataset's folder.
    """

    torchvision: str
    folder: str
    name = "idx"

    def find(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Return the file of images and the file of labels of each split that has both."""
        raw = Path(self.torchvision, "raw")
        for folder in (root / raw, root / self.folder / raw, root / self.folder / "raw", root / self.folder):
            files = {split: _idx_files(folder, prefix) for split, prefix in _PREFIXES.items()}
            if found := {split: pair for split, pair in files.items() if len(pair) == 2}:
                return found
        return {}

    def read(self, split: str, files: Sequence[Path]) -> tuple[Tensor, Tensor]:
        """Read pixels (N, 1, H, W) uint8 and labels (N,)."""
        images, labels = (_read_idx(file, n_axes) for file, n_axes in zip(files, (3, 1), strict=True))
        return torch.from_numpy(images)[:, None], torch.from_numpy(labels)


_PREFIXES = {"train": "train", "test": "t10k"}


def _idx_files(folder: Path, prefix: str) -> list[Path]:
    """List the images and the labels of a split, without those that are missing."""
    # Kaggle has a dot in place of the first hyphen.
    patterns = [f"{prefix}-{kind}[-.]{idx}-ubyte" for kind, idx in (("images", "idx3"), ("labels", "idx1"))]
    files = [
        sorted(path for end in ("", ".gz") for path in folder.glob(pattern + end) if path.is_file())
        for pattern in patterns
    ]
    return [found[0] for found in files if found]


def _read_idx(file: Path, n_axes: int) -> np.ndarray:
    """Read an array of uint8; the format is described at the end of http://yann.lecun.com/exdb/mnist."""
    try:
        data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
        if data[:4] != bytes([0, 0, 8, n_axes]):
            raise ValueError(f"it begins with {data[:4]!r}")
        shape = np.frombuffer(data, ">i4", n_axes, offset=4)
        return np.frombuffer(bytearray(data), np.uint8, offset=4 + 4 * n_axes).reshape(shape)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(
            f"{file}: is no whole file of the IDX format ({reason_of(error)}); download it again"
        ) from error


@dataclass(frozen=True)
class CifarBatches:
    """CIFAR's Python batches, such as ``cifar-10-batches-py/data_batch_1``.

    Attributes:
        torchvision: Name of torchvision's class.
        batches: Name of the folder that the archive has.
        folder: Name of the dataset's folder, which may contain that folder.
        files: The files of each split.
    """

    torchvision: str
    batches: str
    folder: str
    files: Mapping[str, Sequence[str]]
    name = "batches"

    def find(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Return the files of each split."""
        for folder in (root / self.batches, root / self.folder / self.batches):
            files = {
                split: [folder / file for file in files if (folder / file).is_file()]
                for split, files in self.files.items()
            }
            if found := {split: present for split, present in files.items() if present}:
                return found
        return {}

    def read(self, split: str, files: Sequence[Path]) -> tuple[Tensor, Tensor]:
        """Read pixels (N, 3, H, W) uint8 and labels (N,); files that were not published are not unpickled."""
        import torchvision.datasets

        folder = files[0].parent
        try:
            # It compares all files with the published checksums before it unpickles one.
            images = getattr(torchvision.datasets, self.torchvision)(folder.parent, train=split == "train")
        except RuntimeError as error:
            raise DataError(
                f"{folder}: a file is missing, or by its checksum not the published one; unpack the archive "
                "again, or remove the folder"
            ) from error
        return torch.from_numpy(images.data).permute(0, 3, 1, 2).contiguous(), torch.tensor(images.targets)

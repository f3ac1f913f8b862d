"""Encoded images and their labels, as the datasets library reads them.

Shapes: N examples, K channels, H height, W width, C classes.
"""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trainables.data import ContentError
from trainables.data.labels import as_labels
from trainables.errors import reason_of


def decode_rows(
    rows: Any, image: str, label: str, channels: int, classes: int | None
) -> tuple[Tensor, Tensor]:
    """Decode a ``datasets.Dataset``.

    Args:
        rows: The rows of a split.
        image: Column of the images.
        label: Column of the class indices.
        channels: K, 1 for grey or 3 for RGB.
        classes: C; None if every whole number from 0 is a label.

    Returns:
        Pixels (N, K, H, W) uint8 and labels (N,) int64.

    Raises:
        ContentError: If there are no rows, or one has no such image or label.
    """
    # The import takes a second; images in the cache do not need it.
    import datasets

    rows = rows.cast_column(image, datasets.Image(decode=False))
    labels = _labels(rows, image, label, classes)
    pixels: list[Tensor] = []
    for batch in rows.iter(1000):
        for encoded in batch[image]:
            row = len(pixels) + 1
            pixels.append(_decode(encoded, row, channels, pixels[0].shape if pixels else None))
    return torch.stack(pixels), torch.from_numpy(labels)


def _labels(rows: Any, image: str, label: str, classes: int | None) -> Any:
    if not len(rows):
        raise ContentError("has no rows")
    _check_classes(rows.features[label], label, classes)
    try:
        return as_labels(rows[label][:], classes)
    except ContentError as error:
        encoded = None if error.row is None else rows[error.row - 1][image]
        raise ContentError(error.message, error.row, _file(encoded)) from None


def _check_classes(feature: Any, label: str, classes: int | None) -> None:
    """Check the number of classes that the data declare; a folder of images has one for each subfolder."""
    names = getattr(feature, "names", None)
    if names and classes and len(names) < classes:
        shown = ", ".join(names[:3])
        raise ContentError(
            f"the column {label!r} has {len(names)} classes ({shown}, ...), must have {classes}"
        )


def _file(encoded: Mapping[str, Any] | None) -> str | None:
    return encoded["path"] if encoded else None


def _decode(encoded: Mapping[str, Any] | None, row: int, channels: int, shape: torch.Size | None) -> Tensor:
    """Decode the image of a row to (K, H, W); it must have the shape of earlier ones."""
    if not encoded or not (encoded["bytes"] or encoded["path"]):
        raise ContentError("the image is missing; remove such rows", row)
    file = _file(encoded)
    try:
        pixels = _pixels(encoded["bytes"] or Path(encoded["path"]).read_bytes(), channels)
    except ContentError as error:
        raise ContentError(error.message, row, file) from None
    except (OSError, RuntimeError, ValueError) as error:
        raise ContentError(f"the image cannot be decoded ({reason_of(error)})", row, file) from error
    if pixels.dtype != torch.uint8:
        raise ContentError("the image has pixels of 16 bits; convert all images to 8 bits", row, file)
    if shape not in (None, pixels.shape):
        sizes = f"{_size(pixels.shape)} pixels, the images before it {_size(shape)}"
        raise ContentError(f"the image has {sizes}; bring all images to one size", row, file)
    return pixels


def _pixels(encoded: bytes, channels: int) -> Tensor:
    # The import takes a second; images in the cache do not need it.
    from torchvision.io import ImageReadMode, decode_image

    mode = ImageReadMode.GRAY if channels == 1 else ImageReadMode.RGB
    try:
        pixels = decode_image(torch.frombuffer(bytearray(encoded), dtype=torch.uint8), mode)
    except RuntimeError:
        _check_format(encoded)
        raise
    # WebP and GIF are decoded in colour only, and a GIF may have several images.
    if len(pixels) != channels:
        _check_format(encoded)
    return pixels


def _check_format(encoded: bytes) -> None:
    """Refuse an image in another format than PNG and JPEG, if its format is known."""
    from PIL import Image, UnidentifiedImageError

    try:
        image = Image.open(io.BytesIO(encoded))
    except UnidentifiedImageError:
        return
    if image.format not in ("PNG", "JPEG"):
        raise ContentError(f"the image is a {image.format} file; convert it to PNG")


def _size(shape: torch.Size) -> str:
    return "x".join(map(str, shape[1:]))

"""Scikit-learn's handwritten digits: 1,797 images of 8x8, shipped with the library, no download."""

import torch
from torch import Tensor
from typing_extensions import override

from trainables.data.images import Images, load_fixed_images
from trainables.declarations import images as declared
from trainables.images import ImageTrainable


class Digits(declared.Digits, ImageTrainable):
    shape = (1, 8, 8)
    classes = 10
    # Mean and deviation of the training pixels, which run from 0 to 16.
    mean = 4.88
    std = 6.02

    @override
    def load(self, split: str) -> Images:
        return load_fixed_images(f"digits-{split}", lambda: _digits(split))


def _digits(split: str) -> tuple[Tensor, Tensor]:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    parts = train_test_split(
        digits.images, digits.target, test_size=450, stratify=digits.target, random_state=0
    )
    pixels, labels = parts[0::2] if split == "train" else parts[1::2]
    return torch.tensor(pixels).to(torch.uint8).unsqueeze(1), torch.tensor(labels)

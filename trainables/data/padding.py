"""Padded batches of texts of similar length, so that padding costs little.

Shapes: B batch, T longest text of a batch. Word 0 is padding.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from trainables.batch import Batch
from trainables.data.text import Texts

IGNORED = -100  # the class of padding, which torch's cross-entropy leaves out
_POOL = 50  # batches whose texts are sorted by length together


class PaddedTexts:
    """Some texts of a split on a device, given out as padded batches."""

    def __init__(self, texts: Texts, chosen: Tensor, max_words: int | None, device: torch.device) -> None:
        """Take texts.

        Args:
            texts: The split.
            chosen: Indices of the texts taken, in this order.
            max_words: What is behind so many words is cut off; None cuts nothing.
            device: Where the batches are wanted.
        """
        lengths = texts.starts.diff()[chosen]
        lengths = lengths if max_words is None else lengths.clamp(max=max_words)
        # Lengths also in numpy, where the shapes of batches are decided without asking the device.
        self.lengths: np.ndarray = lengths.numpy()
        self._words, self._targets = texts.words.to(device), texts.targets.to(device)
        self._tagged = texts.tagged
        self._chosen, self._starts = chosen.to(device), texts.starts[chosen].to(device)
        self._lengths = lengths.to(device)

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, indices: np.ndarray) -> Batch:
        """Pad texts to the longest of them.

        Args:
            indices: Which, among those taken.

        Returns:
            Word ids (B, T); classes (B,), or (B, T) with ``IGNORED`` for padding, and their number.
        """
        return self._batch(torch.from_numpy(indices).to(self._words.device), self.lengths[indices].max())

    def random_batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        """Yield every text once, in batches of similar lengths in a random order.

        Args:
            batch_size: B; one batch may be smaller.
            order: Source of the order.

        Yields:
            Batches.
        """
        permutation = torch.randperm(len(self), generator=order).numpy()
        batches: list[np.ndarray] = []
        for start in range(0, len(self), _POOL * batch_size):
            pool = permutation[start : start + _POOL * batch_size]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
        batches = [batches[index] for index in torch.randperm(len(batches), generator=order).numpy()]
        # The whole order goes to the device at once: a copy in each step would make it wait.
        picked = torch.from_numpy(np.concatenate(batches)).to(self._words.device)
        for part, indices in zip(picked.split([len(batch) for batch in batches]), batches, strict=True):
            yield self._batch(part, self.lengths[indices].max())

    def sorted_batches(self, batch_size: int, first: int | None = None) -> Iterator[Batch]:
        """Yield texts once, from the shortest to the longest.

        Args:
            batch_size: B; the last batch may be smaller.
            first: Only so many, the first of those taken; None yields all.

        Yields:
            Batches.
        """
        by_length = np.argsort(self.lengths[:first], kind="stable")
        for start in range(0, len(by_length), batch_size):
            yield self.batch(by_length[start : start + batch_size])

    def _batch(self, picked: Tensor, longest: int) -> Batch:
        t = torch.arange(longest, device=picked.device)
        is_word = t < self._lengths[picked, None]
        positions = (self._starts[picked, None] + t).where(is_word, 0)
        words = self._words[positions].long().where(is_word, 0)
        if self._tagged:
            return Batch(words, self._targets[positions].where(is_word, IGNORED), is_word.sum())
        return Batch(words, self._targets[self._chosen[picked]], len(picked))

"""Padded batches of texts of similar length, which need little padding.

Shapes: B batch, T longest text of a batch. Word 0 is padding.
"""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from trainables.batch import Batch
from trainables.data.text import Texts

# The class of padding; torch's cross-entropy ignores it.
IGNORED = -100
# Number of batches whose texts are sorted by length together.
_POOL = 50


class PaddedTexts:
    """Some texts of a split on a device, as padded batches."""

    def __init__(self, texts: Texts, chosen: Tensor, max_words: int | None, device: torch.device) -> None:
        """Move texts to a device.

        Args:
            texts: The split.
            chosen: Indices of the texts to use, in this order.
            max_words: Number of words at which a text is cut off; None cuts nothing.
            device: Device of the batches.
        """
        lengths = texts.starts.diff()[chosen]
        lengths = lengths if max_words is None else lengths.clamp(max=max_words)
        # The lengths are also in numpy, so that the shapes of batches need no read from the device.
        self.lengths: np.ndarray = lengths.numpy()
        self._words, self._targets = texts.words.to(device), texts.targets.to(device)
        self._tagged = texts.tagged
        self._chosen, self._starts = chosen.to(device), texts.starts[chosen].to(device)
        self._lengths = lengths.to(device)

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, indices: np.ndarray) -> Batch:
        """Pad the texts at these indices, among those used, to the longest of them.

        Returns:
            Word IDs (B, T); classes (B,), or (B, T) with ``IGNORED`` for padding; the number of classes that
            count.
        """
        return self._batch(torch.from_numpy(indices).to(self._words.device), self.lengths[indices].max())

    def random_batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        """Yield every text once, in batches of similar length in a random order; one may be smaller."""
        permutation = torch.randperm(len(self), generator=order).numpy()
        batches: list[np.ndarray] = []
        for start in range(0, len(self), _POOL * batch_size):
            pool = permutation[start : start + _POOL * batch_size]
            pool = pool[np.argsort(self.lengths[pool], kind="stable")]
            batches += [pool[i : i + batch_size] for i in range(0, len(pool), batch_size)]
        batches = [batches[index] for index in torch.randperm(len(batches), generator=order).numpy()]
        # Copy the whole order to the device at once: a copy in each step would stall it.
        picked = torch.from_numpy(np.concatenate(batches)).to(self._words.device)
        for part, indices in zip(picked.split([len(batch) for batch in batches]), batches, strict=True):
            yield self._batch(part, self.lengths[indices].max())

    def sorted_batches(self, batch_size: int, first: int | None = None) -> Iterator[Batch]:
        """Yield the ``first`` texts, or all, once from the shortest to the longest."""
        by_length = self.by_length(first)
        for start in range(0, len(by_length), batch_size):
            yield self.batch(by_length[start : start + batch_size])

    def by_length(self, first: int | None = None) -> np.ndarray:
        """Return the indices of the ``first`` texts, or of all, from the shortest to the longest."""
        return np.argsort(self.lengths[:first], kind="stable")

    def _batch(self, picked: Tensor, longest: int) -> Batch:
        t = torch.arange(longest, device=picked.device)
        is_word = t < self._lengths[picked, None]
        positions = (self._starts[picked, None] + t).where(is_word, 0)
        words = self._words[positions].long().where(is_word, 0)
        if self._tagged:
            return Batch(words, self._targets[positions].where(is_word, IGNORED), is_word.sum())
        return Batch(words, self._targets[self._chosen[picked]], len(picked))

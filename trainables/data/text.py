"""Texts as word IDs: tokenized once per machine into flat memory-mapped arrays, with their vocabulary.

Shapes: N texts, W words of all texts together, V vocabulary.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from trainables.data.arrays import read_array, read_fingerprint, write_arrays
from trainables.data.classes import Classes, with_names
from trainables.data.forms import LocalForm
from trainables.data.hub import HubDataset
from trainables.data.splits import split_examples
from trainables.data.text_content import Content, checked_sentences, checked_texts

# Change this when the files written below change.
_FORMAT = "texts-2"
VOCABULARY_FILE = "vocabulary.txt"
PADDING = "<padding>"
UNKNOWN = ("<number>", "<UPPER>", "<Title>", "<other>")
N_SPECIAL = 1 + len(UNKNOWN)


def unknown(word: str) -> str:
    """Class of a word that is not in the vocabulary, by its spelling.

    Returns:
        ``<number>`` if it has a digit, ``<UPPER>`` if all its letters are capitals, ``<Title>`` if its first
        letter is one, else ``<other>``.
    """
    if any(character.isdigit() for character in word):
        return "<number>"
    if word.isupper():
        return "<UPPER>"
    return "<Title>" if word[:1].isupper() else "<other>"


@dataclass(frozen=True)
class Texts:
    """One split.

    Attributes:
        words: (W,) int32 IDs of all texts, one text after the other.
        starts: (N + 1,) int64; text i is ``words[starts[i]:starts[i + 1]]``, and has at least one word.
        targets: int64, (N,) for classes of texts or (W,) for classes of words.
        tagged: Whether the targets are classes of words.
        fingerprint: Hash of these and of the vocabulary.
        vocabulary: File with one word a line, ordered by id: padding, the classes of unknown words, then the
            words of the training texts from the most to the least frequent.
    """

    words: Tensor
    starts: Tensor
    targets: Tensor
    tagged: bool
    fingerprint: str
    vocabulary: Path

    def __len__(self) -> int:
        return len(self.starts) - 1


@dataclass(frozen=True)
class TextDataset:
    """Source of texts, and how they are split into words.

    Attributes:
        hub_id: Id on the Hugging Face hub; a local copy is a folder named as the part after the slash.
        text: Column of the texts.
        target: Column of the class of each text, or of the list of classes of its words.
        tagged: Whether it holds classes of words.
        classes: The classes; those of words are tags in the form IOB2.
        tokenise: Splits one text into words.
        min_count: A word that is rarer in the training texts is unknown.
        held_out: Whether validation is held out from the training split; otherwise it is a published split.
        forms: Other forms to look for in the data folder, whose content is the texts, and the class of each
            text or the list of classes of its words.
    """

    hub_id: str
    text: str
    target: str
    tagged: bool
    classes: Classes
    tokenise: Callable[[Any], Sequence[str]]
    min_count: int
    held_out: bool
    forms: Sequence[LocalForm[Content]] = ()

    def load(self, split: str, data_dir: Path | None) -> Texts:
        """Load a split, such as ``train``, from the machine's cache, tokenizing it first if necessary.

        All splits use the vocabulary of the training texts. The tensors are over memory-mapped files; writes
        to them do not reach the files.

        Args:
            split: Name of the split.
            data_dir: Folder that may hold the dataset's folder; ``NOISESWEEP_DATA_DIR`` when None.
        """
        source = HubDataset(self.hub_id, (self.text, self.target), self._decode, self.forms)
        made = [_FORMAT, self.min_count]
        train = source.cached("train", data_dir, made, self._write_training)
        if split == "train":
            return read_texts(train, self.tagged)

        def write(content: Content, folder: Path) -> None:
            self._write(*self._tokenised(content), read_vocabulary(train / VOCABULARY_FILE), folder)

        return read_texts(source.cached(split, data_dir, [*made, train.name], write), self.tagged)

    def _decode(self, rows: Any) -> Content:
        return rows[self.text][:], with_names(rows[self.target][:], rows.features[self.target])

    def _write_training(self, content: Content, folder: Path) -> None:
        texts, targets = self._tokenised(content)
        seen = split_examples(len(texts), None).train.tolist() if self.held_out else range(len(texts))
        counts = Counter(word for index in seen for word in texts[index])
        known = [word for word, count in counts.most_common() if count >= self.min_count]
        self._write(texts, targets, [PADDING, *UNKNOWN, *known], folder)

    def _tokenised(self, content: Content) -> Content:
        texts, targets = (checked_sentences if self.tagged else checked_texts)(content, self.classes)
        return [self.tokenise(text) for text in texts], targets

    def _write(
        self, texts: Sequence[Sequence[str]], targets: Sequence[Any], vocabulary: Sequence[str], folder: Path
    ) -> None:
        if self.tagged:
            targets = [target for text in targets for target in text]
        write_texts(folder, texts, targets, vocabulary, tagged=self.tagged)


def write_texts(
    folder: Path,
    texts: Iterable[Sequence[str]],
    targets: Sequence[int],
    vocabulary: Sequence[str],
    *,
    tagged: bool,
) -> None:
    """Write a split for ``read_texts`` to an empty folder; a text without words becomes one unknown word.

    Args:
        folder: An empty folder.
        texts: The words of each text.
        targets: A class for each text, or for each word.
        vocabulary: Words by id.
        tagged: Whether the targets are classes of words.

    Raises:
        ValueError: If the number of targets is wrong.
    """
    ids = {word: index for index, word in enumerate(vocabulary)}
    words = [
        np.array([ids[word] if word in ids else ids[unknown(word)] for word in text or ("",)], dtype=np.int32)
        for text in texts
    ]
    starts = np.cumsum([0, *map(len, words)])
    if len(targets) != (starts[-1] if tagged else len(words)):
        raise ValueError(f"{len(words)} texts of {starts[-1]} words have {len(targets)} targets")
    (folder / VOCABULARY_FILE).write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    arrays = {"words": np.concatenate(words), "starts": starts, "targets": np.array(targets, dtype=np.int64)}
    write_arrays(folder, arrays, "\n".join(vocabulary).encode())


def read_texts(folder: Path, tagged: bool) -> Texts:
    """Map a split that ``write_texts`` wrote."""
    words, starts, targets = (read_array(folder, name) for name in ("words", "starts", "targets"))
    return Texts(words, starts, targets, tagged, read_fingerprint(folder), folder / VOCABULARY_FILE)


def read_vocabulary(file: Path) -> list[str]:
    """Read the words of a vocabulary, ordered by id."""
    return file.read_text(encoding="utf-8").removesuffix("\n").split("\n")

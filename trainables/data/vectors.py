"""Word vectors for a vocabulary: trained on the training texts, or looked up in a published set or a file.

Shapes: V vocabulary, E embedding.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from trainables.data import DataError, reason_of
from trainables.data.arrays import read_array, write_arrays
from trainables.data.cache import cached
from trainables.data.hub import identity_of, local_file
from trainables.data.text import N_SPECIAL, UNKNOWN, Texts, read_vocabulary, unknown

log = logging.getLogger(__name__)
TRAINED = "train"
TRAINED_SIZE = 25
_FORMAT = "vectors-1"  # change when what is written below changes


def load_vectors(choice: str, texts: Texts, training: Tensor, epochs: int, data_dir: Path | None) -> Tensor:
    """Load the vectors of a vocabulary from the machine's cache, making them first if need be.

    A word that a published set lacks is looked up in lower case; one that it lacks in lower case as well gets
    the vector of unknown words spelled as it is, which is the mean over the words found that are.

    Args:
        choice: ``train``: word2vec (skip-gram, 25 dimensions) trained with gensim on the training texts; a
            file in word2vec's or GloVe's format, absolute or below ``data_dir``; else the name of a set of
            gensim's downloader.
        texts: The training split, with the vocabulary.
        training: Indices of the texts to train vectors on.
        epochs: Passes over them.
        data_dir: Folder that may hold the file; ``NOISESWEEP_DATA_DIR`` when None.

    Returns:
        (V, E) over a memory-mapped file, row 0 zero for padding; writes stay private.

    Raises:
        DataError: If there is no such file or set, or it cannot be read.
    """
    file = None if choice == TRAINED else _file(choice, data_dir)
    identity = [_FORMAT, choice, epochs, texts.fingerprint, str(file), *(identity_of(file) if file else [])]
    key = f"vectors-{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]}"

    def build(folder: Path) -> None:
        vocabulary = read_vocabulary(texts.vocabulary)
        if choice == TRAINED:
            found = _train(texts, training, vocabulary, epochs)
        else:
            found = _look_up(file or _download(choice), vocabulary)
        write_arrays(folder, {"vectors": _complete(found, vocabulary)})

    return read_array(cached(key, build), "vectors")


def _file(choice: str, data_dir: Path | None) -> Path | None:
    file = local_file(choice, data_dir)
    if file.is_absolute() and file.is_file():
        return file
    if "/" in choice or file.suffix in (".txt", ".bin", ".gz", ".vec"):
        raise DataError(f"{file}: no such file (a relative path is taken from data_dir)", "vectors")
    return None


def _download(name: str) -> Path:
    import gensim.downloader

    try:
        # The path alone: else gensim would run code that it downloaded.
        return Path(gensim.downloader.load(name, return_path=True))
    except Exception as error:  # urllib raises many kinds, gensim ValueError for a name that it does not know
        raise DataError(
            f"{name!r} cannot be had from gensim's downloader ({reason_of(error)}); give "
            f"{TRAINED!r} to train them on the training texts, or a file in word2vec's or GloVe's format",
            "vectors",
        ) from error


def _train(texts: Texts, training: Tensor, vocabulary: Sequence[str], epochs: int) -> dict[str, np.ndarray]:
    from gensim.models import Word2Vec

    sentences = _Sentences(texts, training, vocabulary)
    # One worker: with more, the order of the updates and so the vectors would be left to chance.
    model = Word2Vec(sentences, vector_size=TRAINED_SIZE, sg=1, min_count=1, epochs=epochs, seed=0, workers=1)
    return {word: model.wv[word] for word in model.wv.index_to_key}


class _Sentences:
    """The training texts as words, unknown ones by their class; iterated once an epoch."""

    def __init__(self, texts: Texts, training: Tensor, vocabulary: Sequence[str]) -> None:
        self._words, self._starts = texts.words.numpy(), texts.starts.numpy()
        self._training, self._vocabulary = training.tolist(), np.array(vocabulary, dtype=object)

    def __iter__(self) -> Iterator[list[str]]:
        for index in self._training:
            ids = self._words[self._starts[index] : self._starts[index + 1]]
            yield self._vocabulary[ids].tolist()


def _look_up(file: Path, vocabulary: Sequence[str]) -> dict[str, np.ndarray]:
    from gensim.models import KeyedVectors

    if not file.stat().st_size:
        raise DataError(f"{file} is empty", "vectors")
    try:
        options = _format_of(file)
        published = KeyedVectors.load_word2vec_format(str(file), unicode_errors="replace", **options)
    except Exception as error:  # gensim raises many kinds
        raise DataError(
            f"{file} is not in word2vec's or GloVe's format ({reason_of(error)})", "vectors"
        ) from error
    found = {}
    for word in vocabulary[N_SPECIAL:]:
        for spelling in (word, word.lower()):
            if spelling in published:
                found[word] = published[spelling]
                break
    if not found:
        raise DataError(f"{file} has none of the words of the training texts", "vectors")
    if wrong := [word for word, vector in found.items() if not np.isfinite(vector).all()]:
        raise DataError(f"{file}: the vector of {wrong[0]!r} is not finite", "vectors")
    known = len(vocabulary) - N_SPECIAL
    log.warning("vectors: %s has %d of the %d words of the training texts", file, len(found), known)
    return found


def _format_of(file: Path) -> dict[str, Any]:
    from smart_open import open as open_any  # gensim's, for .gz

    with open_any(str(file), "rb") as opened:
        first = opened.readline().split()
        if len(first) != 2:  # word2vec's starts with the numbers of words and dimensions
            return {"no_header": True}
        sample = opened.read(4096)
    try:
        sample[: sample.rfind(b" ")].decode()
    except UnicodeDecodeError:
        return {"binary": True}
    return {}


def _complete(found: dict[str, np.ndarray], vocabulary: Sequence[str]) -> np.ndarray:
    known = np.stack(list(found.values()))
    vectors = np.zeros((len(vocabulary), known.shape[1]), dtype=np.float32)
    spelled = {name: [v for word, v in found.items() if unknown(word) == name] for name in UNKNOWN}
    means = {name: np.mean(rows or known, axis=0) for name, rows in spelled.items()}
    for index, word in enumerate(vocabulary[1:], start=1):
        default = means[word] if word in UNKNOWN else means[unknown(word)]
        vectors[index] = found.get(word, default)
    return vectors

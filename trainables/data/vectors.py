"""Word vectors of a vocabulary: trained on the training texts, or looked up in a published set or a file.

Shapes: V vocabulary, E embedding.
"""

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from trainables.data import ContentError, DataError
from trainables.data.arrays import read_array, write_arrays
from trainables.data.cache import cached
from trainables.data.hub import identity_of, local_file
from trainables.data.stand_ins import check_is_data
from trainables.data.text import N_SPECIAL, UNKNOWN, Texts, read_vocabulary, unknown
from trainables.data.vector_files import read_vectors
from trainables.declarations.texts import TRAINED, is_file
from trainables.errors import reason_of

log = logging.getLogger(__name__)
TRAINED_SIZE = 25
# Change this when the files written below change.
_FORMAT = "vectors-2"


def load_vectors(choice: str, texts: Texts, training: Tensor, epochs: int, data_dir: Path | None) -> Tensor:
    """Load the vectors of a vocabulary from the machine's cache, computing them first if necessary.

    A word that a published set lacks is looked up in lower case. If that fails too, it gets the mean vector
    of the words found in its class of spelling (``trainables.data.text.unknown``).

    Args:
        choice: ``train`` for word2vec (skip-gram, 25 dimensions) trained by gensim on the training texts; a
            file in word2vec's or GloVe's format, absolute or below ``data_dir``; or the name of a set of
            gensim's downloader.
        texts: The training split, with the vocabulary.
        training: Indices of the texts to train vectors on.
        epochs: Passes over these texts.
        data_dir: Folder that may hold the file; ``NOISESWEEP_DATA_DIR`` when None.

    Returns:
        (V, E) over a memory-mapped file, with row 0 zero for padding; writes do not reach the file.

    Raises:
        DataError: If there is no such file or set, or it cannot be read.
    """
    file = None if choice == TRAINED else _file(choice, data_dir)
    identity = [_FORMAT, choice, epochs, texts.fingerprint, str(file), *(identity_of(file) if file else [])]
    if choice == TRAINED:
        identity.append(hashlib.sha256(training.numpy().tobytes()).hexdigest())
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
    if is_file(choice):
        raise DataError(f"{file}: no such file (a relative path is taken from data_dir)", "vectors")
    return None


def _download(name: str) -> Path:
    import gensim.downloader

    try:
        # Without `return_path`, gensim would run code that it downloaded.
        return Path(gensim.downloader.load(name, return_path=True))
    except Exception as error:
        # urllib raises many types; gensim raises ValueError for an unknown name.
        raise DataError(
            f"{name!r} cannot be loaded by gensim's downloader ({reason_of(error)}); give "
            f"{TRAINED!r} to train vectors on the training texts, or a file in word2vec's or GloVe's format",
            "vectors",
        ) from error


def _train(texts: Texts, training: Tensor, vocabulary: Sequence[str], epochs: int) -> dict[str, np.ndarray]:
    from gensim.models import Word2Vec

    sentences = _Sentences(texts, training, vocabulary)
    # With more than one worker, the order of the updates, and so the vectors, would be random.
    model = Word2Vec(sentences, vector_size=TRAINED_SIZE, sg=1, min_count=1, epochs=epochs, seed=0, workers=1)
    return {word: model.wv[word] for word in model.wv.index_to_key}


class _Sentences:
    """The training texts as words, with unknown words replaced by their class; iterated once an epoch."""

    def __init__(self, texts: Texts, training: Tensor, vocabulary: Sequence[str]) -> None:
        self._words, self._starts = texts.words.numpy(), texts.starts.numpy()
        self._training, self._vocabulary = training.tolist(), np.array(vocabulary, dtype=object)

    def __iter__(self) -> Iterator[list[str]]:
        for index in self._training:
            ids = self._words[self._starts[index] : self._starts[index + 1]]
            yield self._vocabulary[ids].tolist()


def _look_up(file: Path, vocabulary: Sequence[str]) -> dict[str, np.ndarray]:
    words = vocabulary[N_SPECIAL:]
    published = _read(file, {spelling for word in words for spelling in (word, word.lower())})
    found = {}
    for word in words:
        for spelling in (word, word.lower()):
            if spelling in published:
                found[word] = published[spelling]
                break
    if not found:
        raise DataError(f"{file} has none of the words of the training texts", "vectors")
    if wrong := [word for word, vector in found.items() if not np.isfinite(vector).all()]:
        raise DataError(f"{file}: the vector of {wrong[0]!r} is not finite", "vectors")
    log.warning("vectors: %s has %d of the %d words of the training texts", file, len(found), len(words))
    return found


def _read(file: Path, wanted: Set[str]) -> Any:
    if not file.stat().st_size:
        raise DataError(f"{file} is empty", "vectors")
    check_is_data(file)
    if file.suffix == ".zip":
        raise DataError(f"{file}: unpack it (unzip {file.name}), and give one of its files", "vectors")
    try:
        return read_vectors(file, wanted)
    except Exception as error:
        # gensim and smart_open raise many types.
        reason = str(error) if isinstance(error, ContentError) else reason_of(error)
        raise DataError(f"{file} is not in word2vec's or GloVe's format ({reason})", "vectors") from error


def _complete(found: dict[str, np.ndarray], vocabulary: Sequence[str]) -> np.ndarray:
    known = np.stack(list(found.values()))
    vectors = np.zeros((len(vocabulary), known.shape[1]), dtype=np.float32)
    spelled = {name: [v for word, v in found.items() if unknown(word) == name] for name in UNKNOWN}
    means = {name: np.mean(rows or known, axis=0) for name, rows in spelled.items()}
    for index, word in enumerate(vocabulary[1:], start=1):
        default = means[word] if word in UNKNOWN else means[unknown(word)]
        vectors[index] = found.get(word, default)
    return vectors

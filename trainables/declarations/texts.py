"""Declarations of the text trainables."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar, Literal, TypeVar

from pydantic import Field
from typing_extensions import override

from trainables.declarations.base import Declaration
from trainables.declarations.hyperparameters import Cell, HeldOutHyperparameters, Hyperparameters
from trainables.declarations.sources import Source

# The value of ``vectors`` that trains them on the training texts.
TRAINED = "train"


class TextHyperparameters(Hyperparameters):
    """Hyperparameters of all networks over word vectors."""

    vectors: str = Field(
        "train",
        description="word vectors: train (on the training texts), a file, or a set of gensim's downloader",
    )
    freeze_vectors: bool = Field(True, description="leave the word vectors as they are")
    dropout: float = Field(0.1, ge=0, lt=1, description="probability")
    cell: Cell = Field("lstm", description="kind of the recurrent layers")
    hidden: int = Field(100, ge=1, le=100_000, description="width of the recurrent layers")
    layers: int = Field(1, ge=1, le=1_000, description="recurrent layers")


class IMDBHyperparameters(TextHyperparameters, HeldOutHyperparameters):
    """Hyperparameters of the classifiers; only ``recurrent`` uses ``cell``, ``hidden`` and ``layers``."""

    model: Literal["trans1", "trans2", "trans3", "recurrent"] = Field("trans1", description="architecture")
    max_words: int = Field(256, ge=1, description="words at which a review is cut off")


H = TypeVar("H", bound=TextHyperparameters)


def is_file(vectors: str) -> bool:
    """Whether a value of ``vectors`` that is no existing file still is meant to be one."""
    return "/" in vectors or Path(vectors).suffix in (".txt", ".bin", ".gz", ".vec", ".zip")


class TextDeclaration(Declaration[H]):
    """Networks over word vectors."""

    data_hyperparameters: ClassVar[Sequence[str]] = ("train_subset", "vectors")

    @override
    @classmethod
    def sources(cls, hyperparameters: H) -> list[Source]:
        """Add the word vectors, unless they are trained."""
        vectors = hyperparameters.vectors
        if vectors == TRAINED:
            return super().sources(hyperparameters)
        return [*super().sources(hyperparameters), Source(vectors, "" if is_file(vectors) else vectors)]


class IMDB(TextDeclaration[IMDBHyperparameters]):
    """IMDB sentiment with Transformer encoders and recurrent networks."""

    name = "imdb"
    source = Source("imdb", "stanfordnlp/imdb", 83, also=("aclImdb", "IMDB Dataset.csv"))
    Hyperparameters = IMDBHyperparameters
    scores: ClassVar = {"accuracy": "max"}
    fractions: ClassVar = frozenset({"accuracy"})
    data_hyperparameters = ("train_subset", "vectors", "model")


class CoNLL2003(TextDeclaration[TextHyperparameters]):
    """CoNLL-2003 named entities with a bidirectional recurrent tagger, the study's BiLSTM."""

    name = "conll2003"
    source = Source("conll2003", "eriktks/conll2003", 1)
    Hyperparameters = TextHyperparameters
    scores: ClassVar = {"f1": "max", "token_accuracy": "max"}
    fractions: ClassVar = frozenset({"f1", "token_accuracy"})

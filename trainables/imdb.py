"""IMDB reviews: 25,000 of training and 25,000 of test, each positive or negative."""

import re
from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field
from torch import nn

from trainables.data import DataError
from trainables.data.text import TextDataset
from trainables.models.recurrent import RecurrentClassifier
from trainables.models.transformer import TransformerClassifier
from trainables.texts import TextHyperparameters, TextTrainable

_BREAK = re.compile(r"<br\s*/?>")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[!?]")
CLASSES = 2
HEADS = 5
# (encoder layers, feed-forward width)
TRANSFORMERS: Mapping[str, tuple[int, int]] = {"trans1": (3, 64), "trans2": (1, 64), "trans3": (6, 128)}


def tokenise(review: str) -> list[str]:
    """Split a review into words.

    Args:
        review: As published, with HTML line breaks.

    Returns:
        In lower case: runs of letters and digits, with inner apostrophes (``don't``), and ``!`` and ``?``.
    """
    return _WORD.findall(_BREAK.sub(" ", review).lower())


class IMDBHyperparameters(TextHyperparameters):
    """Hyperparameters of the classifiers; ``cell``, ``hidden`` and ``layers`` are those of ``recurrent``."""

    model: Literal[(*TRANSFORMERS, "recurrent")] = Field(  # type: ignore[valid-type]
        "trans1", description="architecture"
    )
    max_words: int = Field(256, ge=1, description="words of a review that are read, from its beginning")


class IMDB(TextTrainable[IMDBHyperparameters]):
    """IMDB sentiment with Transformer encoders and recurrent networks."""

    name = "imdb"
    Hyperparameters = IMDBHyperparameters
    scores: ClassVar = {"accuracy": "max"}
    data_hyperparameters = ("train_subset", "vectors", "model")
    dataset = TextDataset(
        "stanfordnlp/imdb",
        text="text",
        target="label",
        tagged=False,
        tokenise=tokenise,
        min_count=5,
        held_out=True,
    )
    vector_epochs = 5

    def network(self, hyperparameters: IMDBHyperparameters, embedding: nn.Embedding) -> nn.Module:
        """Build the freshly initialised architecture.

        Args:
            hyperparameters: ``model`` and its settings are used.
            embedding: Word vectors (V, E), the first of them padding's.

        Returns:
            A module from word ids (B, T) to logits (B, 2).

        Raises:
            DataError: If the attention heads do not divide E.
        """
        hp = hyperparameters
        if hp.model == "recurrent":
            return RecurrentClassifier(
                embedding,
                cell=hp.cell,
                hidden=hp.hidden,
                layers=hp.layers,
                dropout=hp.dropout,
                classes=CLASSES,
            )
        size = embedding.embedding_dim
        if size % HEADS:
            message = f"{hp.vectors} has {size} dimensions, must be a multiple of {HEADS} heads"
            raise DataError(message, "vectors")
        layers, width = TRANSFORMERS[hp.model]
        return TransformerClassifier(
            embedding, layers=layers, heads=HEADS, feedforward=width, dropout=hp.dropout, classes=CLASSES
        )

    def max_words(self, hyperparameters: IMDBHyperparameters) -> int:
        """Say how long a review may be.

        Args:
            hyperparameters: ``max_words`` is used.

        Returns:
            The number of words behind which it is cut off.
        """
        return hyperparameters.max_words

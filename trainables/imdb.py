"""IMDB reviews: 25,000 for training and 25,000 for test, each positive or negative."""

import re
from collections.abc import Mapping

from torch import nn
from typing_extensions import override

from trainables.data import DataError
from trainables.data.classes import Classes
from trainables.data.forms import find_form
from trainables.data.hub import data_root
from trainables.data.text import TextDataset
from trainables.data.text_files import KaggleReviews, StanfordReviews
from trainables.declarations import texts as declared
from trainables.declarations.texts import IMDBHyperparameters
from trainables.models.recurrent import RecurrentClassifier
from trainables.models.transformer import TransformerClassifier
from trainables.texts import TextTrainable

_BREAK = re.compile(r"<br\s*/?>")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*|[!?]")
CLASSES = Classes(("neg", "pos"), also={"negative": "neg", "positive": "pos"})
HEADS = 5
# Encoder layers and feed-forward width of each.
TRANSFORMERS: Mapping[str, tuple[int, int]] = {"trans1": (3, 64), "trans2": (1, 64), "trans3": (6, 128)}


def tokenise(review: str) -> list[str]:
    """Split a review, as published with HTML line breaks, into lower-case words.

    Words are runs of letters and digits, with inner apostrophes (``don't``), and ``!`` and ``?``.
    """
    return _WORD.findall(_BREAK.sub(" ", review).lower())


class IMDB(declared.IMDB, TextTrainable[IMDBHyperparameters]):
    dataset = TextDataset(
        declared.IMDB.source.origin,
        text="text",
        target="label",
        tagged=False,
        classes=CLASSES,
        tokenise=tokenise,
        min_count=5,
        held_out=True,
        forms=(StanfordReviews(), KaggleReviews()),
    )
    vector_epochs = 5

    @override
    def prepare(self, hyperparameters: IMDBHyperparameters, *, test: bool = False) -> None:
        super().prepare(hyperparameters, test=test)
        found = find_form(self.dataset.forms, data_root(self.data_dir))
        self.note = found[0].note if found and isinstance(found[0], KaggleReviews) else ""

    @override
    def network(self, hyperparameters: IMDBHyperparameters, embedding: nn.Embedding) -> nn.Module:
        """Build a module from word IDs (B, T) to logits (B, 2).

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
                classes=len(CLASSES.names),
            )
        size = embedding.embedding_dim
        if size % HEADS:
            message = f"{hp.vectors} has {size} dimensions, must be a multiple of {HEADS} heads"
            raise DataError(message, "vectors")
        layers, width = TRANSFORMERS[hp.model]
        return TransformerClassifier(
            embedding,
            layers=layers,
            heads=HEADS,
            feedforward=width,
            dropout=hp.dropout,
            classes=len(CLASSES.names),
        )

    @override
    def max_words(self, hyperparameters: IMDBHyperparameters) -> int:
        return hyperparameters.max_words

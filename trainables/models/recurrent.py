"""Recurrent networks with a choice of cell: a text classifier, a bidirectional tagger, a forecaster.

Shapes: B batch, T tokens or time steps, E embedding, H hidden, C classes. Token 0 is padding.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from trainables.declarations.hyperparameters import Cell
from trainables.models.transformer import mean_over_words

CELLS: Mapping[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class RecurrentClassifier(nn.Module):
    """Word vectors (V, E), recurrent layers, mean over the words, linear head.

    Row 0 of the word vectors is padding. Dropout acts on the word vectors, between layers and before the
    head.
    """

    def __init__(
        self, embedding: nn.Embedding, *, cell: Cell, hidden: int, layers: int, dropout: float, classes: int
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.dropout = nn.Dropout(dropout)
        self.recurrent = stacked(cell, [embedding.embedding_dim, *[hidden] * (layers - 1)], hidden)
        self.head = nn.Linear(hidden, classes)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Logits (B, C); padding follows the words, so that it changes no word's state and no logit."""
        x = self.embedding(tokens_BT)
        for layer in self.recurrent:
            x, _ = layer(self.dropout(x))
        return self.head(self.dropout(mean_over_words(x, tokens_BT == 0)))


class BidirectionalTagger(nn.Module):
    """Word vectors, recurrent layers in both directions, linear layer over both: logits for each word.

    Parameters are as in ``RecurrentClassifier``; ``hidden`` is the width of one direction.
    """

    def __init__(
        self, embedding: nn.Embedding, *, cell: Cell, hidden: int, layers: int, dropout: float, classes: int
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.dropout = nn.Dropout(dropout)
        widths = [embedding.embedding_dim, *[2 * hidden] * (layers - 1)]
        self.forwards = stacked(cell, widths, hidden)
        self.backwards = stacked(cell, widths, hidden)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Logits (B, T, C); padding follows the words and does not change their logits."""
        # Packed sequences would need the lengths on the CPU at every step; reversing the words does not.
        reverse_BT1 = reversed_words(tokens_BT)[:, :, None]
        x = self.embedding(tokens_BT)
        for ahead, back in zip(self.forwards, self.backwards, strict=True):
            x = self.dropout(x)
            ahead_BTH, _ = ahead(x)
            back_BTH, _ = back(x.gather(1, reverse_BT1.expand(-1, -1, x.shape[2])))
            back_BTH = back_BTH.gather(1, reverse_BT1.expand(-1, -1, back_BTH.shape[2]))
            x = torch.cat([ahead_BTH, back_BTH], dim=2)
        return self.head(self.dropout(x))


class RecurrentForecaster(nn.Module):
    """Recurrent layers over a window of a series, then H-40-1 with ReLU on the last layer's last state."""

    def __init__(self, *, cell: Cell, hidden: int, layers: int) -> None:
        super().__init__()
        self.recurrent = CELLS[cell](1, hidden, layers, batch_first=True)
        self.head = nn.Sequential(nn.Linear(hidden, 40), nn.ReLU(), nn.Linear(40, 1))

    def forward(self, x_BT: Tensor) -> Tensor:
        """Forecast the next values (B,) of scaled windows, on the same scale."""
        x_BTH, _ = self.recurrent(x_BT[:, :, None])
        return self.head(x_BTH[:, -1]).squeeze(1)


def stacked(cell: Cell, widths: Sequence[int], hidden: int) -> nn.ModuleList:
    """Build one recurrent module for each input width, so that dropout can be applied between them.

    torch's own dropout between layers keeps a state in cuDNN that no generator controls.
    """
    return nn.ModuleList(CELLS[cell](width, hidden, batch_first=True) for width in widths)


def reversed_words(tokens_BT: Tensor) -> Tensor:
    """Positions (B, T) that reverse the words of each text and leave the padding after them in place.

    They are their own inverse: with n words, n-1, ..., 0, n, n+1, ..., T-1.
    """
    n_words_B1 = (tokens_BT != 0).sum(1, keepdim=True)
    t = torch.arange(tokens_BT.shape[1], device=tokens_BT.device).expand_as(tokens_BT)
    return torch.where(t < n_words_B1, n_words_B1 - 1 - t, t)

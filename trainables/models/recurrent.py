"""Recurrent networks with a choice of cell: a text classifier, a bidirectional tagger, a forecaster.

Shapes: B batch, T tokens or time steps, E embedding, H hidden, C classes. Token 0 is padding.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from trainables.models.transformer import mean_over_words

Cell = Literal["lstm", "gru", "rnn"]
CELLS: Mapping[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}


class RecurrentClassifier(nn.Module):
    """Word vectors, recurrent layers, mean over the words, linear head."""

    def __init__(
        self,
        embedding: nn.Embedding,
        *,
        cell: Cell,
        hidden: int,
        layers: int,
        dropout: float,
        classes: int,
    ) -> None:
        """Build the network.

        Args:
            embedding: Word vectors (V, E), the first of them padding's.
            cell: Kind of the recurrent layers.
            hidden: H.
            layers: Recurrent layers.
            dropout: Probability, on the word vectors, between layers and before the head.
            classes: C.
        """
        super().__init__()
        self.embedding = embedding
        self.dropout = nn.Dropout(dropout)
        self.recurrent = stacked(cell, [embedding.embedding_dim, *[hidden] * (layers - 1)], hidden)
        self.head = nn.Linear(hidden, classes)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Classify.

        Args:
            tokens_BT: Word ids; padding stands behind the words, so that it reaches no word's state.

        Returns:
            Logits (B, C); padding does not change them.
        """
        x = self.embedding(tokens_BT)
        for layer in self.recurrent:
            x, _ = layer(self.dropout(x))
        return self.head(self.dropout(mean_over_words(x, tokens_BT == 0)))


class BidirectionalTagger(nn.Module):
    """Word vectors, recurrent layers in both directions, linear layer over both: a class for each word."""

    def __init__(
        self,
        embedding: nn.Embedding,
        *,
        cell: Cell,
        hidden: int,
        layers: int,
        dropout: float,
        classes: int,
    ) -> None:
        """Build the network.

        Args:
            embedding: Word vectors (V, E), the first of them padding's.
            cell: Kind of the recurrent layers.
            hidden: H, of each direction.
            layers: Recurrent layers.
            dropout: Probability, on the word vectors, between layers and before the last.
            classes: C.
        """
        super().__init__()
        self.embedding = embedding
        self.dropout = nn.Dropout(dropout)
        widths = [embedding.embedding_dim, *[2 * hidden] * (layers - 1)]
        self.forwards = stacked(cell, widths, hidden)
        self.backwards = stacked(cell, widths, hidden)
        self.head = nn.Linear(2 * hidden, classes)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Score the classes of each word.

        Args:
            tokens_BT: Word ids; padding stands behind the words.

        Returns:
            Logits (B, T, C); padding does not change those of words.
        """
        # Reversing the words in place, not packing: packing needs the lengths on the CPU at every step.
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
        """Build the network.

        Args:
            cell: Kind of the recurrent layers.
            hidden: H.
            layers: Recurrent layers.
        """
        super().__init__()
        self.recurrent = CELLS[cell](1, hidden, layers, batch_first=True)
        self.head = nn.Sequential(nn.Linear(hidden, 40), nn.ReLU(), nn.Linear(40, 1))

    def forward(self, x_BT: Tensor) -> Tensor:
        """Forecast the next value.

        Args:
            x_BT: Windows of values, scaled.

        Returns:
            (B,), in the same scale.
        """
        x_BTH, _ = self.recurrent(x_BT[:, :, None])
        return self.head(x_BTH[:, -1]).squeeze(1)


def stacked(cell: Cell, widths: Sequence[int], hidden: int) -> nn.ModuleList:
    """Build recurrent layers one by one, to put dropout between them.

    torch's own dropout between layers has a state in cuDNN that no generator governs.

    Args:
        cell: Their kind.
        widths: Of the inputs of each.
        hidden: H.

    Returns:
        One module a layer.
    """
    return nn.ModuleList(CELLS[cell](width, hidden, batch_first=True) for width in widths)


def reversed_words(tokens_BT: Tensor) -> Tensor:
    """Say where the words of each text stand when read backwards, padding staying behind them.

    Args:
        tokens_BT: Word ids, padding behind the words.

    Returns:
        Positions (B, T), their own inverse: with n words, n-1, ..., 0, n, n+1, ..., T-1.
    """
    n_words_B1 = (tokens_BT != 0).sum(1, keepdim=True)
    t = torch.arange(tokens_BT.shape[1], device=tokens_BT.device).expand_as(tokens_BT)
    return torch.where(t < n_words_B1, n_words_B1 - 1 - t, t)

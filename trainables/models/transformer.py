"""A Transformer encoder that classifies texts.

Shapes: B batch, T tokens, E embedding, C classes. Token 0 is padding.
"""

import math

import torch
from torch import Tensor, nn


class TransformerClassifier(nn.Module):
    """Word vectors (V, E), sinusoidal positions, encoder layers, mean over the words, linear head.

    Row 0 of the word vectors is padding. ``heads`` must divide E; ``feedforward`` is a width.
    """

    def __init__(
        self,
        embedding: nn.Embedding,
        *,
        layers: int,
        heads: int,
        feedforward: int,
        dropout: float,
        classes: int,
    ) -> None:
        super().__init__()
        width = embedding.embedding_dim
        self.embedding = embedding
        self.dropout = nn.Dropout(dropout)
        # nn.TransformerEncoder copies one layer, so that all layers would start with equal weights.
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, feedforward, dropout, batch_first=True)
            for _ in range(layers)
        )
        self.head = nn.Linear(width, classes)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Logits (B, C) of texts of at least one word each; padding does not change them."""
        is_padding_BT = tokens_BT == 0
        x_BTE = self.embedding(tokens_BT)
        x_BTE = x_BTE * math.sqrt(x_BTE.shape[2]) + sinusoidal_positions(x_BTE)
        x_BTE = self.dropout(x_BTE)
        for layer in self.layers:
            x_BTE = layer(x_BTE, src_key_padding_mask=is_padding_BT)
        return self.head(mean_over_words(x_BTE, is_padding_BT))


def sinusoidal_positions(x_BTE: Tensor) -> Tensor:
    """Position encoding of Vaswani et al., *Attention is all you need*, 2017, section 3.5.

    Args:
        x_BTE: Determines T, E, dtype and device.

    Returns:
        (T, E): sin(t / 10000^(e/E)) in each even column e, and cos of the same angle in column e + 1.
    """
    _, length, width = x_BTE.shape
    t = torch.arange(length, device=x_BTE.device, dtype=x_BTE.dtype)
    e = torch.arange(width, device=x_BTE.device)
    angles_TE = t[:, None] * torch.pow(10000.0, -(e - e % 2).to(x_BTE.dtype) / width)
    return torch.where(e % 2 == 0, angles_TE.sin(), angles_TE.cos())


def mean_over_words(x_BTE: Tensor, is_padding_BT: Tensor) -> Tensor:
    """Average (B, T, E) over the positions that hold words, to (B, E)."""
    is_word_BT1 = ~is_padding_BT[:, :, None]
    return (x_BTE * is_word_BT1).sum(1) / is_word_BT1.sum(1)

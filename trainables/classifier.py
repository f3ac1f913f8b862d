"""The loss and the scores of classifiers, whatever they classify.

Shapes: B batch, C classes.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.batch import Batch
from trainables.data.splits import EvaluationSplit


class ClassifierTask(ABC):
    """The part of a task that classifiers share; what their examples are is a subclass's to say."""

    model: nn.Module

    @abstractmethod
    def evaluation_batches(self, split: EvaluationSplit) -> Iterator[Batch]:
        """Yield a whole split, every example once.

        Args:
            split: Which; ``test`` is loaded only here, when it is asked for.
        """

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy of a batch; targets of -100 do not count.

        Args:
            batch: Targets (B, ...) and inputs that the model makes into logits (B, ..., C).

        Returns:
            A scalar, in nats.
        """
        return F.cross_entropy(self.model(batch.inputs).flatten(0, -2), batch.targets.flatten())

    @torch.inference_mode()
    def evaluate(self, split: EvaluationSplit = "validation") -> dict[str, float]:
        """Score a whole split.

        Args:
            split: Which.

        Returns:
            ``loss`` (mean cross-entropy, nats) and ``accuracy`` (fraction correct).
        """
        sums = torch.zeros(2, dtype=torch.float64, device=next(self.model.parameters()).device)
        n_examples: Tensor | int = 0
        for batch in self.evaluation_batches(split):
            logits = self.model(batch.inputs)
            correct = (logits.argmax(1) == batch.targets).sum()
            sums += torch.stack([F.cross_entropy(logits, batch.targets, reduction="sum"), correct])
            n_examples += batch.weight
        loss, accuracy = (sums / n_examples).tolist()
        return {"loss": loss, "accuracy": accuracy}

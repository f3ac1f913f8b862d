"""Loss and scores shared by all classifiers.

Shapes: B batch, C classes, N examples.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainables.batch import Batch
from trainables.declarations.base import EvaluationSplit


class ClassifierTask(ABC):
    """The part of a task that classifiers share; a subclass supplies the examples.

    Attributes:
        model: Maps inputs (B, ...) to logits.
        correct: Which examples of the test split were right in its last evaluation, (N,) of type bool, in the
            order of the split; None before, and in a task with scores of its own.
    """

    model: nn.Module
    correct: Tensor | None = None

    @abstractmethod
    def evaluation_batches(self, split: EvaluationSplit) -> Iterator[Batch]:
        """Yield every example of a split once; the test split is loaded here, not before."""

    def in_order_of_split(self, values: Tensor) -> Tensor:
        """Put values (N,) of the test examples, as ``evaluation_batches`` yields these, in the split's order.

        Override it where the two orders differ.
        """
        return values

    def loss(self, batch: Batch) -> Tensor:
        """Mean cross-entropy in nats, a scalar; targets of -100 do not count.

        Args:
            batch: Targets (B, ...), and inputs that the model maps to logits (B, ..., C).
        """
        return F.cross_entropy(self.model(batch.inputs).flatten(0, -2), batch.targets.flatten())

    @torch.inference_mode()
    def evaluate(self, split: EvaluationSplit = "validation") -> dict[str, float]:
        """``loss`` (mean cross-entropy, nats) and ``accuracy`` (fraction correct) of a whole split."""
        sums = torch.zeros(2, dtype=torch.float64, device=next(self.model.parameters()).device)
        n_examples: Tensor | int = 0
        correct: list[Tensor] = []
        for batch in self.evaluation_batches(split):
            logits = self.model(batch.inputs)
            correct.append(logits.argmax(1) == batch.targets)
            loss = F.cross_entropy(logits, batch.targets, reduction="sum")
            sums += torch.stack([loss, correct[-1].sum()])
            n_examples += batch.weight
        if split == "test":
            self.correct = self.in_order_of_split(torch.cat(correct))
        mean_loss, accuracy = (sums / n_examples).tolist()
        return {"loss": mean_loss, "accuracy": accuracy}

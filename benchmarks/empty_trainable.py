"""A trainable that does almost nothing, to time everything else."""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from trainables import Hyperparameters, Trainable
from trainables.batch import Batch
from trainables.declarations.base import EvaluationSplit


class EmptyTask:
    """One weight, one step an epoch."""

    data_fingerprint = "none"
    n_examples = 1

    def __init__(self) -> None:
        self.model: nn.Module = nn.Linear(1, 1, bias=False)

    def batches(self, batch_size: int, order: torch.Generator) -> Iterator[Batch]:
        yield Batch(torch.ones(1, 1), torch.zeros(1, 1), 1)

    def loss(self, batch: Batch) -> Tensor:
        return self.model(batch.inputs).square().mean()

    def sample(self, n_examples: int) -> Sequence[Batch]:
        return list(self.batches(1, torch.Generator()))

    def evaluate(self, split: EvaluationSplit = "validation") -> dict[str, float]:
        return {"loss": 1.0}


class EmptyTrainable(Trainable):
    """Trains one weight for a step."""

    name = "empty"
    Hyperparameters = Hyperparameters
    scores: ClassVar = {}

    def prepare(self, hyperparameters: Any, *, test: bool = False) -> None:
        pass

    def model(self, hyperparameters: Any) -> nn.Module:
        return nn.Linear(1, 1, bias=False)

    def task(self, hyperparameters: Any, device: torch.device, split_seed: int) -> EmptyTask:
        return EmptyTask()

    def example_input(self, hyperparameters: Any) -> Tensor:
        return torch.zeros(2, 1)

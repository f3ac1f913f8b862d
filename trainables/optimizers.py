"""The optimizer and learning rate schedule that hyperparameters select."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler

from trainables.declarations.hyperparameters import Hyperparameters
from trainables.torch_private import without_compiler


def build_optimizer(parameters: Sequence[nn.Parameter], hp: Hyperparameters) -> Optimizer:
    """Build the optimizer, fused: it runs one kernel a step and never reads back its step counter."""
    options: dict[str, Any] = {"lr": hp.lr, "weight_decay": hp.weight_decay or 0.0, "fused": True}
    if hp.optimizer == "sgd":
        return without_compiler(partial(SGD, parameters, momentum=hp.momentum, **options))
    kind = {"adam": Adam, "adamw": AdamW}[hp.optimizer]
    return without_compiler(partial(kind, parameters, **options))


def build_lr_schedule(optimizer: Optimizer, hp: Hyperparameters, steps: int) -> LRScheduler:
    """Build the schedule to step after every optimizer step: cosine to zero over all steps, or constant."""
    if hp.lr_schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=steps)
    return ConstantLR(optimizer, factor=1.0)

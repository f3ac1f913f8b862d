"""The optimizer and learning rate schedule that hyperparameters select."""

from collections.abc import Sequence

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler

from trainables.declarations.hyperparameters import Hyperparameters


def build_optimizer(parameters: Sequence[nn.Parameter], hp: Hyperparameters) -> Optimizer:
    """Build the optimizer, fused: it runs one kernel a step and never reads back its step counter."""
    decay = hp.weight_decay or 0.0
    if hp.optimizer == "sgd":
        return SGD(parameters, lr=hp.lr, momentum=hp.momentum, weight_decay=decay, fused=True)
    kind = {"adam": Adam, "adamw": AdamW}[hp.optimizer]
    return kind(parameters, lr=hp.lr, weight_decay=decay, fused=True)


def build_lr_schedule(optimizer: Optimizer, hp: Hyperparameters, steps_per_epoch: int) -> LRScheduler:
    """Build the schedule to step after every optimizer step: cosine to zero over the run, or constant."""
    if hp.lr_schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=hp.epochs * steps_per_epoch)
    return ConstantLR(optimizer, factor=1.0)

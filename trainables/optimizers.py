"""The optimizer and learning rate schedule that hyperparameters name."""

from collections.abc import Sequence

from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer
from torch.optim.lr_scheduler import ConstantLR, CosineAnnealingLR, LRScheduler

from trainables.hyperparameters import Hyperparameters


def build_optimizer(parameters: Sequence[nn.Parameter], hp: Hyperparameters) -> Optimizer:
    """Build the optimizer, fused: one kernel a step, and its step counter is never read back.

    Args:
        parameters: What to train.
        hp: ``optimizer``, ``lr``, ``momentum`` and ``weight_decay`` are used.

    Returns:
        A ``torch.optim`` optimizer.
    """
    decay = hp.weight_decay or 0.0
    if hp.optimizer == "sgd":
        return SGD(parameters, lr=hp.lr, momentum=hp.momentum, weight_decay=decay, fused=True)
    kind = {"adam": Adam, "adamw": AdamW}[hp.optimizer]
    return kind(parameters, lr=hp.lr, weight_decay=decay, fused=True)


def build_lr_schedule(optimizer: Optimizer, hp: Hyperparameters, steps_per_epoch: int) -> LRScheduler:
    """Build the learning rate schedule, stepped after every optimizer step.

    Args:
        optimizer: The optimizer to schedule.
        hp: ``lr_schedule`` and ``epochs`` are used.
        steps_per_epoch: Optimizer steps in one epoch.

    Returns:
        Cosine annealing from ``lr`` to zero over the whole run, or a constant rate.
    """
    if hp.lr_schedule == "cosine":
        return CosineAnnealingLR(optimizer, T_max=hp.epochs * steps_per_epoch)
    return ConstantLR(optimizer, factor=1.0)

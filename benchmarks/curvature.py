"""Curvature: seconds of a Hessian trace to one standard error, compared with PyHessian.

Both draw signs, so that a draw has the same variance in both, and equal numbers of draws give equal standard
errors; the measured standard errors check this. PyHessian has two modes: all examples at once, whose gradient
it keeps, and a loader of batches, whose gradients it computes again for each draw.
"""

import math
from functools import partial
from typing import Any

import numpy as np
import torch
from pyhessian import hessian
from torch import nn

from benchmarks.measure import Results, interleaved, one_thread, ratios, seconds
from trainables import get
from trainables.curvature import Hessian, hutchinson_trace
from trainables.loop import Training
from trainables.onednn import onednn_linear

_ROUNDS = 5
_DRAWS = 20
_EXAMPLES = 256
PYHESSIAN = {"PyHessian, data": True, "PyHessian, dataloader": False}
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "MLP shallow": ("fmnist", {"model": "shallow"}),
    "CNN2": ("cifar10", {"model": "cnn2"}),
    "LSTM": ("temperatures", {"window": 20}),
}
NAMES = tuple(MODELS)


def training_of(model: str) -> Training:
    name, changes = MODELS[model]
    trainable = get(name)()
    return trainable.start(trainable.Hyperparameters(**changes, train_subset=1280), seed=0)


def ours(training: Training, errors: list[float]) -> None:
    task = training.task
    operator = Hessian(task.model, task.loss, task.sample(_EXAMPLES))
    errors.append(hutchinson_trace(operator, _DRAWS, torch.Generator().manual_seed(len(errors)))[1])


def theirs(training: Training, criterion: nn.Module, at_once: bool, errors: list[float]) -> None:
    task = training.task
    batches = [(batch.inputs, batch.targets) for batch in task.sample(_EXAMPLES)]
    given: dict[str, Any] = {"dataloader": batches}
    if at_once:
        given = {"data": tuple(torch.cat(parts) for parts in zip(*batches, strict=True))}
    draws = hessian(task.model, criterion, **given, cuda=False).trace(maxIter=_DRAWS, tol=-math.inf)
    for parameter in task.model.parameters():
        # The gradient would keep its graph alive.
        parameter.grad = None
    errors.append(float(np.std(draws, ddof=1)) / math.sqrt(_DRAWS))


def run(names: list[str] | None = None) -> Results:
    results = Results("curvature")
    for model in names or MODELS:
        training = training_of(model)
        next(iter(training))
        training.task.model.eval()
        criterion = nn.MSELoss() if model == "LSTM" else nn.CrossEntropyLoss()
        errors: dict[str, list[float]] = {name: [] for name in ("ours", *PYHESSIAN)}
        contenders = {"ours": partial(ours, training, errors["ours"])}
        for name, at_once in PYHESSIAN.items():
            contenders[name] = partial(theirs, training, criterion, at_once, errors[name])
        with one_thread(), onednn_linear():
            timed = {name: partial(seconds, function) for name, function in contenders.items()}
            taken = interleaved(timed, _ROUNDS)
        for name, times in taken.items():
            results.add(model, f"{name}, seconds for {_DRAWS} draws", times)
            results.add(model, f"{name}, standard error", errors[name])
        for name in PYHESSIAN:
            results.add(model, f"{name} / ours", ratios(taken[name], taken["ours"]))
    return results

"""7. Curvature: seconds of a Hessian trace to one standard error, against PyHessian on the same batches.

Both draw signs, so that a draw has the same variance in either: equal draws are an equal standard error. What
PyHessian's own draws gave is held against it.
"""

import math
from functools import partial
from typing import Any

import numpy as np
import torch
from pyhessian import hessian
from torch import nn

from benchmarks.measure import Results, interleaved, one_thread, ratios, seconds
from sweeps.allocator import keep_freed_memory
from trainables import get
from trainables.curvature import Hessian, hutchinson_trace
from trainables.linear import onednn_linear
from trainables.loop import Training

_ROUNDS = 5
_DRAWS = 20
_EXAMPLES = 256
MODELS: dict[str, tuple[str, dict[str, Any]]] = {
    "MLP shallow": ("fmnist", {"model": "shallow"}),
    "CNN2": ("cifar10", {"model": "cnn2"}),
    "LSTM": ("temperatures", {"window": 20}),
}


def training_of(model: str) -> Training:
    name, changes = MODELS[model]
    trainable = get(name)()
    return trainable.start(trainable.Hyperparameters(**changes, train_subset=1280), seed=0)


def ours(training: Training, errors: list[float]) -> None:
    task = training.task
    operator = Hessian(task.model, task.loss, task.sample(_EXAMPLES))
    errors.append(hutchinson_trace(operator, _DRAWS, torch.Generator().manual_seed(len(errors)))[1])


def theirs(training: Training, criterion: nn.Module, errors: list[float]) -> None:
    task = training.task
    batches = [(batch.inputs, batch.targets) for batch in task.sample(_EXAMPLES)]
    with torch.backends.mkldnn.flags(enabled=not any(isinstance(m, nn.LSTM) for m in task.model.modules())):
        draws = hessian(task.model, criterion, dataloader=batches, cuda=False).trace(
            maxIter=_DRAWS, tol=-math.inf
        )
    errors.append(float(np.std(draws, ddof=1)) / math.sqrt(_DRAWS))


def run(names: list[str] | None = None) -> Results:
    results = Results("curvature")
    keep_freed_memory()  # as in a trial
    for model in names or MODELS:
        training = training_of(model)
        next(iter(training))
        training.task.model.eval()
        criterion = nn.MSELoss() if model == "LSTM" else nn.CrossEntropyLoss()
        errors: dict[str, list[float]] = {"ours": [], "PyHessian": []}
        with one_thread(), onednn_linear():
            taken = interleaved(
                {
                    "ours": partial(seconds, partial(ours, training, errors["ours"])),
                    "PyHessian": partial(seconds, partial(theirs, training, criterion, errors["PyHessian"])),
                },
                _ROUNDS,
            )
        for name, times in taken.items():
            results.add(model, f"{name}, seconds for {_DRAWS} draws", times)
            results.add(model, f"{name}, standard error", errors[name])
        results.add(model, "PyHessian / ours", ratios(taken["PyHessian"], taken["ours"]))
    return results

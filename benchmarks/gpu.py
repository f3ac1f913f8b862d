"""On a GPU: examples per second of one trial compared with the published way, and the cost of noise.

The published way is as in the throughput benchmark, with its loader in the training process or in eight
others. Ours is measured with eager steps, with steps replayed as CUDA graphs, and in each precision. The
first epoch of each is left out.
"""

import statistics
import time
from dataclasses import replace
from functools import partial

import torch

from benchmarks import published_way
from benchmarks.cases import CASES, Case
from benchmarks.measure import Results, interleaved, note, ratios
from trainables import Hyperparameters, get
from trainables.noise.registry import STUDY_MODES

NAMES = ("fmnist", "temperatures", "cifar10")
_ROUNDS = 3
_EPOCHS = {"published": 3, "ours": 12}
_WORKERS = 8


def an_epoch(ends: list[float]) -> float:
    """Seconds per epoch, validation included, from the times at which epochs ended."""
    return (ends[-1] - ends[0]) / (len(ends) - 1)


def theirs(case: Case, workers: int) -> float:
    ends: list[float] = []
    lasting = {"num_workers": workers, "persistent_workers": True} if workers else {}
    published_way.train(
        replace(case, fixed={**case.fixed, "epochs": _EPOCHS["published"]}),
        case.configurations[-1],
        lambda *_: ends.append(time.perf_counter()),
        device="cuda",
        pin_memory=True,
        **lasting,
    )
    return an_epoch(ends)


def hyperparameters(case: Case, **changes: str) -> Hyperparameters:
    fixed = {**case.fixed, "epochs": _EPOCHS["ours"], "sigma": 0.01}
    return get(case.trainable).Hyperparameters(**fixed, **changes)


def ours(case: Case, noise: str = "all", *, graphs: bool = True, precision: str = "float32") -> float:
    trainable = get(case.trainable)
    hp = hyperparameters(case, noise=noise, precision=precision)
    replayed, trainable.fixed_shapes = trainable.fixed_shapes, graphs
    try:
        training = trainable().start(hp, seed=0, device="cuda")
    finally:
        trainable.fixed_shapes = replayed
    ends = [time.perf_counter() for _ in training]
    return an_epoch(ends)


def run(names: list[str] | None = None) -> Results:
    results = Results("gpu")
    if not torch.cuda.is_available():
        note("no CUDA device: nothing to measure")
        return results
    for case in [CASES[name] for name in names or NAMES]:
        published_ways = {
            "published way": partial(theirs, case, 0),
            f"published way, {_WORKERS} loaders": partial(theirs, case, _WORKERS),
        }
        contenders = {
            **published_ways,
            "as written": partial(ours, case, graphs=False),
            "graphs": partial(ours, case),
            "graphs, tf32": partial(ours, case, precision="tf32"),
            "graphs, bf16": partial(ours, case, precision="bf16"),
        }
        by_mode = {noise: partial(ours, case, noise) for noise in STUDY_MODES}
        taken = interleaved({**contenders, **by_mode}, _ROUNDS)
        n_examples = get(case.trainable)().start(hyperparameters(case), seed=0).task.n_examples
        for contender in contenders:
            rates = [n_examples / value for value in taken[contender]]
            results.add(case.name, f"{contender}, examples a second", rates)
        best = min(published_ways, key=lambda way: statistics.median(taken[way]))
        for contender in [*contenders][2:]:
            results.add(case.name, f"{best} / {contender}", ratios(taken[best], taken[contender]))
        for noise in STUDY_MODES[1:]:
            results.add(case.name, f"graphs: {noise} / none", ratios(taken[noise], taken["none"]))
    return results

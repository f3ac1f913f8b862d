"""Distance from the limit: wall time of a sweep over the time of its kernels alone on the same cores.

The kernels are the forward and backward passes and optimizer steps of training, on batches built beforehand,
and the evaluations. They run in plain loops, in one process per core at the same time. They do not include
the noise: its cost and that of the start are part of the ratio, and are also measured separately.
"""

import json
import sys
import tempfile
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import psutil
import torch
from torch import multiprocessing

from benchmarks.cases import CASES, MODES, Case
from benchmarks.measure import Results, interleaved, ratios, run_python, seconds
from benchmarks.startup import parts
from benchmarks.throughput import ours
from sweeps.engine.ray_session import ALLOCATOR
from trainables import get
from trainables.loop import Training
from trainables.onednn import onednn_linear
from trainables.optimizers import build_optimizer

# Factors on the epochs of the throughput benchmark, which make a sweep last over a minute.
_LONGER = {"fmnist": 6, "temperatures": 4, "cifar10": 2}
NAMES = tuple(_LONGER)
_ROUNDS = 3
_STEPS = 60


def training_of(case: Case) -> Training:
    trainable = get(case.trainable)()
    return trainable.start(trainable.Hyperparameters(**case.fixed), seed=0)


def kernel_seconds(case: Case) -> tuple[float, float]:
    """Seconds of one trial's kernels, and of the noise in mode ``all``, in this process."""
    torch.set_num_threads(1)
    training = training_of(case)
    task, hp = training.task, get(case.trainable).Hyperparameters(**case.fixed)
    optimizer = build_optimizer(list(task.model.parameters()), hp)
    batches = list(islice(task.batches(hp.batch_size, torch.Generator()), _STEPS))
    flat = torch.empty(sum(p.numel() for p in task.model.parameters()))

    def train() -> None:
        for batch in batches:
            optimizer.zero_grad()
            task.loss(batch).backward()
            optimizer.step()

    def draw() -> None:
        for _ in batches:
            flat.normal_()

    steps = -(-task.n_examples // hp.batch_size)
    with onednn_linear():
        train()
        a_step, a_draw = seconds(train) / len(batches), seconds(draw) / len(batches)
        task.model.eval()
        task.evaluate()
        an_evaluation = seconds(task.evaluate)
    return hp.epochs * (steps * a_step + an_evaluation), hp.epochs * steps * a_draw


def measure(name: str) -> list[float]:
    """Means of ``kernel_seconds`` over one process per core, all at the same time."""
    cores = len(psutil.Process().cpu_affinity())
    with multiprocessing.get_context("spawn").Pool(cores) as pool:
        by_core = pool.map(kernel_seconds, [longer(CASES[name])] * cores, chunksize=1)
    trials = len(CASES[name].configurations)
    return [sum(values) / cores * trials / cores for values in zip(*by_core, strict=True)]


def longer(case: Case) -> Case:
    return replace(case, fixed={**case.fixed, "epochs": _LONGER[case.name] * case.fixed["epochs"]})


def run(names: list[str] | None = None) -> Results:
    results = Results("kernel_limit")
    for case in [CASES[name] for name in names or NAMES]:
        noise: list[float] = []

        def kernels(name: str = case.name, noise: list[float] = noise) -> float:
            _, printed = run_python(
                "-m", "benchmarks.kernel_limit", name, cwd=Path(tempfile.gettempdir()), **ALLOCATOR
            )
            alone, draws = json.loads(printed)
            noise.append(draws * sum(mode in ("all", "after_all") for mode in MODES) / len(MODES))
            return alone

        taken = interleaved({"sweep": partial(ours, longer(case)), "kernels": kernels}, _ROUNDS)
        start = [parts(longer(case))["first trial starts"]]
        results.add(case.name, "sweep, seconds", taken["sweep"])
        results.add(case.name, "kernels alone, seconds", taken["kernels"])
        results.add(case.name, "random numbers of the noise, seconds", noise)
        results.add(case.name, "start, seconds", start)
        results.add(case.name, "sweep / kernels", ratios(taken["sweep"], taken["kernels"]))
        above = [kernel + draw for kernel, draw in zip(taken["kernels"], noise, strict=True)]
        rest = [sweep - start[0] for sweep in taken["sweep"]]
        results.add(case.name, "sweep without start / kernels and random numbers", ratios(rest, above))
    return results


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1])))

"""Contender (c), Optuna alone: ``n_jobs`` threads in one process, tensors in memory, one core per trial."""

import json
import logging
import os
import sys
from typing import Any

import optuna
import torch

from benchmarks import plain_pytorch as plain
from benchmarks.cases import CASES, Case


def train(case: Case, configuration: dict[str, Any]) -> float:
    data = plain.in_memory(case.name)
    size = case.fixed["batch_size"]
    model = plain.build_model(case)
    parameters = list(model.parameters())
    optimizer = plain.build_optimizer(case, model, configuration["lr"])
    schedule = plain.build_schedule(case, optimizer, -(-len(data.train[1]) // size))
    mode, sigma = configuration["noise"], plain.sigma_of(configuration, len(parameters))
    step, val_loss = 0, float("nan")
    for _ in range(case.fixed["epochs"]):
        model.train()
        for inputs, targets in data.batches(size):
            optimizer.zero_grad()
            noisy = [parameters[step % len(parameters)]] if mode == "layer" else parameters
            before = [parameter.detach().clone() for parameter in noisy] if mode in ("all", "layer") else []
            if mode != "none":
                with torch.no_grad():
                    for parameter in noisy:
                        parameter.add_(torch.randn_like(parameter), alpha=sigma)
            plain.loss_of(case, model(inputs), targets).backward()
            with torch.no_grad():
                for parameter, value in zip(noisy if before else [], before, strict=True):
                    parameter.copy_(value)
            optimizer.step()
            schedule.step()
            step += 1
        model.eval()
        with torch.no_grad():
            inputs, targets = data.validation
            losses = [
                plain.loss_of(case, model(x), y).item() * len(y)
                for x, y in zip(inputs.split(1000), targets.split(1000), strict=True)
            ]
        val_loss = sum(losses) / len(targets)
    return val_loss


def objective(trial: optuna.Trial, case: Case) -> float:
    configurations = case.configurations
    return train(case, configurations[trial.suggest_int("configuration", 0, len(configurations) - 1)])


if __name__ == "__main__":
    case = CASES[sys.argv[1]]
    torch.set_num_threads(1)
    plain.in_memory(case.name)
    logging.getLogger("optuna").setLevel(logging.WARNING)
    study = optuna.create_study()
    for number in range(len(case.configurations)):
        study.enqueue_trial({"configuration": number})
    study.optimize(
        lambda trial: objective(trial, case), n_trials=len(case.configurations), n_jobs=os.cpu_count() or 1
    )
    values = {trial.params["configuration"]: trial.value for trial in study.trials}
    print(json.dumps([values[number] for number in sorted(values)]))

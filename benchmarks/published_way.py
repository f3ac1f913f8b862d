"""Contender (a), the way the published code trains.

It uses a DataLoader with transforms of single examples, copies of the parameters around the noise,
``loss.item()`` every step, and one run after another with torch's default threads.
"""

import json
import sys
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from benchmarks import plain_pytorch as plain
from benchmarks.cases import CASES, Case


def noisy_step(model: nn.Module, step: int, configuration: dict[str, Any], backward: Any) -> None:
    """The paper's listing: copy every parameter, add noise, run backward, restore the parameters."""
    mode = configuration["noise"]
    parameters = list(model.parameters())
    sigma = plain.sigma_of(configuration, len(parameters))
    if mode == "none":
        backward()
        return
    before = [parameter.detach().clone() for parameter in parameters]
    with torch.no_grad():
        for group, parameter in enumerate(parameters):
            if mode != "layer" or group == step % len(parameters):
                parameter.add_(sigma * torch.randn_like(parameter))
    backward()
    if mode in ("all", "layer"):
        with torch.no_grad():
            for parameter, value in zip(parameters, before, strict=True):
                parameter.copy_(value)


def train(
    case: Case, configuration: dict[str, Any], report: Any = None, device: str = "cpu", **loader: Any
) -> float:
    torch.manual_seed(0)
    training, validation = plain.dataset(case)
    size = case.fixed["batch_size"]
    train_loader = DataLoader(training, batch_size=size, shuffle=True, **loader)
    validation_loader = DataLoader(validation, batch_size=size, **loader)
    model = plain.build_model(case).to(device)
    optimizer = plain.build_optimizer(case, model, configuration["lr"])
    schedule = plain.build_schedule(case, optimizer, len(train_loader))
    step, val_loss = 0, float("nan")
    for _ in range(case.fixed["epochs"]):
        model.train()
        running = 0.0
        for inputs, targets in train_loader:
            inputs, targets = inputs.to(device), targets.to(device)

            def backward(inputs: Any = inputs, targets: Any = targets) -> None:
                nonlocal running
                loss = plain.loss_of(case, model(inputs), targets)
                loss.backward()
                running += loss.item()

            optimizer.zero_grad()
            noisy_step(model, step, configuration, backward)
            optimizer.step()
            schedule.step()
            step += 1
        model.eval()
        total, seen = 0.0, 0
        with torch.no_grad():
            for inputs, targets in validation_loader:
                inputs, targets = inputs.to(device), targets.to(device)
                total += plain.loss_of(case, model(inputs), targets).item() * len(targets)
                seen += len(targets)
        val_loss = total / seen
        if report:
            report(running / len(train_loader), val_loss, model)
    return val_loss


if __name__ == "__main__":
    case = CASES[sys.argv[1]]
    print(json.dumps([train(case, configuration) for configuration in case.configurations]))

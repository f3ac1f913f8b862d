"""Noise in proportion to the norm of each filter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from trainables.noise.modes.all import All

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.noise.step import Step


class Scaled(All):
    """Noise in proportion to the weights: n = sigma / sqrt(G) * ||w_r|| * xi on each filter r.

    The step is as in ``all``. A filter is a row of a matrix, or an output channel of a convolution; a group
    with one dimension, such as a bias, is one filter.

    Source: Li et al., *Revisiting Random Weight Perturbation for Efficiently Improving Generalization*, TMLR
    2024, arXiv 2404.00357; Bisla, Wang, Choromanska, *Low-Pass Filtering SGD for Recovering Flat Optima in
    the Deep Learning Optimization Landscape*, AISTATS 2022, arXiv 2201.08025.
    """

    name = "scaled"
    noise = "sigma / sqrt(G) * norm(w_r) * xi on each filter r"
    source = "RWP, arXiv 2404.00357; LPF-SGD, arXiv 2201.08025"
    color, symbol, dash = "#7F4F24", "hexagon", "dot"

    @override
    def step(self, step: Step) -> None:
        with step.at(scaled_noise(step)):
            step.backward()


def scaled_noise(step: Step) -> list[Tensor]:
    """Draw the noise of a step, and multiply it by the norm of each filter."""
    n = step.noise()
    for noise, weight in zip(n, step.weights, strict=True):
        noise.mul_(filter_norms(weight.detach()))
    return n


def filter_norms(weight: Tensor) -> Tensor:
    """Return the Euclidean norm of each filter, in a shape that multiplies the weight."""
    if weight.ndim < 2:
        return weight.norm()
    return weight.flatten(1).norm(dim=1).view(-1, *[1] * (weight.ndim - 1))

r"""Fully connected linear networks, and their exact variance under Gaussian noise on the weights.

f(x) = A_D ... A_1 x with A_l = c_l W_l. With W_l + s_l E_l in place of W_l, where all entries of all E_l are
independent and N(0, 1), the output keeps its mean, since f is linear in each W_l. So the mean squared error
rises by exactly the variance of the output. Let M be the second moment of x, and

    t_l = E |output of layer l|^2 = |A_l ... A_1 M^(1/2)|^2 + sum over j <= l of q_j |A_l ... A_(j+1)|^2,
    q_j = c_j^2 s_j^2 t_(j-1),    t_0 = tr M

with Frobenius norms, and |...|^2 = n_j, the number of outputs of the layer, for the empty product j = l: the
noise of layer j adds variance q_j to each of its outputs, and the layers after it carry that on.

**What grows with the width m.** Take D = 2, s_1 = s_2 = s, M = I, d inputs and k outputs:

    variance = s^2 (d |A_2|^2 c_1^2 + k |A_1|^2 c_2^2) + s^4 c_1^2 c_2^2 m d k

Noise on one layer at a time has the first two terms only; noise on all at once also has the last, the product
of two noises. At initialization, the entries of W_l have the variance v_l:

===============  =====  ===========  =========================  ===============================
parametrization  c_l^2  v_l          first two terms / (s^2 k)  last term / (s^4 k)
===============  =====  ===========  =========================  ===============================
``mean_field``   1      1/m          2 d                        m d: *only* ``all`` explodes
``standard``     1      1/inputs     d + m                      m d: both modes explode
``ntk``          1/in.  1            2                          1: neither explodes
===============  =====  ===========  =========================  ===============================

With more layers, terms with i noises grow as m^(i-1) in ``mean_field``.

Shapes: B batch, d inputs, m width, k outputs.
"""

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class LinearNetwork(nn.Module):
    """A product of weight matrices, without biases."""

    def __init__(
        self, sizes: Sequence[int], *, variances: Sequence[float], multipliers: Sequence[float]
    ) -> None:
        """Draw the weights.

        Args:
            sizes: (d, m, ..., m, k): one more than there are layers.
            variances: Variance of the initial entries of each layer.
            multipliers: Factor c_l of each layer.
        """
        super().__init__()
        self.multipliers = [*multipliers]
        shapes = [(after, before) for before, after in pairwise(sizes)]
        self.weights = nn.ParameterList(
            torch.randn(shape) * math.sqrt(variance)
            for shape, variance in zip(shapes, variances, strict=True)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Map inputs (B, d) to outputs (B, k)."""
        for weight, multiplier in zip(self.weights, self.multipliers, strict=True):
            inputs = F.linear(inputs, weight) * multiplier
        return inputs

    def factors(self) -> list[Tensor]:
        """The matrices A_l = c_l W_l, detached, the first layer first."""
        return [
            weight.detach() * multiplier
            for weight, multiplier in zip(self.weights, self.multipliers, strict=True)
        ]


def build(sizes: Sequence[int], width: int, parametrization: str) -> LinearNetwork:
    """Build a freshly initialized network in ``mean_field``, ``standard`` or ``ntk`` parametrization."""
    fan_ins = sizes[:-1]
    ones = [1.0] * len(fan_ins)
    if parametrization == "mean_field":
        return LinearNetwork(sizes, variances=[1 / width] * len(fan_ins), multipliers=ones)
    if parametrization == "standard":
        return LinearNetwork(sizes, variances=[1 / fan_in for fan_in in fan_ins], multipliers=ones)
    return LinearNetwork(sizes, variances=ones, multipliers=[fan_in**-0.5 for fan_in in fan_ins])


def product_of(factors: Sequence[Tensor]) -> Tensor:
    """The matrix (k, d) of the whole network."""
    product = factors[-1]
    for factor in reversed(factors[:-1]):
        product = product @ factor
    return product


def output_variance(factors: Sequence[Tensor], deviations: Sequence[float], moment: Tensor) -> float:
    """Exact variance of the output under noise on the weights, summed over the outputs.

    Args:
        factors: The matrices A_l, the first layer first.
        deviations: Standard deviation c_l s_l of the noise on the entries of each A_l.
        moment: Second moment M of the inputs, (d, d).
    """
    traces = [float(moment.trace())]
    variance = 0.0
    for layer, factor in enumerate(factors):
        # Start with the noise of this layer, then go down to the first. `product` holds the layers between.
        variance = factor.shape[0] * deviations[layer] ** 2 * traces[layer]
        product = factor
        for before in reversed(range(layer)):
            variance += deviations[before] ** 2 * traces[before] * float(product.square().sum())
            product = product @ factors[before]
        traces.append(variance + float((product @ moment * product).sum()))
    return variance


def single_variances(factors: Sequence[Tensor], deviations: Sequence[float], moment: Tensor) -> list[float]:
    """Exact variances of the output under noise on each layer alone; arguments as in ``output_variance``.

    They are q_j |A_D ... A_(j+1)|^2, where t_(j-1) in q_j is that without noise. No product of two square
    matrices is needed.
    """
    before, traces = torch.eye(len(moment), dtype=moment.dtype, device=moment.device), []
    for factor in factors:
        traces.append(float((before @ moment * before).sum()))
        before = factor @ before
    after, norms = torch.eye(len(before), dtype=moment.dtype, device=moment.device), []
    for factor in reversed(factors):
        norms.append(float(after.square().sum()))
        after = after @ factor
    return [
        deviation**2 * trace * norm
        for deviation, trace, norm in zip(deviations, traces, reversed(norms), strict=True)
    ]


def mean_rises(network: LinearNetwork, sigma: float, moment: Tensor) -> dict[str, float]:
    """Exact rise of the mean of |f(x) - y|^2 / 2 in the noise modes ``all`` and ``layer``.

    Args:
        network: D layers.
        sigma: Sigma of the mode: ``all`` puts sigma / sqrt(D) on every layer, ``layer`` sigma on one a step,
            and its rise is the mean over the layers.
        moment: Second moment of the inputs, (d, d).
    """
    factors, depth = network.factors(), len(network.multipliers)
    deviations = [sigma * multiplier for multiplier in network.multipliers]
    together = output_variance(factors, [each / math.sqrt(depth) for each in deviations], moment)
    return {"all": together / 2, "layer": sum(single_variances(factors, deviations, moment)) / depth / 2}

r"""Diagonal linear networks, and the penalty that noise on their weights amounts to.

Shapes: B batch, D features, L depth.

The network is f(x) = sum_j w_j x_j with w_j = prod_l u_lj: a linear model whose coefficients are products of
L factors. Each of the L tensors u_l is one noise group. The training loss is half the mean squared error,
L(u) = 1/2 mean_i (f(x_i) - y_i)^2, over examples i.

With noise of standard deviation s on the one group l (mode ``layer``), f is linear in the noise, and with
c_j = mean_i x_ij^2 the expected loss is exactly

    L(u) + s^2 / 2 * sum_j c_j prod_{m != l} u_mj^2.

With noise of standard deviation t = s / sqrt(L) on every group (mode ``all``), the noisy coefficients are
independent, with mean w_j and variance prod_l (u_lj^2 + t^2) - w_j^2, so that the expected loss is exactly

    L(u) + 1/2 * sum_j c_j (prod_l (u_lj^2 + t^2) - prod_l u_lj^2).

At depth 2, with factors u and v, ``layer`` adds on average over its two steps
s^2 / 4 * sum_j c_j (u_j^2 + v_j^2), and ``all`` adds that and the constant s^4 / 8 * sum_j c_j. Since
u_j^2 + v_j^2 >= 2 abs(u_j v_j), with equality for balanced factors, both amount to an l1 penalty on the
product: s^2 / 2 * sum_j c_j abs(w_j) at the least. At depth L, the least average over the L steps of
``layer`` is s^2 / 2 * sum_j c_j abs(w_j)^(2 - 2 / L). Source: Orvieto, Raj, Kersting, Bach, *Explicit
Regularization in Overparametrized Models via Noise Injection*, AISTATS 2023.
"""

from functools import reduce

import torch
from torch import Tensor, nn
from typing_extensions import override


class DiagonalLinear(nn.Module):
    """A diagonal linear network.

    Attributes:
        factors: L tensors (D,), each one noise group.
    """

    def __init__(self, features: int, depth: int, init: float) -> None:
        """Draw the factors from N(0, init^2), with torch's global generator."""
        super().__init__()
        self.factors = nn.ParameterList(init * torch.randn(features) for _ in range(depth))

    def coefficients(self) -> Tensor:
        """Multiply the factors: the coefficients w of the linear model, (D,)."""
        return reduce(torch.mul, self.factors)

    @override
    def forward(self, x: Tensor) -> Tensor:
        """Map inputs (B, D) to outputs (B,)."""
        return x @ self.coefficients()

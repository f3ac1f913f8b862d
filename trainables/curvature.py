r"""Curvature of the training loss: trace and largest eigenvalue of its Hessian H at the weights w.

The sharpness that is measured with them is in ``trainables/sharpness.py``.

Products with H come from double backward (Pearlmutter, *Fast exact multiplication by the Hessian*, 1994),

    H v = d/dw (dL/dw . v).

The trace is Hutchinson's estimate (1989) over m random vectors v with entries +1 and -1, with its
standard error,

    tr H = E[v . H v],    standard error = s / sqrt(m),    s = standard deviation of the m values v . H v.

The largest eigenvalue is computed by Lanczos (ARPACK, through scipy) to a relative accuracy of 1e-3.
The model must be in evaluation mode: BatchNorm then uses its running statistics, and dropout is off.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from trainables.batch import Batch
from trainables.declarations.base import CURVATURE_METRICS
from trainables.sharpness import mean_rise

# Every measurement uses the same vectors, so that epochs and trials differ only in their weights.
_SEED = 0
_EIGENVALUE_TOLERANCE = 1e-3
# About 200 products; our networks need 21 to 31 products.
_MAX_RESTARTS = 10


class Hessian:
    """The Hessian of a loss with respect to the d trained parameters, as a linear operator.

    The loss is the mean over the terms of all batches: each batch counts by its weight.
    """

    def __init__(self, model: nn.Module, loss: Callable[[Batch], Tensor], batches: Sequence[Batch]) -> None:
        """Use the model's current weights at each product.

        Args:
            model: In evaluation mode; parameters that need no gradient are left out.
            loss: Mean loss of a batch, a scalar.
            batches: The examples.
        """
        self._model, self._loss, self._batches = model, loss, batches
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        self._sizes = [p.numel() for p in self._parameters]
        self._total = float(sum(batch.weight for batch in batches))

    @property
    def size(self) -> int:
        """d, the number of rows and columns."""
        return sum(self._sizes)

    def random_signs(self, generator: torch.Generator) -> Tensor:
        """Draw (d,) entries of +1 and -1 with equal probability; the generator is on the model's device."""
        like = self._parameters[0]
        bits = torch.randint(2, (self.size,), generator=generator, device=like.device)
        return bits.to(like.dtype).mul_(2).sub_(1)

    def __matmul__(self, vector: Tensor) -> Tensor:
        product = torch.zeros_like(vector)
        for weight, gradients in self._gradients_by_batch():
            product += weight * self._multiply(gradients, vector, keep_graph=False)
        return product

    def quadratic_forms(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw n vectors of signs v and return the (n,) values v . H v.

        The gradient of each batch is computed once for all vectors.
        """
        start = generator.get_state()
        values = torch.zeros(n, dtype=torch.float64, device=self._parameters[0].device)
        for weight, gradients in self._gradients_by_batch():
            # Draw the same vectors again for each batch instead of keeping all of them in memory.
            generator.set_state(start)
            for i in range(n):
                vector = self.random_signs(generator)
                product = self._multiply(gradients, vector, keep_graph=i + 1 < n)
                values[i] += weight * vector.dot(product).double()
        return values.cpu()

    def _gradients_by_batch(self) -> Iterator[tuple[float, list[Tensor]]]:
        """Yield (weight in the loss, gradients) of each batch, with only one batch's graph in memory."""
        for batch in self._batches:
            with twice_differentiable(self._model), torch.enable_grad():
                gradients = torch.autograd.grad(
                    self._loss(batch), self._parameters, create_graph=True, materialize_grads=True
                )
            yield float(batch.weight / self._total), list(gradients)

    def _multiply(self, gradients: Sequence[Tensor], vector: Tensor, *, keep_graph: bool) -> Tensor:
        parts = [v.view_as(p) for v, p in zip(vector.split(self._sizes), self._parameters, strict=True)]
        # A gradient that does not depend on the weights has no graph.
        pairs = [(g, v) for g, v in zip(gradients, parts, strict=True) if g.requires_grad]
        if not pairs:
            return torch.zeros_like(vector)
        outputs, directions = zip(*pairs, strict=True)
        products = torch.autograd.grad(
            outputs, self._parameters, directions, retain_graph=keep_graph, materialize_grads=True
        )
        return torch.cat([part.flatten() for part in products])


def measure_curvature(
    model: nn.Module,
    loss: Callable[[Batch], Tensor],
    batches: Sequence[Batch],
    *,
    draws: int,
    sharpness_sigma: float,
) -> dict[str, float]:
    """Measure ``CURVATURE_METRICS``; the eigenvalue is NaN if Lanczos needs more than about 200 products.

    Args:
        model: In evaluation mode.
        loss: Mean loss of a batch, a scalar.
        batches: The examples.
        draws: Random vectors m for the trace and for the sharpness, at least 2.
        sharpness_sigma: Standard deviation of the noise that sharpness is measured with.
    """
    started = time.perf_counter()
    hessian = Hessian(model, loss, batches)
    trace, error = hutchinson_trace(hessian, draws, _generator(model))
    eigenvalue = top_eigenvalue(hessian, _generator(model))
    sharpness, sharpness_error = mean_rise(
        model, loss, batches, sigma=sharpness_sigma, draws=draws, generator=_generator(model)
    )
    seconds = time.perf_counter() - started
    values = (trace, error, eigenvalue, sharpness, sharpness_error, seconds)
    return dict(zip(CURVATURE_METRICS, values, strict=True))


def hutchinson_trace(hessian: Hessian, draws: int, generator: torch.Generator) -> tuple[float, float]:
    """Estimate the trace and its standard error from at least 2 random vectors."""
    values = hessian.quadratic_forms(draws, generator)
    return float(values.mean()), float(values.std()) / math.sqrt(draws)


def top_eigenvalue(hessian: Hessian, generator: torch.Generator) -> float:
    """The most positive eigenvalue, not the one of largest magnitude; NaN if Lanczos does not converge."""
    # Few trials measure curvature, and this import takes longer than many an epoch.
    from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

    start = hessian.random_signs(generator)
    # ARPACK refuses a 1x1 matrix.
    if hessian.size == 1:
        return float((hessian @ start) * start)

    def product(vector: np.ndarray) -> np.ndarray:
        return (hessian @ torch.from_numpy(vector.ravel()).to(start)).cpu().numpy()

    first = start.cpu().numpy()
    operator = LinearOperator((hessian.size, hessian.size), matvec=product, dtype=first.dtype)
    try:
        eigenvalues = eigsh(
            operator,
            1,
            which="LA",
            v0=first,
            rng=_SEED,
            tol=_EIGENVALUE_TOLERANCE,
            maxiter=_MAX_RESTARTS,
            return_eigenvectors=False,
        )
    except ArpackError:
        return math.nan
    return float(eigenvalues[0])


@contextmanager
def twice_differentiable(model: nn.Module) -> Iterator[None]:
    """Avoid kernels that have no second derivative: cuDNN's recurrent layers and fused attention."""
    with ExitStack() as stack:
        stack.enter_context(sdpa_kernel(SDPBackend.MATH))
        if any(isinstance(module, nn.RNNBase) for module in model.modules()):
            stack.enter_context(torch.backends.cudnn.flags(enabled=False))
        yield


def _generator(model: nn.Module) -> torch.Generator:
    return torch.Generator(next(model.parameters()).device).manual_seed(_SEED)

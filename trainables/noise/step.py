"""What a noise mode can do in one step: draw noise, move the weights, and take gradients."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from itertools import accumulate

import torch
from torch import Tensor

from trainables.noise.misuse import UNDONE, allow_steps, check_arrived, checked_loss, refuse_steps
from trainables.torch_private import foreach_add_, foreach_copy_, foreach_norm, versions


class Step:
    """One training step, as a mode sees it.

    The lists of tensors that it takes and returns have one tensor for each active group.

    Attributes:
        generator: Source of the noise.
        scale: Standard deviation of the noise, on the device: captured CUDA graphs read it there.
    """

    def __init__(self, parameters: Sequence[Tensor], seed: int) -> None:
        """Hold the groups, and allocate one flat buffer, so that one call draws the noise of all groups."""
        self._parameters = parameters
        self._device = parameters[0].device
        self.generator = torch.Generator(self._device).manual_seed(seed)
        self.scale = parameters[0].detach().new_empty(())
        self._offsets = [0, *accumulate(parameter.numel() for parameter in parameters)]
        self._noise = parameters[0].detach().new_empty(self._offsets[-1])
        self._noise_views = self._views(self._noise)
        self._may_swap = _may_swap(parameters)
        self._is_moved = False
        self._saved: list[Tensor] = []
        self._active: Sequence[int] = ()
        self._compute: Callable[[], Tensor]
        self._loss: Tensor | None = None
        self._gradients_left = 0

    def begin(self, active: Sequence[int], compute: Callable[[], Tensor], gradients: int) -> None:
        """Begin a step.

        Args:
            active: Indices of the groups that get noise: none, one, or a span of them.
            compute: Runs the model on the step's batch and returns its loss, a scalar.
            gradients: Number of gradients that the step takes.
        """
        self._active, self._compute, self._gradients_left = active, compute, gradients
        self._loss = None

    @property
    def weights(self) -> list[Tensor]:
        """The weights of the active groups."""
        return [self._parameters[group] for group in self._active]

    @property
    def loss(self) -> Tensor:
        """The loss whose gradient the step follows: each loss by its share."""
        if self._loss is None:
            raise RuntimeError("the noise mode has taken no gradient in this step")
        return self._loss

    @torch.no_grad()
    def noise(self) -> list[Tensor]:
        """Draw scale * xi with xi ~ N(0, I), into tensors that the next draw overwrites.

        Raises:
            RuntimeError: If it is called inside ``at``.
        """
        self._refuse_inside_at("noise")
        if not self._active:
            return []
        first, last = self._active[0], self._active[-1]
        self._noise[self._offsets[first] : self._offsets[last + 1]].normal_(generator=self.generator).mul_(
            self.scale
        )
        return [self._noise_views[group] for group in self._active]

    @contextmanager
    def at(self, n: list[Tensor]) -> Iterator[None]:
        """Let the weights be w + n inside, and w again after, bit for bit. This overwrites ``n``.

        Raises:
            RuntimeError: If the weights change inside, which would be undone, or it is called inside itself.
        """
        self._refuse_inside_at("at")
        weights = self.weights
        if not weights:
            yield
            return
        put_back = self._add(weights, n)
        before, refusal = versions(weights), refuse_steps(weights, UNDONE)
        self._is_moved = True
        try:
            yield
            if versions(weights) != before:
                raise RuntimeError(UNDONE)
        finally:
            self._is_moved = False
            allow_steps(refusal)
            put_back()

    def _refuse_inside_at(self, operation: str) -> None:
        if self._is_moved:
            raise RuntimeError(f"the noise mode calls step.{operation} inside step.at; end step.at first")

    @torch.no_grad()
    def _add(self, weights: list[Tensor], n: list[Tensor]) -> Callable[[], None]:
        """Let the weights be w + n, and return what puts w back."""
        if not self._may_swap:
            put_back = partial(_copy, weights, self._save(weights))
            foreach_add_(weights, n)
            return put_back
        foreach_add_(n, weights)
        own = [weight.data for weight in weights]
        _replace(weights, n)
        return partial(_replace, weights, own)

    @torch.no_grad()
    def move(self, n: list[Tensor]) -> None:
        """Add ``n`` to the weights for good.

        Raises:
            RuntimeError: If it is called inside ``at``, which would undo it.
        """
        self._refuse_inside_at("move")
        if n:
            foreach_add_(self.weights, n)

    def backward(self, share: float = 1.0) -> None:
        """Add ``share`` times the gradient of the loss at the present weights to the gradient of the step.

        All gradients of a step see the same batch, and dropout has the same masks in all of them.

        Raises:
            TypeError: If ``compute`` returns no tensor.
            RuntimeError: If ``compute`` changes gradients, or its loss does not depend on the weights.
        """
        self._gradients_left -= 1
        with self._rewound() if self._gradients_left else nullcontext():
            loss = checked_loss(self._compute, self._parameters)
            loss = loss if share == 1 else share * loss
            loss.backward()
        check_arrived(self._parameters)
        self._loss = loss.detach() if self._loss is None else self._loss + loss.detach()

    def take_gradients(self) -> list[Tensor]:
        """Remove the gradient taken so far, and its loss, from the step, and return it."""
        gradients = [
            torch.zeros_like(weight) if weight.grad is None else weight.grad for weight in self.weights
        ]
        for parameter in self._parameters:
            parameter.grad = None
        self._loss = None
        return gradients

    @staticmethod
    @torch.no_grad()
    def norm(tensors: list[Tensor]) -> Tensor:
        """Euclidean norm over all tensors together, a scalar on the device."""
        return torch.linalg.vector_norm(torch.stack(foreach_norm(tensors, 2)))

    def zeros(self) -> list[Tensor]:
        """Zeros in the shape of all groups, to keep in a mode."""
        return self._views(torch.zeros_like(self._noise))

    def _rewound(self) -> AbstractContextManager[None]:
        """Put torch's generators back at the end, so that the next gradient draws the same masks."""
        is_cuda = self._device.type == "cuda"
        # The state of a generator cannot be read in a capture: what is captured draws no masks.
        devices = [self._device] if is_cuda and not torch.cuda.is_current_stream_capturing() else []
        return torch.random.fork_rng(devices)

    @torch.no_grad()
    def _save(self, weights: list[Tensor]) -> list[Tensor]:
        self._saved = self._saved or self.zeros()
        saved = [self._saved[group] for group in self._active]
        foreach_copy_(saved, weights)
        return saved

    def _views(self, flat: Tensor) -> list[Tensor]:
        sizes = [parameter.numel() for parameter in self._parameters]
        return [part.view_as(p) for part, p in zip(flat.split(sizes), self._parameters, strict=True)]


@torch.no_grad()
def _copy(weights: list[Tensor], saved: list[Tensor]) -> None:
    foreach_copy_(weights, saved)


def _replace(weights: Sequence[Tensor], storage: Sequence[Tensor]) -> None:
    for weight, data in zip(weights, storage, strict=True):
        weight.data = data


def _may_swap(parameters: Iterable[Tensor]) -> bool:
    """Whether a step may replace the storage of the parameters, which saves two copies.

    cuDNN requires the weights of recurrent layers to stay in place. Fused optimizers require gradients to
    have the parameters' layout, but these gradients get the layout of the contiguous buffer.
    """
    return all(parameter.device.type == "cpu" and parameter.is_contiguous() for parameter in parameters)

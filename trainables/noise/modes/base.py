"""The base class of noise modes."""

from __future__ import annotations

import inspect
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from typing_extensions import override

if TYPE_CHECKING:
    from torch import Tensor

    from trainables.noise.step import Step


# Plotly's names, all of which ``sweeps/report/png.py`` knows.
SYMBOLS = (
    *("circle", "square", "triangle-up", "triangle-down", "diamond"),
    *("pentagon", "hexagon", "cross", "x", "star"),
)
DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
_COLOR = re.compile(r"#[0-9A-Fa-f]{6}")


class NoiseMode(ABC):
    """A noise mode: what it perturbs, where it takes gradients, and what it keeps from step to step.

    A subclass sets the texts and the look, and writes its step with the operations of ``Step``. Unless it
    overrides ``groups`` and ``scale``, its noise is sigma / sqrt(G) * xi on every group.

    Attributes:
        name: Name in a YAML.
        noise: The formula of its noise n.
        formula: The formula of its step, with eta the learning rate.
        source: Where it comes from.
        color: Colour of its marks in figures, such as ``#009E73``.
        symbol: Symbol of its marks, one of ``SYMBOLS``.
        dash: Dash of its lines, one of ``DASHES``.
        gradients: Number of gradients that a step takes.
        follows_lr: Whether its noise depends on the learning rate.
        remembers: Whether its noise depends on earlier steps, so that it acts on the weights at sigma 0 too.
        kept: Tensors that it keeps from step to step; resuming copies into them.
    """

    name: ClassVar[str]
    noise: ClassVar[str] = "sigma / sqrt(G) * xi on every group"
    formula: ClassVar[str] = ""
    source: ClassVar[str] = ""
    color: ClassVar[str] = "#7A7A7A"
    symbol: ClassVar[str] = "circle"
    dash: ClassVar[str] = "dash"
    gradients: ClassVar[int] = 1
    follows_lr: ClassVar[bool] = False
    remembers: ClassVar[bool] = False
    kept: list[Tensor]

    @classmethod
    def mistake(cls) -> str:
        """Say what is wrong with the class's attributes; empty for nothing."""
        if inspect.isabstract(cls):
            return "must define step"
        if not _COLOR.fullmatch(cls.color):
            return f"color must be such as #009E73, got {cls.color!r}"
        for name, allowed in (("symbol", SYMBOLS), ("dash", DASHES)):
            if getattr(cls, name) not in allowed:
                return f"{name} must be one of {', '.join(allowed)}, got {getattr(cls, name)!r}"
        return ""

    @classmethod
    def of(cls, hyperparameters: Any) -> Self:
        """Build the mode for a trial; override it for a mode that has a hyperparameter besides sigma."""
        return cls()

    @abstractmethod
    def step(self, step: Step) -> None:
        """Take one step: perturb the weights, and take ``gradients`` gradients with ``step.backward``."""

    def groups(self, t: int, n_groups: int) -> Sequence[int]:
        """Return the indices of the groups that get noise in step t: none, one, or a span of them.

        Args:
            t: Steps taken before this one, over the whole run.
            n_groups: Number of groups, G.
        """
        return range(n_groups)

    def scale(self, sigma: float, n_groups: int, lr: float) -> float:
        """Return the standard deviation of xi's multiple on each group that gets noise.

        Args:
            sigma: Strength of the noise.
            n_groups: Number of groups, G.
            lr: Learning rate of the step.
        """
        return sigma / math.sqrt(n_groups)

    def start(self, step: Step) -> None:
        """Allocate ``kept``, before the first step."""
        self.kept = []


class InTurn(NoiseMode):
    """Noise of standard deviation sigma on one group a step, in turn; inherit the step from another mode."""

    noise = "sigma * xi on group t mod G"

    @override
    def groups(self, t: int, n_groups: int) -> Sequence[int]:
        return (t % n_groups,)

    @override
    def scale(self, sigma: float, n_groups: int, lr: float) -> float:
        return sigma

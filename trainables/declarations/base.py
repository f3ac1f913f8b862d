"""The base class of declarations, and the metrics that every trainable reports."""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Generic, Literal, TypeVar

from trainables.declarations.hyperparameters import Hyperparameters
from trainables.declarations.sources import Source

Direction = Literal["min", "max"]
EvaluationSplit = Literal["validation", "test"]
# The least and the largest value that a metric can have.
Bounds = tuple[float, float]
UNBOUNDED: Bounds = (-math.inf, math.inf)
LOOP_METRICS = (
    "train_loss",
    "val_loss",
    "grad_norm",
    "param_l1",
    "param_l2",
    "sigma",
    "epoch_seconds",
    "examples_per_second",
)
CURVATURE_METRICS = (
    "hessian_trace",
    "hessian_trace_stderr",
    "hessian_top_eigenvalue",
    "sharpness",
    "sharpness_stderr",
    "curvature_seconds",
)
PREFIXES: Mapping[EvaluationSplit, str] = {"validation": "val_", "test": "test_"}
H = TypeVar("H", bound=Hyperparameters)
Value = TypeVar("Value")


def with_prefix(split: EvaluationSplit, evaluated: Mapping[str, Value]) -> dict[str, Value]:
    """Rename what ``Task.evaluate`` returns to metrics: ``loss`` becomes ``val_loss`` or ``test_loss``."""
    return {PREFIXES[split] + name: value for name, value in evaluated.items()}


def under_noise(metric: str, sigma: float) -> str:
    """Name a score under weight noise, such as ``accuracy_under_0.1``; sigma has six digits at most."""
    return f"{metric}_under_{sigma:g}"


class Declaration(Generic[H]):
    """What a trainable offers to a YAML. Every ``Trainable`` is one, since it inherits from its declaration.

    ``H`` is the class of its hyperparameters.

    Attributes:
        name: Name in a YAML.
        Hyperparameters: Its hyperparameters with their defaults. If there are several architectures,
            ``model`` is a Literal of their names.
        scores: Metrics that its task's ``evaluate`` returns besides ``loss``, such as ``accuracy``, with the
            better direction, or None for a reference value. 0 is the worst of a score to maximize.
        fractions: Names of the scores that lie within 0 and 1; reports cut their intervals to that range.
        matters: The smallest difference that matters in a score, in its unit, that `init` suggests in claims.
        data_hyperparameters: The hyperparameters that ``Trainable.prepare`` depends on.
        draws_data: Whether the trial's seed draws all data, those of the test split included.
        fixed_data: Whether the task's ``data_fingerprint`` depends on nothing but the data as stored and on
            ``data_hyperparameters``, on every machine; a sweep then refuses to go on with other data.
        source: Where its data come from; None if they are generated.
    """

    name: ClassVar[str]
    Hyperparameters: type[H]
    scores: ClassVar[Mapping[str, Direction | None]]
    fractions: ClassVar[frozenset[str]] = frozenset()
    matters: ClassVar[Mapping[str, float]] = {}
    data_hyperparameters: ClassVar[Sequence[str]] = ("train_subset",)
    draws_data: ClassVar[bool] = False
    fixed_data: ClassVar[bool] = False
    source: ClassVar[Source | None] = None

    @classmethod
    def sources(cls, hyperparameters: H) -> list[Source]:
        """List what a trial with these hyperparameters reads; empty if its data are generated."""
        return [cls.source] if cls.source else []

    @classmethod
    def metrics(cls) -> dict[str, Direction | None]:
        """Metrics reported every epoch, each with its better direction, or None if it has none."""
        train_loss: dict[str, Direction | None] = {"train_loss": "min"}
        return dict.fromkeys(LOOP_METRICS) | train_loss | cls._evaluated("validation")

    @classmethod
    def test_metrics(cls) -> dict[str, Direction | None]:
        """Metrics of the test split that the last epoch adds in a trial that reads it, as ``metrics``."""
        return cls._evaluated("test")

    @classmethod
    def noise_metrics(cls, split: EvaluationSplit, sigmas: Sequence[float]) -> dict[str, Direction | None]:
        """Metrics of a split under weight noise that the last epoch adds for these sigmas, as ``metrics``."""
        evaluated = cls._evaluated(split)
        return {
            under_noise(name, sigma): direction for sigma in sigmas for name, direction in evaluated.items()
        }

    @classmethod
    def bounds_of(cls, metric: str) -> Bounds:
        """Return 0 and 1 for a fraction, on any split and under any weight noise; otherwise infinities."""
        is_plain = metric in cls.metrics() or metric in cls.test_metrics()
        evaluated = metric if is_plain else metric.rpartition("_under_")[0]
        fractions = {prefix + name for prefix in PREFIXES.values() for name in cls.fractions}
        return (0.0, 1.0) if evaluated in fractions else UNBOUNDED

    @classmethod
    def _evaluated(cls, split: EvaluationSplit) -> dict[str, Direction | None]:
        return with_prefix(split, {"loss": "min", **cls.scores})

"""The sections of a sweep's YAML, as pydantic models."""

import itertools
import math
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, Literal, Self, TypeVar, get_origin

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    model_validator,
)
from pydantic.fields import FieldInfo

from sweeps.errors import shown
from sweeps.spec.base import Model
from sweeps.spec.methods import MaybeScheduler, Sampler
from trainables.declarations.hyperparameters import MOST_SIGMAS, Equal, Sigma, each_once
from trainables.noise import registry as modes

Scalar = bool | int | float | str | None
MOST_TRIALS = 100_000
MOST_VALUES = 1_000


def is_value(value: Any) -> bool:
    return isinstance(value, Scalar) and (not isinstance(value, float) or math.isfinite(value))


def not_one_value(value: Any) -> str:
    """Write the message that something is not a value."""
    rule = "a finite number" if isinstance(value, float) else "one value (a number, text, true or false)"
    return f"must be {rule}, got {shown(value)}"


def takes_list(field: FieldInfo) -> bool:
    """Whether the value of a hyperparameter is a list, which can be fixed, but not searched or compared."""
    return get_origin(field.annotation) is tuple


def _one_value(value: Any) -> Any:
    if not is_value(value):
        raise ValueError(not_one_value(value))
    return value


def _one_or_list(value: Any) -> Any:
    return [_one_value(item) for item in value] if isinstance(value, list) else _one_value(value)


def _ascending(looks: list[int]) -> list[int]:
    if any(second <= first for first, second in itertools.pairwise(looks)):
        raise ValueError(f"must ascend, such as [13, 20, 40], got {shown(looks)}")
    return looks


Number = TypeVar("Number", int, float)
Value = Annotated[Scalar, BeforeValidator(_one_value)]
# A later check refuses lists for hyperparameters that do not take them.
ValueOrList = Annotated[Scalar | list[Scalar], BeforeValidator(_one_or_list)]
Values = Annotated[list[Value], Field(min_length=1, max_length=MOST_VALUES)]
Range = Annotated[list[Number], Field(min_length=2, max_length=2)]
Count = Annotated[int, Field(ge=1, le=MOST_TRIALS)]
Replicates = Annotated[int, Field(ge=2, le=MOST_TRIALS)]
Looks = Annotated[list[Replicates], Field(min_length=1), AfterValidator(_ascending)]
KINDS = ("choice", "grid", "grid_by_arm", "uniform", "log_uniform", "int_uniform")


def is_noisy(when: Any) -> bool:
    """Whether a condition is ``noisy``: every noise mode but none."""
    return bool(when == _every_noisy_mode("noisy"))


def _every_noisy_mode(value: Any) -> Any:
    # Not a constant, as scripts and notebooks register modes of their own.
    return {"noise": [mode for mode in modes.names() if mode != "none"]} if value == "noisy" else value


def _noisy(when: Any) -> Any:
    return "noisy" if is_noisy(when) else when


When = Annotated[
    dict[str, Values],
    BeforeValidator(_every_noisy_mode, json_schema_input_type=dict[str, Values] | Literal["noisy"]),
    PlainSerializer(_noisy),
]


def _list_or_one_kind(schema: dict[str, Any]) -> None:
    mapping = {**schema, "oneOf": [{"required": [kind]} for kind in KINDS]}
    schema.clear()
    schema["anyOf"] = [{"type": "array", "minItems": 1, "description": "choice"}, mapping]


class Dimension(Model):
    """One searched hyperparameter: exactly one kind, and when it applies."""

    model_config = ConfigDict(json_schema_extra=_list_or_one_kind)

    choice: Values | None = Field(None, description="one of these values, chosen by the sampler")
    grid: Values | None = Field(None, description="all of these values, in full factorial")
    grid_by_arm: dict[str, Values] | None = Field(
        None,
        min_length=1,
        description="such a list for each arm that has one: {all: [0.1], after_all: [0.01]}",
    )
    uniform: Range[float] | None = Field(None, description="[lowest, highest]")
    log_uniform: Range[float] | None = Field(None, description="[lowest, highest], uniform in the logarithm")
    int_uniform: Range[int] | None = Field(None, description="[lowest, highest] of whole numbers, inclusive")
    when: When | None = Field(
        None,
        description="searched only where these hyperparameters have one of the values listed; "
        "noisy: in every noise mode but none",
    )

    @model_validator(mode="before")
    @classmethod
    def _list_is_choice(cls, value: Any) -> Any:
        if isinstance(value, list):
            return {"choice": value}
        if not isinstance(value, dict):
            raise ValueError(f"must be a list of values or one of {', '.join(KINDS)}")
        return value

    @model_validator(mode="after")
    def _one_kind_not_empty(self) -> Self:
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"must have exactly one of {', '.join(KINDS)}, got {', '.join(given) or 'none'}")
        if self.bounds:
            low, high = self.bounds
            if low >= high:
                got = f"{self.kind} [{low:.15g}, {high:.15g}]"
                raise ValueError(f"{got} is empty: the first bound must be the lower")
            if self.log_uniform and low <= 0:
                raise ValueError(f"log_uniform must start above 0, got {low:g}")
        elif any(map(has_duplicates, (self.grid_by_arm or {"": self.values}).values())):
            raise ValueError(f"{self.kind} lists a value twice")
        return self

    @property
    def kind(self) -> str:
        """The one of ``KINDS`` that is given."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def values(self) -> list[Scalar]:
        """The values of a choice or grid, of all arms; empty for a range."""
        if self.grid_by_arm:
            listed = [value for values in self.grid_by_arm.values() for value in values]
            unique = [value for index, value in enumerate(listed) if not is_among(value, listed[:index])]
            numbers = [value for value in unique if isinstance(value, int | float)]
            return [*sorted(numbers)] if len(numbers) == len(unique) else unique
        return self.choice or self.grid or []

    def values_for(self, arm: Scalar) -> list[Scalar]:
        """Return the values that an arm has: its own list in ``grid_by_arm``, else all of them."""
        return self.values if self.grid_by_arm is None else self.grid_by_arm.get(str(arm), [])

    @property
    def is_grid(self) -> bool:
        """Whether all of its values are run."""
        return self.kind.startswith("grid")

    @property
    def bounds(self) -> Sequence[float]:
        """Lowest and highest value of a range; empty for a choice or grid."""
        return self.uniform or self.log_uniform or self.int_uniform or []


def is_among(value: Scalar, values: Iterable[Scalar]) -> bool:
    """Whether a value is in a list, where true is not 1."""
    return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in values)


def has_duplicates(values: Sequence[Scalar]) -> bool:
    """Whether a value is listed twice; true is not 1."""
    return len({(isinstance(value, bool), value) for value in values}) < len(values)


def _one_hyperparameter(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) > 1:
        raise ValueError(f"must name one hyperparameter, got {', '.join(map(str, value))}")
    values = next(iter(value.values()), None) if isinstance(value, dict) else None
    if not isinstance(values, list) or not all(map(is_value, values)):
        rule = "must be a hyperparameter such as noise, or one with its values such as {noise: [none, layer]}"
        raise ValueError(f"{rule}, got {shown(value)}")
    return value


Compared = Annotated[str | dict[str, list[Scalar]] | None, BeforeValidator(_one_hyperparameter)]


class Objective(Model):
    """The metric that the search optimizes, on the validation split."""

    metric: str = Field(description="a metric that the trainable reports, such as val_accuracy")
    mode: Literal["min", "max"] = Field(description="which direction is better")


class Budget(Model):
    """The number of trials, and what an epoch has equally many of in every noise mode."""

    trials: Count | None = Field(None, description="number of trials; a grid counts its own")
    concurrent: Count | None = Field(None, description="trials at a time; by default as many as fit")
    equal: Equal = Field(
        "gradients",
        description="a mode that takes two gradients a step steps on every second batch; steps: on all",
    )


class SearchStage(Model):
    """The stage that tunes each arm by itself, with the same budget, on the validation split."""

    trials_per_arm: Count | None = Field(None, description="trials in each arm")
    epochs_per_arm: int | None = Field(
        None, ge=1, le=10**9, description="instead of trials_per_arm: epochs after which no trial starts"
    )
    sampler: Sampler = Field("tpe", description="how trials are chosen: tpe, random, cmaes, qmc or gp")
    scheduler: MaybeScheduler = Field(
        None, description="how trials are stopped early: none, asha, hyperband or median"
    )


class ConfirmStage(Model):
    """The stage that retrains the best of each arm in full, on fresh seeds, and reads the test split."""

    seeds: Replicates | None = Field(None, description="fresh seeds, the same for every arm")
    looks: Looks | None = Field(
        None,
        description="instead of seeds: numbers of seeds after which claims are judged, such as [13, 20, 40]; "
        "what no undecided claim compares gets no more seeds",
    )
    top: Count = Field(1, description="configurations retrained in each arm")
    at: dict[str, Values] = Field(
        {},
        description="retrain the best of each arm also with each of these values in place of its own, "
        "such as {sigma: [0.003, 0.03]}; in combination if there are several",
    )
    configurations: dict[str, dict[str, ValueOrList]] = Field(
        {}, description="instead of a search: the hyperparameters of each arm, such as {none: {lr: 0.1}}"
    )
    curvature: Literal["never", "end", "epoch"] = Field("never", description="when to measure curvature")
    weight_noise: Annotated[list[Sigma], AfterValidator(each_once)] = Field(
        [], max_length=MOST_SIGMAS, description="score each network under weight noise of these sigmas"
    )

    @model_validator(mode="after")
    def _seeds_or_looks(self) -> Self:
        if (self.seeds is None) == (self.looks is None):
            raise ValueError("must have seeds, such as 10, or looks, such as [13, 20, 40], one of them")
        return self


class Stages(Model):
    """The stages of a comparison, in order."""

    search: SearchStage | None = Field(None, description="such as {trials_per_arm: 20}")
    confirm: ConfirmStage | None = Field(None, description="such as {seeds: 10}")


class Resources(Model):
    """The resources that one trial needs on a node."""

    cpu: float = Field(1.0, gt=0, le=10_000, description="cores, and as many threads")
    gpu: float = Field(0.0, ge=0, le=10_000, description="GPUs; a fraction shares one")
    memory: float = Field(0.0, ge=0, le=1_000_000, description="GiB of memory to reserve; 0: none")
    custom: dict[str, Annotated[float, Field(gt=0, le=1_000_000)]] = Field(
        {}, description="custom resources of the nodes, such as {accelerator_type:A100: 0.001}"
    )

    @model_validator(mode="after")
    def _whole_gpus(self) -> Self:
        if self.gpu > 1 and not self.gpu.is_integer():
            raise ValueError(f"gpu above 1 must be whole, got {self.gpu:g}")
        if reserved := {"CPU", "GPU", "memory", "object_store_memory"} & self.custom.keys():
            raise ValueError(f"custom must not have {', '.join(sorted(reserved))}: give cpu, gpu and memory")
        return self

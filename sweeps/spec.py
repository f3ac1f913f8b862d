"""The YAML of a sweep: the only place that knows its keys."""

import itertools
import math
from collections import ChainMap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args, get_origin

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PrivateAttr,
    ValidationError,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from sweeps.mistakes import Mistake, SpecError, SweepError, shown
from sweeps.source import Source, dump
from trainables import Hyperparameters, Trainable, registry
from trainables.base import Direction

Scalar = bool | int | float | str | None
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
# What a claim can be about beside the trainable's metrics; flatter counts as better.
CURVATURE: Mapping[str, Direction] = {"hessian_trace": "min", "hessian_top_eigenvalue": "min"}
KINDS = ("choice", "grid", "uniform", "log_uniform", "int_uniform")
LAST_SEED = 2**32 - 1


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Dimension(_Model):
    """One searched hyperparameter: exactly one kind, and when it applies."""

    choice: list[Scalar] | None = Field(None, min_length=1, description="one of these, chosen by Optuna")
    grid: list[Scalar] | None = Field(None, min_length=1, description="each of these, in full factorial")
    uniform: list[float] | None = Field(None, min_length=2, max_length=2, description="[lowest, highest]")
    log_uniform: list[float] | None = Field(
        None, min_length=2, max_length=2, description="[lowest, highest], uniform in the logarithm"
    )
    int_uniform: list[int] | None = Field(
        None, min_length=2, max_length=2, description="[lowest, highest], whole numbers, both included"
    )
    when: dict[str, Annotated[list[Scalar], Field(min_length=1)]] | None = Field(
        None, description="searched only where these hyperparameters have one of these values"
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
                raise ValueError(
                    f"{self.kind} [{_plain(low)}, {_plain(high)}] is empty: the first bound must be the lower"
                )
            if self.log_uniform and low <= 0:
                raise ValueError(f"log_uniform must start above 0, got {low:g}")
        elif len({(isinstance(value, bool), value) for value in self.values}) < len(self.values):
            raise ValueError(f"{self.kind} has a value twice")
        return self

    @property
    def kind(self) -> str:
        """Which of ``KINDS`` it is."""
        return next(kind for kind in KINDS if getattr(self, kind) is not None)

    @property
    def values(self) -> list[Scalar]:
        """The values of a choice or grid; empty for a range."""
        return self.choice or self.grid or []

    @property
    def bounds(self) -> Sequence[float]:
        """Lowest and highest value of a range; empty for a choice or grid."""
        return self.uniform or self.log_uniform or self.int_uniform or []

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = handler.resolve_ref_schema(handler(schema))
        mapping = {**described, "oneOf": [{"required": [kind]} for kind in KINDS]}
        return {"anyOf": [{"type": "array", "minItems": 1, "description": "choice"}, mapping]}


def _plain(bound: float) -> str:
    return f"{bound:g}" if isinstance(bound, float) else str(bound)


class Objective(_Model):
    """What the search makes best, on the validation split."""

    metric: str = Field(description="a metric that the trainable reports, such as val_accuracy")
    mode: Literal["min", "max"] = Field(description="which direction is better")


class Budget(_Model):
    """How much is run."""

    trials: int | None = Field(None, ge=1, description="trials in all; a grid counts its own")
    concurrent: int | None = Field(None, ge=1, description="trials at a time; empty: as many as fit")


class ASHA(_Model):
    """Asynchronous successive halving (Li et al., 2020): stops the trials that are behind their peers."""

    grace_epochs: int = Field(1, ge=1, description="epochs before a trial may be stopped")
    reduction_factor: float = Field(3.0, gt=1, description="one in so many goes on at each rung")


class Scheduler(_Model):
    """Early stopping."""

    asha: ASHA = Field(description="such as {grace_epochs: 1, reduction_factor: 3}")


def _none_is_none(value: Any) -> Any:
    if value == "none":
        return None
    if value is not None and not isinstance(value, dict | Scheduler):
        raise ValueError("must be none or {asha: {grace_epochs: ..., reduction_factor: ...}}")
    return value


def _or_none(schema: dict[str, Any]) -> None:
    schema["anyOf"].append({"const": "none"})


MaybeScheduler = Annotated[Scheduler | None, BeforeValidator(_none_is_none)]


class SearchStage(_Model):
    """Tunes each arm by itself, with the same budget, on the validation split."""

    trials_per_arm: int | None = Field(None, ge=1, description="trials of each arm")
    epochs_per_arm: int | None = Field(
        None, ge=1, description="or epochs of each arm in all: it starts no further trial after so many"
    )
    scheduler: MaybeScheduler = Field(
        None, description="none, or asha to stop trials early", json_schema_extra=_or_none
    )


class ConfirmStage(_Model):
    """Trains the best of each arm again, in full, on fresh seeds shared by all arms; reads the test split."""

    seeds: int = Field(ge=2, description="fresh seeds, the same for every arm")
    top: int = Field(1, ge=1, description="configurations of each arm")
    curvature: Literal["never", "end", "epoch"] = Field("never", description="when to measure curvature")


class Stages(_Model):
    """What a comparison does, one after the other."""

    search: SearchStage = Field(description="such as {trials_per_arm: 20}")
    confirm: ConfirmStage | None = Field(None, description="such as {seeds: 10}")


def _as_list(value: Any) -> Any:
    if not isinstance(value, Scalar | list):
        raise ValueError(f"must be an arm or a list of arms, got {shown(value)}")
    return value if isinstance(value, list) else [value]


Names = Annotated[list[Scalar], Field(min_length=1)]
Arms = Annotated[Names, BeforeValidator(_as_list, json_schema_input_type=Scalar | Names)]


def _number_or_common(value: Any) -> Any:
    if value is None or value == "common" or (isinstance(value, int | float) and _is_finite(value)):
        return value
    raise ValueError(f"must be a number or common, got {shown(value)}")


def _is_finite(value: Any) -> bool:
    try:
        return not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # a whole number that no float can hold
        return False


def _is_scalar(value: Any) -> bool:
    return isinstance(value, Scalar) and not (isinstance(value, float) and not math.isfinite(value))


def _one_hyperparameter(value: Any) -> Any:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict) and len(value) > 1:
        raise ValueError(f"must name one hyperparameter, got {', '.join(map(str, value))}")
    values = next(iter(value.values()), None) if isinstance(value, dict) else None
    if not isinstance(values, list) or not all(map(_is_scalar, values)):
        rule = "must be a hyperparameter such as noise, or one with its values such as {noise: [none, layer]}"
        raise ValueError(f"{rule}, got {shown(value)}")
    return value


class Claim(_Model):
    """What is expected of arms, to be held against the results: one is better, or they are equal."""

    name: str = Field(min_length=1, description="the claim in words")
    metric: str = Field(description="metric after the last epoch, such as test_accuracy")
    better: Arms | None = Field(None, description="arm, or arms, that are better than each of worse")
    worse: Arms | None = Field(None, description="arm, or arms")
    equal: Annotated[list[Scalar], Field(min_length=2)] | None = Field(
        None, description="in place of better and worse: arms that differ by less than within"
    )
    within: float | None = Field(
        None, gt=0, description="the difference that equal takes for none; in epochs with reach"
    )
    reach: Annotated[float | Literal["common"] | None, BeforeValidator(_number_or_common)] = Field(
        None,
        description="compare the epochs until metric is as good as this; common: as every seed becomes",
    )
    epoch: int | None = Field(None, ge=1, description="compare metric after this epoch, not after the last")
    where: dict[str, Scalar] = Field({}, description="in a grid: the point that it is about")

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        given = [key for key in ("better", "worse", "equal", "within") if getattr(self, key) is not None]
        if given not in (["better", "worse"], ["equal", "within"]):
            got = ", ".join(given) or "none of them"
            raise ValueError(f"must have better and worse, or equal and within, got {got}")
        if self.reach is not None and self.epoch is not None:
            raise ValueError("must have reach or epoch, not both")
        return self

    @property
    def arms(self) -> list[Scalar]:
        """Every arm that it names."""
        return [*(self.better or []), *(self.worse or []), *(self.equal or [])]


class Resources(_Model):
    """What one trial takes of a node."""

    cpu: float = Field(1.0, gt=0, description="cores, and threads")
    gpu: float = Field(0.0, ge=0, description="GPUs; a fraction shares one")


class Spec(_Model):
    """A sweep."""

    name: str = Field(
        pattern=NAME,
        description="name of the study: letters, digits, and - _ . inside, at most 64",
    )
    question: str = Field("", description="what the study asks, for its report")
    trainable: str = Field(description="dataset and architectures to train")
    mode: Literal["search", "grid"] = Field(
        "search", description="grid: run every combination of the listed values, with every seed"
    )
    compare: Annotated[str | dict[str, list[Scalar]] | None, BeforeValidator(_one_hyperparameter)] = Field(
        None, description="hyperparameter whose values are the arms, such as noise or {noise: [none, layer]}"
    )
    stages: Stages | None = Field(None, description="of a comparison: search, then confirm")
    fixed: dict[str, Scalar] = Field(
        {}, description="hyperparameters that are not searched, or where their when does not apply"
    )
    search: dict[str, Dimension] = Field({}, description="hyperparameters that are searched")
    objective: Objective = Field(description="such as {metric: val_accuracy, mode: max}")
    budget: Budget = Budget()
    scheduler: MaybeScheduler = Field(
        None, description="none, or asha to stop trials early", json_schema_extra=_or_none
    )
    claims: list[Claim] = Field([], description="what is expected, judged in the report")
    resources: Resources = Resources()
    seed: int = Field(0, ge=0, le=LAST_SEED, description="seed of the search and of the first replicate")
    seeds: int = Field(1, ge=1, description="replicates of every point of a grid: seed, seed + 1, ...")
    max_failures: int = Field(
        2, ge=0, description="times a trial that fails is run again, from its last epoch"
    )
    data_dir: str | None = Field(None, description="folder with local copies of datasets")
    profiles: dict[Annotated[str, Field(pattern=NAME)], dict[str, Any]] = Field(
        {}, exclude=True, description="other forms of the sweep, such as {quick: {fixed.epochs: 1}}"
    )

    _text: str = PrivateAttr("")
    _places: dict[str, Mistake] = PrivateAttr({})  # of each hyperparameter, for what shows only with the data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.model_dump() == other.model_dump()

    @property
    def text(self) -> str:
        """The YAML as written; empty for a spec that comes from Python."""
        return self._text

    @property
    def is_grid(self) -> bool:
        """Whether all is fixed or enumerated, so that nothing is sampled."""
        if self.stages:
            return False
        return self.mode == "grid" or all(dimension.kind == "grid" for dimension in self.search.values())

    @property
    def compared(self) -> str:
        """The hyperparameter whose values are the arms."""
        if isinstance(self.compare, str):
            return self.compare
        return next(iter(self.compare)) if self.compare else "noise"

    @property
    def arms(self) -> list[Scalar]:
        """The values of the compared hyperparameter in this sweep."""
        if self.compare is not None:
            return arms_of(self.compare, self.trainable_class)
        dimension = self.search.get("noise")
        values = dimension.values if dimension else []
        if dimension is None or dimension.when:
            values = [*values, self.hyperparameters({}).noise]
        return list(dict.fromkeys(values))

    @property
    def space(self) -> dict[str, Dimension]:
        """All dimensions: the arms, where they are compared, and what is searched."""
        if self.compare is None:
            return self.search
        return {self.compared: Dimension.model_validate({"choice": self.arms}), **self.search}

    @property
    def confirm_seeds(self) -> list[int]:
        """The seeds of the confirm stage; none of them is the search's."""
        confirm = self.stages.confirm if self.stages else None
        return [self.seed + 1 + index for index in range(confirm.seeds if confirm else 0)]

    @property
    def confirms(self) -> bool:
        """Whether it has a confirm stage."""
        return bool(self.stages and self.stages.confirm)

    @property
    def max_epochs(self) -> int:
        """The most epochs that a trial may have."""
        dimension = self.space.get("epochs")
        searched = (*dimension.values, *dimension.bounds) if dimension else ()
        unsearched = [self.hyperparameters({}).epochs] if dimension is None or dimension.when else []
        return max(int(value) for value in (*searched, *unsearched))  # type: ignore[arg-type]

    @property
    def resolved(self) -> str:
        """The YAML with overrides and defaults; loads to an equal spec."""
        return dump(self.model_dump(exclude_none=True))

    @cached_property
    def trainable_class(self) -> type[Trainable]:
        """The class of the trainable."""
        return registry.get(self.trainable)

    @property
    def directions(self) -> dict[str, Direction | None]:
        """Every metric that a trial can have, and which direction is better; None where neither is."""
        trainable = self.trainable_class
        return {**trainable.metrics(), **trainable.test_metrics(), **CURVATURE}

    @property
    def verdict_metric(self) -> str:
        """What arms are compared by: the objective on the test split, or on validation without confirm."""
        metric = self.objective.metric
        return (
            f"test_{metric.removeprefix('val_')}" if self.confirms and metric.startswith("val_") else metric
        )

    def build_trainable(self) -> Trainable:
        """Make the trainable.

        Returns:
            An instance that reads the sweep's ``data_dir``.
        """
        return self.trainable_class(Path(self.data_dir) if self.data_dir else None)

    def refused(self, hyperparameter: str | None, message: str) -> SweepError:
        """Say what is wrong with the sweep, and where if one of its hyperparameters is.

        Args:
            hyperparameter: Its name; None if it is something else.
            message: What would be right.

        Returns:
            The error to raise.
        """
        if hyperparameter is None:
            return SweepError(message)
        place = self._places.get(hyperparameter, Mistake("", 0, hyperparameter, ""))
        return SpecError([replace(place, message=message)])

    def variants(self, names: Iterable[str]) -> list[Hyperparameters]:
        """List the configurations that differ in some hyperparameters.

        Args:
            names: Those hyperparameters.

        Returns:
            One configuration for each combination of their values; of a range, its ends.
        """
        options: list[list[dict[str, Any]]] = []
        for dimension_name in names:
            if dimension := self.space.get(dimension_name):
                values = (*dimension.values, *dimension.bounds)
                options.append([{dimension_name: value} for value in values] + [{}] * bool(dimension.when))
        return [self.hyperparameters(dict(ChainMap(*chosen))) for chosen in itertools.product(*options)]

    def searched_of(self, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
        """Take from a configuration what was searched.

        Args:
            hyperparameters: All of a trial's.

        Returns:
            The values of the arm and of the dimensions.
        """
        return {name: hyperparameters[name] for name in self.space}

    def hyperparameters(self, searched: Mapping[str, Any]) -> Hyperparameters:
        """Complete one configuration.

        Args:
            searched: Values of the searched hyperparameters that apply.

        Returns:
            All hyperparameters, with the fixed ones and defaults.
        """
        return self.trainable_class.Hyperparameters(**{**self.fixed, **searched})


def arms_of(compare: str | Mapping[str, Sequence[Scalar]], trainable: type[Trainable]) -> list[Scalar]:
    """List the arms of a comparison.

    Args:
        compare: As in the YAML.
        trainable: What is trained.

    Returns:
        The values listed, else all that the hyperparameter can have; empty where they cannot be listed.
    """
    if not isinstance(compare, str):
        return list(next(iter(compare.values()), []))
    field = trainable.Hyperparameters.model_fields.get(compare)
    if field is None or get_origin(field.annotation) is not Literal:
        return [False, True] if field and field.annotation is bool else []
    return list(get_args(field.annotation))


def load_spec(
    source: str | Path | Mapping[str, Any], overrides: Sequence[str] = (), profile: str | None = None
) -> Spec:
    """Read and check a sweep.

    Args:
        source: A YAML file, or a mapping of the same form.
        overrides: ``key=value`` with a dotted key and a YAML value, such as ``fixed.epochs=3``.
        profile: One of its ``profiles``, whose changes come before the overrides; the sweep is then called
            NAME-PROFILE.

    Returns:
        The spec; running it meets no mistake that could have been seen here.

    Raises:
        SpecError: With every mistake found.
    """
    from sweeps.checks import check
    from sweeps.explain import explain

    read = Source(source, overrides, profile)
    spec, form = None, []
    try:
        spec = Spec.model_validate(read.content)
    except ValidationError as error:
        form = explain(error)
    wrong = {location for location, _ in form}
    checked = [  # where the form is wrong, nothing more is said
        (location, message)
        for location, message in check(read.content)
        if not any(location[:length] in wrong for length in range(1, len(location) + 1))
    ]
    mistakes = [*read.mistakes, *(read.mistake(*found) for found in (*form, *checked))]
    if mistakes or spec is None:
        raise SpecError(mistakes)
    if isinstance(spec.compare, str):  # with its arms written out, it can be read without the trainable
        spec = spec.model_copy(update={"compare": {spec.compare: spec.arms}})
    spec._text = read.text
    for part, names in (("fixed", spec.fixed), ("search", spec.search)):
        spec._places.update({name: read.mistake((part, name), "") for name in names})
    if spec.compare is not None:
        spec._places[spec.compared] = read.mistake(("compare", spec.compared), "")
    return spec


__all__ = [
    "ASHA",
    "Budget",
    "Claim",
    "ConfirmStage",
    "Dimension",
    "Objective",
    "Resources",
    "Scheduler",
    "SearchStage",
    "Spec",
    "Stages",
    "SweepError",
    "load_spec",
]

"""The spec of a sweep: its YAML as a pydantic model, and what is derived from it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import Field, PrivateAttr
from typing_extensions import override

from sweeps.errors import Mistake, SpecError, SweepError
from sweeps.spec.sections import (
    MOST_TRIALS,
    Budget,
    Claim,
    Compared,
    Dimension,
    MaybeScheduler,
    Model,
    Objective,
    Resources,
    Scalar,
    Stages,
    Value,
)
from sweeps.spec.yaml import dump
from trainables import registry
from trainables.declarations.base import Declaration, Direction
from trainables.declarations.hyperparameters import Hyperparameters

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
# Claims can be about these metrics too; a flatter loss counts as better.
CURVATURE: Mapping[str, Direction] = {
    "hessian_trace": "min",
    "hessian_top_eigenvalue": "min",
    "sharpness": "min",
}
LAST_SEED = 2**32 - 1


def declaration_of(name: str) -> type[Declaration[Any]]:
    """Look up a trainable's declaration; raise SweepError if it is not known here or cannot be used."""
    try:
        return registry.declaration(name)
    except KeyError:
        remedy = "register it in a script, or give its package an entry point"
        raise SweepError(f"the trainable {name!r} is not registered here; {remedy}") from None
    except registry.RegistryError as error:
        raise SweepError(str(error)) from None


class Spec(Model):
    """A sweep."""

    name: str = Field(
        pattern=NAME, description="name of the study: letters, digits, and - _ . inside, at most 64"
    )
    question: str = Field("", description="what the study asks, for its report")
    trainable: str = Field(description="dataset and architectures to train")
    mode: Literal["search", "grid"] = Field("search", description="grid: all combinations, with every seed")
    compare: Compared = Field(
        None, description="hyperparameter whose values are the arms, such as noise or {noise: [none, layer]}"
    )
    stages: Stages | None = Field(None, description="stages of a comparison: search, then confirm")
    fixed: dict[str, Value] = Field(
        {}, description="hyperparameters that are not searched, or values for where their when does not apply"
    )
    search: dict[str, Dimension] = Field({}, description="hyperparameters that are searched")
    objective: Objective = Field(description="such as {metric: val_accuracy, mode: max}")
    budget: Budget = Budget()
    scheduler: MaybeScheduler = Field(None, description="none, or asha to stop trials early")
    claims: list[Claim] = Field([], description="expected results, judged in the report")
    resources: Resources = Resources()
    seed: int = Field(0, ge=0, le=LAST_SEED, description="seed of the search and of the first replicate")
    seeds: int = Field(1, ge=1, le=MOST_TRIALS, description="replicates of each grid point, from seed on")
    max_failures: int = Field(2, ge=0, le=1_000, description="retries of a failed trial, from its last epoch")
    data_dir: str | None = Field(None, description="folder with local copies of datasets")
    profiles: dict[Annotated[str, Field(pattern=NAME)], dict[str, Any]] = Field(
        {}, exclude=True, description="variants of the sweep, such as {quick: {fixed.epochs: 1}}"
    )

    _text: str = PrivateAttr("")
    # The place of each hyperparameter in the file, for mistakes that only the data show.
    _places: dict[str, Mistake] = PrivateAttr({})

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.model_dump() == other.model_dump()

    @property
    def text(self) -> str:
        """The YAML as written; empty for a spec that comes from Python."""
        return self._text

    @property
    def is_grid(self) -> bool:
        """Whether every hyperparameter is fixed or enumerated, so that nothing is sampled."""
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
            return arms_of(self.compare, self.declaration)
        dimension = self.search.get("noise")
        values = dimension.values if dimension else []
        if dimension is None or dimension.when:
            values = [*values, self.hyperparameters({}).noise]
        return list(dict.fromkeys(values))

    @property
    def space(self) -> dict[str, Dimension]:
        """The searched dimensions, and before them the arms if arms are compared."""
        if self.compare is None:
            return self.search
        return {self.compared: Dimension(choice=self.arms), **self.search}

    @property
    def confirm_seeds(self) -> list[int]:
        """The seeds of the confirm stage, none of which the search uses."""
        confirm = self.stages.confirm if self.stages else None
        return [self.seed + 1 + index for index in range(confirm.seeds if confirm else 0)]

    @property
    def confirms(self) -> bool:
        """Whether the sweep has a confirm stage."""
        return bool(self.stages and self.stages.confirm)

    @property
    def max_epochs(self) -> int:
        """The most epochs that a trial can have."""
        return max(hyperparameters.epochs for hyperparameters in self.variants(["epochs"]))

    @property
    def resolved(self) -> str:
        """The YAML with overrides and defaults; loads to an equal spec."""
        return dump(self.model_dump(exclude_none=True))

    @cached_property
    def declaration(self) -> type[Declaration[Any]]:
        """What the trainable offers to a YAML."""
        return declaration_of(self.trainable)

    @property
    def directions(self) -> dict[str, Direction | None]:
        """The better direction of every metric that a trial can have; None where neither is better."""
        return {**self.declaration.metrics(), **self.declaration.test_metrics(), **CURVATURE}

    @property
    def verdict_metric(self) -> str:
        """The metric that arms are compared by: the objective, on the test split where a stage confirms."""
        metric = self.objective.metric
        if self.confirms and metric.startswith("val_"):
            return f"test_{metric.removeprefix('val_')}"
        return metric

    def error_at(self, hyperparameter: str | None, message: str) -> SweepError:
        """Return the error that refuses the sweep, at the place of the wrong hyperparameter if any."""
        if hyperparameter is None:
            return SweepError(message)
        place = self._places.get(hyperparameter, Mistake("", 0, hyperparameter, ""))
        return SpecError([replace(place, message=message)])

    def variants(self, names: Iterable[str]) -> list[Hyperparameters]:
        """List one configuration for each combination of values of some hyperparameters.

        A range counts as its two ends, a dimension with a ``when`` also as the value without it.
        """
        variants: list[dict[str, Any]] = [{}]
        for name in names:
            if dimension := self.space.get(name):
                options = [{name: value} for value in (*dimension.values, *dimension.bounds)]
                if dimension.when:
                    options.append({})
                variants = [variant | option for variant in variants for option in options]
        return [self.hyperparameters(variant) for variant in variants]

    def searched_of(self, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
        """Select from all hyperparameters of a trial the arm and the searched ones."""
        return {name: hyperparameters[name] for name in self.space}

    def hyperparameters(self, searched: Mapping[str, Any]) -> Hyperparameters:
        """Complete the searched hyperparameters that apply with the fixed ones and defaults."""
        hyperparameters: Hyperparameters = self.declaration.Hyperparameters(**{**self.fixed, **searched})
        return hyperparameters


def arms_of(
    compare: str | Mapping[str, Sequence[Scalar]], declaration: type[Declaration[Any]]
) -> list[Scalar]:
    """List the values in ``compare``, or else all that the hyperparameter can have; empty for a number."""
    if not isinstance(compare, str):
        return list(next(iter(compare.values()), []))
    field = declaration.Hyperparameters.model_fields.get(compare)
    if field and get_origin(field.annotation) is Literal:
        return list(get_args(field.annotation))
    return [False, True] if field and field.annotation is bool else []

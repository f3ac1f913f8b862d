"""The spec of a sweep: its YAML as a pydantic model, and what is derived from it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, Literal, get_args, get_origin

from pydantic import Field, PrivateAttr, ValidationError
from typing_extensions import override

from sweeps.errors import Mistake, SpecError, SweepError, dotted, shown, unknown_message
from sweeps.spec.base import Model
from sweeps.spec.claim import Claim
from sweeps.spec.methods import MaybeScheduler, Rule, Sampler
from sweeps.spec.sections import (
    MOST_TRIALS,
    Budget,
    Compared,
    ConfirmStage,
    Dimension,
    Looks,
    Objective,
    Resources,
    Scalar,
    SearchStage,
    Stages,
    ValueOrList,
)
from sweeps.spec.yaml import dump
from trainables import registry
from trainables.declarations.base import PREFIXES, Bounds, Declaration, Direction
from trainables.declarations.hyperparameters import Hyperparameters
from trainables.noise import registry as modes
from trainables.noise.modes.base import NoiseMode
from trainables.plugins import PluginError

NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
# Claims can be about these metrics too; a flatter loss counts as better.
CURVATURE: Mapping[str, Direction] = {
    "hessian_trace": "min",
    "hessian_top_eigenvalue": "min",
    "sharpness": "min",
}
# These hyperparameters only say what is measured. ``stages.confirm`` sets them for confirmed trials.
MEASURING = ("curvature", "weight_noise")
LAST_SEED = 2**32 - 1
REGISTER = "add --import MODULE with the module that registers it"


def not_registered(name: object, names: Sequence[str]) -> str:
    """Write the message that a name in a YAML is not registered, with what to do if it is the user's own."""
    hint = f"; for one of your own, {REGISTER}" if isinstance(name, str) else ""
    return f"{unknown_message(name, names)}{hint}"


def declaration_of(name: str) -> type[Declaration[Any]]:
    """Look up a trainable's declaration; raise SweepError if it is not known here or cannot be used."""
    try:
        return registry.declaration(name)
    except KeyError:
        remedy = f"{REGISTER}, register it in a script, or give its package an entry point"
        raise SweepError(f"the trainable {name!r} is not registered here; {remedy}") from None
    except PluginError as error:
        raise SweepError(str(error)) from None


def mode_of(name: str) -> type[NoiseMode]:
    """Look up a noise mode; raise SweepError if the package that defines it cannot be used."""
    try:
        return modes.get(name)
    except PluginError as error:
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
    across: Compared = Field(
        None,
        description="hyperparameter for each of whose values the arms are compared, such as "
        "{model: [shallow, deep]}; each arm is tuned for each value",
    )
    stages: Stages | None = Field(None, description="stages of a comparison: search, then confirm")
    fixed: dict[str, ValueOrList] = Field(
        {}, description="hyperparameters that are not searched, or values for where their when does not apply"
    )
    search: dict[str, Dimension] = Field({}, description="hyperparameters that are searched")
    objective: Objective = Field(description="such as {metric: val_accuracy, mode: max}")
    budget: Budget = Field(Budget(), description="how many trials, and what an epoch has equally many of")
    sampler: Sampler | None = Field(
        None, description="in a search without stages, how trials are chosen: tpe, random, cmaes, qmc or gp"
    )
    scheduler: MaybeScheduler = Field(
        None, description="how trials are stopped early: none, asha, hyperband or median"
    )
    claims: list[Claim] = Field([], description="expected results, judged in the report")
    resources: Resources = Field(Resources(), description="what one trial needs on a node")
    seed: int = Field(0, ge=0, le=LAST_SEED, description="seed of the search and of the first replicate")
    seeds: int = Field(1, ge=1, le=MOST_TRIALS, description="replicates of each grid point, from seed on")
    looks: Looks | None = Field(
        None, description="in a grid, instead of seeds: numbers of seeds after which claims are judged"
    )
    max_failures: int = Field(2, ge=0, le=1_000, description="retries of a failed trial, from its last epoch")
    test: bool = Field(
        False, description="in a grid: read the test split, once, after the last epoch of every trial"
    )
    data_dir: str | None = Field(None, description="folder with local copies of datasets")
    profiles: dict[Annotated[str, Field(pattern=NAME)], dict[str, Any]] = Field(
        {}, exclude=True, description="variants of the sweep, such as {quick: {fixed.epochs: 1}}"
    )

    _text: str = PrivateAttr("")
    # The places in the file of hyperparameters and looks, for mistakes that the YAML alone does not show.
    _places: dict[str, Mistake] = PrivateAttr({})

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Spec) and self.model_dump() == other.model_dump()

    @override
    def __getstate__(self) -> dict[Any, Any]:
        # Not what is cached: the declaration of a trainable from arrays has the arrays.
        state = super().__getstate__()
        fields = {name: value for name, value in state["__dict__"].items() if name in type(self).model_fields}
        return {**state, "__dict__": fields}

    @property
    def text(self) -> str:
        """The YAML as written; empty for a spec that comes from Python."""
        return self._text

    @property
    def is_grid(self) -> bool:
        """Whether every hyperparameter is fixed or enumerated, so that nothing is sampled."""
        if self.stages:
            return False
        return self.mode == "grid" or all(dimension.is_grid for dimension in self.search.values())

    @property
    def compared(self) -> str:
        """The hyperparameter whose values are the arms."""
        return name_in(self.compare) or "noise"

    @property
    def arms(self) -> list[Scalar]:
        """The values of the compared hyperparameter in this sweep."""
        if self.compare is not None:
            return self._values_of(self.compare)
        dimension = self.search.get("noise")
        values = dimension.values if dimension else []
        if dimension is None or dimension.when:
            values = [*values, self.hyperparameters({}).noise]
        return list(dict.fromkeys(values))

    @property
    def strata(self) -> list[dict[str, Scalar]]:
        """The values across which arms are compared, such as ``[{"model": "deep"}, ...]``; else ``[{}]``."""
        name = name_in(self.across)
        if name is None or self.across is None:
            return [{}]
        return [{name: value} for value in self._values_of(self.across)]

    def _values_of(self, factor: str | Mapping[str, Sequence[Scalar]]) -> list[Scalar]:
        # Values that are written out can be read without the trainable.
        return values_in(factor, self.declaration) if isinstance(factor, str) else values_in(factor)

    @property
    def tuned(self) -> list[dict[str, Scalar]]:
        """What is tuned by itself in a comparison: each arm in each stratum, such as ``{"noise": "all"}``."""
        return [{**stratum, self.compared: arm} for stratum in self.strata for arm in self.arms]

    @property
    def space(self) -> dict[str, Dimension]:
        """The searched dimensions; before them, if arms are compared, the arms and the strata."""
        if self.compare is None:
            return self.search
        across = name_in(self.across)
        strata = {across: Dimension(choice=[stratum[across] for stratum in self.strata])} if across else {}
        return {self.compared: Dimension(choice=self.arms), **strata, **self.search}

    @cached_property
    def varied(self) -> list[str]:
        """The hyperparameters that differ between trials: those of ``space`` and of the confirm stage."""
        confirm = self.confirm
        given = [
            *(confirm.at if confirm else ()),
            *(name for point in self._configurations for name in point),
        ]
        return list(dict.fromkeys([*self.space, *given]))

    @property
    def _configurations(self) -> list[Mapping[str, Any]]:
        return [*self.confirm.configurations.values()] if self.confirm else []

    @property
    def search_stage(self) -> SearchStage | None:
        """The search stage of a comparison; None if its configurations are given, and for other sweeps."""
        return self.stages.search if self.stages else None

    @property
    def search_sampler(self) -> Sampler:
        """What chooses the trials of a search."""
        return self.search_stage.sampler if self.search_stage else self.sampler or "tpe"

    @property
    def early_stopping(self) -> Rule | None:
        """The rule that stops trials of a search or grid early; None for no early stopping."""
        scheduler = self.search_stage.scheduler if self.search_stage else self.scheduler
        return scheduler.rule if scheduler else None

    @property
    def confirm(self) -> ConfirmStage | None:
        """The confirm stage, if there is one."""
        return self.stages.confirm if self.stages else None

    @property
    def confirms(self) -> bool:
        """Whether the sweep has a confirm stage."""
        return self.confirm is not None

    @property
    def n_seeds(self) -> list[int]:
        """The number of seeds at each look of a confirm stage or a grid; there is one look by default."""
        stage = self.confirm or self
        return stage.looks or [stage.seeds or 1]

    @property
    def replicates(self) -> range:
        """The seeds of a confirm stage, none of which the search uses, or of a grid, up to the last look."""
        first = self.seed + 1 if self.confirms else self.seed
        return range(first, first + self.n_seeds[-1])

    @property
    def reads_test(self) -> bool:
        """Whether trials read the test split: those of a confirm stage, or of a grid that says so."""
        return self.confirms or self.test

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
        declared = self.declaration
        under = {
            name: direction
            for split in PREFIXES
            for name, direction in declared.noise_metrics(split, self.weight_noise).items()
        }
        return {**declared.metrics(), **declared.test_metrics(), **CURVATURE, **under}

    def bounds(self, metric: str) -> Bounds:
        """Return the least and the largest value of a metric: 0 and 1 for fractions, else infinities."""
        return self.declaration.bounds_of(metric)

    @property
    def weight_noise(self) -> list[float]:
        """The sigmas of the noise under which trained networks are scored; empty if they are not."""
        sigmas: Any = self.fixed.get("weight_noise", self.confirm.weight_noise if self.confirm else [])
        return [*sigmas]

    @property
    def verdict_metric(self) -> str:
        """The metric that arms are compared by: the objective, on the test split if the sweep reads it."""
        metric = self.objective.metric
        if self.reads_test and metric.startswith("val_"):
            return f"test_{metric.removeprefix('val_')}"
        return metric

    def error_at(self, key: str | None, message: str) -> SweepError:
        """Return the error that refuses the sweep, at the place of a hyperparameter or of ``looks``."""
        if key is None:
            return SweepError(message)
        place = self._places.get(key, Mistake("", 0, key, ""))
        return SpecError([replace(place, message=message)])

    def variants(self, names: Iterable[str]) -> list[Hyperparameters]:
        """List one configuration for each combination of values of some hyperparameters.

        A range counts as its two ends, a dimension with a ``when`` also as the value without it.
        """
        variants: list[dict[str, Any]] = [{}]
        for name in names:
            if options := self.options(name):
                variants = [variant | option for variant in variants for option in options]
        return [self.hyperparameters(variant) for variant in variants]

    def options(self, name: str) -> list[dict[str, Any]]:
        """List what trials can have for a hyperparameter; an empty option stands for its fixed value."""
        options: list[dict[str, Any]] = []
        if dimension := self.space.get(name):
            options += [{name: value} for value in (*dimension.values, *dimension.bounds)]
            if dimension.when or dimension.grid_by_arm:
                options.append({})
        if self.confirm:
            given = [point[name] for point in self.confirm.configurations.values() if name in point]
            later = [{name: value} for value in (*self.confirm.at.get(name, []), *given)]
            options += later if options else [{}, *later] if later else []
        return options

    def searched_of(self, hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
        """Select from all hyperparameters of a trial the searched ones, with the arm and the stratum."""
        return {name: hyperparameters[name] for name in self.space}

    def hyperparameters(self, searched: Mapping[str, Any]) -> Hyperparameters:
        """Complete the searched hyperparameters that apply with the fixed ones and defaults."""
        values = {**self.fixed, **searched}
        try:
            hyperparameters: Hyperparameters = self.declaration.Hyperparameters(**values)
        except ValidationError as error:
            missing = self.missing and f"{self.missing}; {REGISTER}, or call trainables.register first"
            raise SweepError(f"{self.name}: {missing or _first_of(error)}") from None
        return hyperparameters

    def values(self, searched: Mapping[str, Any]) -> dict[str, Any]:
        """Complete the searched hyperparameters as ``hyperparameters`` does, for the journal, which is JSON.

        What differs between trials stays as the YAML lists it, also where training uses another value, such
        as the default that replaces an empty ``weight_decay``.
        """
        trained, replaced = self._trained(searched)
        return trained | replaced

    def used(self, searched: Mapping[str, Any]) -> dict[str, Any]:
        """Return what training uses in place of hyperparameters that ``values`` keeps as they are listed."""
        trained, replaced = self._trained(searched)
        return {name: trained[name] for name in replaced}

    def _trained(self, searched: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return what training uses, and the values in the YAML that it replaces."""
        listed = {**self.fixed, **searched}
        trained = self.hyperparameters(searched).model_dump(mode="json")
        names = [name for name in self.varied if name in listed and trained[name] != listed[name]]
        return trained, {name: listed[name] for name in names}

    @property
    def noise_modes(self) -> list[str]:
        """Names of the noise modes that its trials can have."""
        dimension, fixed = self.space.get("noise"), self.fixed.get("noise", "none")
        values: list[Any] = [*(dimension.values if dimension else [])]
        values += [fixed] if dimension is None or dimension.when else []
        given = [point["noise"] for point in self._configurations if "noise" in point]
        return list(dict.fromkeys(map(str, [*values, *given])))

    @property
    def missing(self) -> str:
        """Say what it uses that is not known here, such as the trainable of a script; empty for nothing."""
        if self.trainable not in registry.names():
            return f"the trainable {self.trainable} is not registered here"
        unknown = [mode for mode in self.noise_modes if mode not in modes.names()]
        return f"the noise mode {unknown[0]} is not registered here" if unknown else ""


def _first_of(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{dotted(first['loc'])}: {first['msg']}, got {shown(first['input'])}"


def name_in(compared: str | Mapping[str, Sequence[Scalar]] | None) -> str | None:
    """Return the hyperparameter that ``compare`` or ``across`` names."""
    return compared if isinstance(compared, str) else next(iter(compared or {}), None)


def values_in(
    factor: str | Mapping[str, Sequence[Scalar]], declaration: type[Declaration[Any]] | None = None
) -> list[Scalar]:
    """List the values in ``compare`` or ``across``, else all that it can have; empty for a number."""
    if not isinstance(factor, str):
        return list(next(iter(factor.values()), []))
    if factor == "noise":
        return list(modes.STUDY_MODES)
    field = declaration.Hyperparameters.model_fields.get(factor) if declaration else None
    if field and get_origin(field.annotation) is Literal:
        return list(get_args(field.annotation))
    return [False, True] if field and field.annotation is bool else []

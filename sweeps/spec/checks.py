"""What a spec must keep beyond its form: names that exist, values that fit, a search that runs.

Works on the mapping as written, so that one mistake never hides another.
"""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, get_args

from pydantic import TypeAdapter, ValidationError

from sweeps.errors import Location, one_of, shown, unknown
from sweeps.spec.messages import message_of
from sweeps.spec.model import CURVATURE, LAST_SEED, compared_values
from sweeps.spec.sections import KINDS, MOST_TRIALS, MOST_VALUES, Claim, Dimension, Scalar, SearchStage
from trainables import NOISE_MODES, Trainable, registry

Found = tuple[Location, str]
_SEARCH_KEYS = SearchStage.model_fields.keys()


def check(content: Mapping[str, Any]) -> list[Found]:
    """Find the mistakes that only the trainable, or two keys together, can show.

    Args:
        content: The spec as written; parts whose form is wrong are passed over.

    Returns:
        Locations and what would be right there.
    """
    name = content.get("trainable")
    if not isinstance(name, str):
        return []
    if name not in registry.names():
        return [(("trainable",), unknown(name, registry.names()))]
    return list(_Checker(content, registry.get(name)).found())


class _Checker:
    def __init__(self, content: Mapping[str, Any], trainable: type[Trainable]) -> None:
        self.content = content
        self.trainable = trainable
        self.fields = trainable.Hyperparameters.model_fields
        self.fixed = _mapping(content.get("fixed"))
        self.search = _mapping(content.get("search"))
        self.dimensions: dict[str, Dimension] = {}
        self.broken: set[str] = set()  # hyperparameters with a mistake, which is not to cause more
        for name, raw in self.search.items():
            try:
                self.dimensions[name] = Dimension.model_validate(raw)
            except ValidationError:  # reported with the form
                self.broken.add(name)
        self.compared, self.arms = self._comparison()
        self.compares = content.get("compare") is not None
        self.has_stages = content.get("stages") is not None
        self.stages = _mapping(content.get("stages"))
        self.is_grid = content.get("mode") == "grid"

    def found(self) -> Iterator[Found]:
        for location, message in (*self._names_and_values(), *self._compare_once()):
            self.broken.add(str(location[1]))
            yield location, message
        yield from self._take_arms()
        yield from self._stages()
        yield from self._seeds()
        yield from self._size()
        yield from self._conditions()
        yield from self._noise_has_sigma()
        yield from self._objective()
        yield from self._budget()
        yield from self._scheduler()
        yield from self._claims()

    def _comparison(self) -> tuple[str | None, list[Any]]:
        compare = self.content.get("compare")
        if isinstance(compare, str):
            return compare, compared_values(compare, self.trainable)
        if isinstance(compare, Mapping) and len(compare) == 1:
            ((name, values),) = compare.items()
            return str(name), list(values) if isinstance(values, list) else []
        return None, []

    def _compare(self) -> Iterator[Found]:
        if self.compared is None:
            if self.has_stages and not self.compares:
                rule = "needs compare: the hyperparameter whose values are the arms, such as noise"
                yield ("stages",), rule
            return
        here: Location = ("compare",)
        if isinstance(self.content["compare"], Mapping):
            here = ("compare", self.compared)
        if self.compared not in self.fields:
            yield here, unknown(self.compared, list(self.fields))
        elif not self.arms and here == ("compare",):
            yield here, f"must list its values, such as {{{self.compared}: [...]}}"
        elif len(self.arms) > MOST_VALUES:
            yield here, f"must have at most {MOST_VALUES:,} values, got {len(self.arms):,}"
        elif _is_twice(self.arms) or len(self.arms) < 2:
            yield here, f"must have two values or more, each once, got {shown(self.arms)}"
        elif self.compared == "curvature" and self.has_stages:
            yield here, "is measured in all arms alike: put it in stages.confirm, and compare something else"
        else:
            for index, value in enumerate(self.arms):
                if wrong := self._wrong(self.compared, value) or self._misspelt(self.compared, value):
                    yield (*here, index), wrong

    def _take_arms(self) -> Iterator[Found]:
        wrong = list(self._compare())
        yield from wrong
        if self.compared and not wrong:
            if self.compared not in self.search:
                self.dimensions[self.compared] = Dimension(choice=self.arms)
        elif self.compares or wrong:
            self.broken.add(str(self.compared))
            if "noise" not in {*self.fixed, *self.search}:  # it may be what was meant
                self.broken.add("noise")

    def _compare_once(self) -> Iterator[Found]:
        for part, names in (("fixed", self.fixed), ("search", self.search)):
            if self.compared is not None and self.compared in names:
                yield (part, self.compared), "is what compare names: leave it out here"

    def _misspelt(self, name: str, arm: Any) -> str | None:
        takes: Any = self.fields[name].annotation
        kept = TypeAdapter(takes).validate_python(arm)
        return None if str(kept) == str(arm) else f"must be written {kept}, as arms go by their text"

    def _stages(self) -> Iterator[Found]:
        if (
            self.compared
            and not (self.has_stages or self.is_grid)
            and self.content.get("mode") in (None, "search")
        ):
            rule = "needs stages, such as {search: {trials_per_arm: 20}, confirm: {seeds: 10}}, or mode: grid"
            yield ("compare",), rule
        if self.has_stages and self.is_grid:
            yield ("stages",), "leave it out: mode: grid runs every point with every seed"
        elif self.stages:
            yield from self._search_stage(_mapping(self.stages.get("search")))
            yield from self._confirm_stage(_mapping(self.stages.get("confirm")))
            yield from self._beside_stages()

    def _search_stage(self, search: Mapping[str, Any]) -> Iterator[Found]:
        given = [key for key in ("trials_per_arm", "epochs_per_arm") if search.get(key) is not None]
        if len(given) == 2:
            yield ("stages", "search"), "must have trials_per_arm or epochs_per_arm, not both"
        elif not given and isinstance(self.stages.get("search"), Mapping) and search.keys() <= _SEARCH_KEYS:
            yield ("stages", "search"), "must have trials_per_arm, such as 20, or epochs_per_arm"
        top = _mapping(self.stages.get("confirm")).get("top", 1)
        for key in given:
            if 1 <= _number(search[key]) < _number(top):
                yield ("stages", "confirm", "top"), f"must be at most the {search[key]} {key}, got {top}"

    def _confirm_stage(self, confirm: Mapping[str, Any]) -> Iterator[Found]:
        if "curvature" in self.fixed and "curvature" in confirm:
            yield ("stages", "confirm", "curvature"), "is in fixed already; keep one"
        if "curvature" in self.search:
            yield ("search", "curvature"), "cannot be searched: put it in stages.confirm or in fixed"

    def _beside_stages(self) -> Iterator[Found]:
        if _mapping(self.content.get("budget")).get("trials") is not None:
            yield ("budget", "trials"), "leave it out: stages.search has the budget, as trials_per_arm"
        if self.content.get("scheduler") not in (None, "none"):
            yield ("scheduler",), "put it into stages.search"
        if self.content.get("seeds", 1) != 1:
            yield ("seeds",), "leave it out: the seeds that count are in stages.confirm.seeds"

    def _seeds(self) -> Iterator[Found]:
        first = _number(self.content.get("seed", 0))
        confirm = _mapping(self.stages.get("confirm")).get("seeds", 0)
        left = LAST_SEED - first
        for here, count, most in (
            (("stages", "confirm", "seeds"), confirm, left),
            (("seeds",), self._grid_seeds, left + 1),
        ):
            if left >= 0 and _number(count) > most:
                yield here, f"must be at most {most}, as the last seed is {LAST_SEED}, got {count}"

    def _size(self) -> Iterator[Found]:
        # Before any list of trials is made.
        confirm = _mapping(self.stages.get("confirm"))
        points = [len(dimension.values) for dimension in self.dimensions.values() if dimension.values]
        is_grid = self.is_grid or all(dimension.kind == "grid" for dimension in self.dimensions.values())
        for here, factors in (
            (("search",), [*points, self._grid_seeds] if is_grid and not self.has_stages else []),
            (
                ("stages", "confirm"),
                [len(self.arms), _number(confirm.get("top", 1)), _number(confirm.get("seeds", 0))],
            ),
        ):
            if math.prod(factors) > MOST_TRIALS and max(factors) <= MOST_TRIALS:
                product = " x ".join(f"{factor:,}" for factor in factors)
                yield here, f"must come to at most {MOST_TRIALS:,} trials, got {product}"

    @property
    def _grid_seeds(self) -> float:
        return _number(self.content.get("seeds", 1))

    def _claims(self) -> Iterator[Found]:
        claims = self.content.get("claims")
        claims = claims if isinstance(claims, list) else []
        if claims and self.is_grid and self._grid_seeds == 1 and not self.has_stages:
            yield ("seeds",), "must be 2 or more to judge claims by, such as 10"
        if claims and not self.compares and not self.has_stages:
            yield ("claims",), "needs compare: the hyperparameter whose values are the arms, such as noise"
            return
        if claims and not self.is_grid and self.stages and self.stages.get("confirm") is None:
            yield ("claims",), "needs seeds to be judged by: stages.confirm, or mode: grid"
            return
        names: dict[str, int] = {}
        for index, raw in enumerate(claims):
            try:
                claim = Claim.model_validate(raw)
            except ValidationError:  # reported with the form
                continue
            if names.setdefault(claim.name, index) != index:
                yield (
                    ("claims", index, "name"),
                    f"{shown(claim.name)} is the name of claims[{names[claim.name]}] already",
                )
            for key, message in self._claim(claim):
                yield ("claims", index, *key), message

    def _claim(self, claim: Claim) -> Iterator[tuple[Location, str]]:
        if not self.is_grid and self.stages.get("confirm") is None:  # that is said already
            return
        yield from self._claim_arms(claim)
        yield from self._claim_metric(claim)
        yield from self._claim_epochs(claim)
        yield from self._claim_point(claim)

    def _claim_arms(self, claim: Claim) -> Iterator[tuple[Location, str]]:
        if (self.compared or "noise") in self.broken:
            return
        arms = [str(arm) for arm in (self.arms if self.compared else self._possible("noise"))]
        for key in ("better", "worse", "equal"):
            names = getattr(claim, key) or []
            for name in names:
                if str(name) not in arms:
                    yield (key,), unknown(name, arms, "is not an arm")
                elif key == "worse" and name in (claim.better or []):
                    yield (key,), f"{shown(name)} cannot be better than itself"
            if len(set(map(str, names))) < len(names):
                yield (key,), f"has an arm twice, got {shown(names)}"

    def _claim_metric(self, claim: Claim) -> Iterator[tuple[Location, str]]:
        every_epoch = self.trainable.metrics()
        known = {**every_epoch, **CURVATURE}
        if not self.is_grid:
            known |= self.trainable.test_metrics()
        if claim.metric not in known:
            problem = "is not known"
            if claim.metric in self.trainable.test_metrics():
                problem = "is read in a confirm stage alone"
            yield ("metric",), unknown(claim.metric, list(known), problem)
            return
        if known[claim.metric] is None and (claim.better or claim.reach is not None):
            judged = [name for name, direction in known.items() if direction]
            yield ("metric",), f"has no better direction; this claim can be about {one_of(judged)}"
        confirm = _mapping(self.stages.get("confirm"))
        curvature = confirm.get("curvature", self.fixed.get("curvature", "never"))
        if claim.metric in CURVATURE and curvature == "never" and "curvature" not in self.search:
            yield ("metric",), f"needs curvature: end, in {'fixed' if self.is_grid else 'stages.confirm'}"
        for key in ("reach", "epoch"):
            if claim.metric not in every_epoch and getattr(claim, key) is not None:
                possible = one_of(name for name, direction in every_epoch.items() if direction)
                yield (key,), f"needs a metric of every epoch: {possible}"

    def _claim_epochs(self, claim: Claim) -> Iterator[tuple[Location, str]]:
        epochs = max(map(_number, self._epochs()))
        if "epochs" in claim.where:
            epochs = _number(claim.where["epochs"])
        elif self.compared == "epochs":
            epochs = min(map(_number, claim.arms))
        if "epochs" in self.broken or epochs < 1:
            return
        if claim.epoch is not None and claim.epoch > epochs:
            yield ("epoch",), f"must be at most the {epochs} epochs of a trial, got {claim.epoch}"
        if claim.reach is not None and claim.within is not None and claim.within >= epochs:
            rule = f"is in epochs with reach, and must be below the {epochs} of a trial"
            yield ("within",), f"{rule}, got {claim.within:g}"

    def _epochs(self) -> list[Any]:
        dimension = self.dimensions.get("epochs")
        searched = [*dimension.values, *dimension.bounds] if dimension else []
        return searched + [self._unsearched("epochs")] * (dimension is None or bool(dimension.when))

    def _claim_point(self, claim: Claim) -> Iterator[tuple[Location, str]]:
        if not self.is_grid:
            if claim.where:
                yield ("where",), "is for mode: grid; after a search each arm has its own best configuration"
            return
        listed = {
            name: dimension.values
            for name, dimension in self.dimensions.items()
            if name != (self.compared or "noise") and dimension.values
        }
        for name, value in claim.where.items():
            if name == (self.compared or "noise"):
                yield ("where", name), "tells the arms apart: name them in better and worse, or in equal"
            elif name not in {*listed, *self.broken, *self.search}:
                nothing = "leave it out: the grid has no dimension but the arms"
                yield ("where", name), unknown(name, list(listed), "is not searched") if listed else nothing
            elif name in listed and not _is_among(value, listed[name]):
                possible = one_of(map(str, listed[name]))
                yield ("where", name), f"{shown(value)} is not a value of {name}; it can be {possible}"
        if claim.where.keys() <= listed.keys():  # else one that is misspelt may be meant
            for name, values in listed.items():
                if len(values) > 1 and name not in claim.where.keys() | self.broken:
                    yield ("where",), f"must say which {name}, such as {{{name}: {values[0]}}}"

    def _names_and_values(self) -> Iterator[Found]:
        for part, names in (("fixed", self.fixed), ("search", self.search)):
            for name in names:
                if name in ("seed", "seeds"):
                    yield (part, name), f"stands at the top of the file, as {name}: N"
                elif name not in self.fields:
                    yield (part, name), unknown(name, list(self.fields))
        for name, value in self.fixed.items():
            if name in self.fields and (wrong := self._wrong(name, value)):
                yield ("fixed", name), wrong
        for name, raw in self.search.items():
            kinds = {"choice": raw} if isinstance(raw, list) else _mapping(raw)
            for kind in KINDS if name in self.fields else ():
                values = kinds.get(kind)
                for index, value in enumerate(values if isinstance(values, list) else []):
                    if wrong := self._wrong(name, value):
                        yield ("search", name, kind, index), wrong
        for name, dimension in self.dimensions.items():
            if (dimension.uniform or dimension.log_uniform) and self._is_whole(name):
                yield ("search", name, dimension.kind), f"{name} is a whole number; use int_uniform or a list"

    def _is_whole(self, name: str) -> bool:
        annotation: Any = self.fields[name].annotation if name in self.fields else None
        kinds = get_args(annotation) or (annotation,)
        return int in kinds and float not in kinds

    def _wrong(self, name: str, value: Any) -> str | None:
        field = self.fields[name]
        takes: Any = field.annotation
        if field.metadata:  # the bounds
            takes = Annotated[takes, *field.metadata]
        adapter: TypeAdapter[Any] = TypeAdapter(takes)
        try:
            adapter.validate_python(value, strict=True)
        except ValidationError as error:
            allowed = get_args(field.annotation)
            if error.errors()[0]["type"] == "literal_error":
                return unknown(value, [str(option) for option in allowed])
            return message_of(("",), dict(error.errors()[0]))
        return None

    def _conditions(self) -> Iterator[Found]:
        for name, dimension in self.dimensions.items():
            for parent, values in (dimension.when or {}).items():
                location = ("search", name, "when", parent)
                if parent not in self.fields:
                    yield location, unknown(parent, list(self.fields))
                elif parent == name or name in self._ancestors(parent):
                    yield location, f"{name} would depend on itself"
                elif parent in self.dimensions and self.dimensions[parent].bounds:
                    yield location, f"must name a choice or grid, {parent} is {self.dimensions[parent].kind}"
                elif parent not in self.broken:
                    possible, problem = self._possible(parent), f"is not a value of {parent} in this sweep"
                    for index, value in enumerate(values):
                        if not _is_among(value, possible):
                            yield (
                                (*location, index),
                                unknown(value, [str(option) for option in possible], problem),
                            )

    def _ancestors(self, name: str, seen: frozenset[str] = frozenset()) -> frozenset[str]:
        dimension = self.dimensions.get(name)
        for parent in (dimension.when or {}) if dimension else {}:
            if parent not in seen:
                seen = self._ancestors(parent, seen | {parent})
        return seen

    def _possible(self, name: str) -> list[Any]:
        if name in self.dimensions:
            elsewhere = [self._unsearched(name)] if self.dimensions[name].when else []
            return [*self.dimensions[name].values, *elsewhere]
        return [self._unsearched(name)]

    def _unsearched(self, name: str) -> Any:
        return self.fixed.get(name, self.fields[name].default)

    def _noise_has_sigma(self) -> Iterator[Found]:
        if "noise" in self.broken:
            return
        modes = [mode for mode in self._possible("noise") if mode in NOISE_MODES and mode != "none"]
        here: Location = ("search" if "noise" in self.search else "fixed", "noise")
        if self.compared == "noise":
            here = ("compare",)
        if modes and "sigma" not in {*self.fixed, *self.search, self.compared}:
            yield here, f"{', '.join(modes)} needs sigma, in fixed or in search"
        if self.compared == "sigma":
            if "none" in self._possible("noise"):
                yield ("compare",), "cannot be sigma where noise can be none, which has no sigma"
            return
        sigma = self.dimensions.get("sigma")
        if sigma and modes and "noise" not in (sigma.when or {}) and "none" in self._possible("noise"):
            yield ("search", "sigma"), f"needs when: {{noise: [{', '.join(modes)}]}}, as none has no sigma"
        if sigma and sigma.when and "noise" in sigma.when and "sigma" not in self.fixed:
            left_out = [mode for mode in modes if mode not in sigma.when["noise"]]
            if left_out and all(mode in self._possible("noise") for mode in sigma.when["noise"]):
                rule = (
                    f"leaves out {', '.join(left_out)}, which then {'has' if len(left_out) == 1 else 'have'}"
                )
                yield ("search", "sigma", "when", "noise"), f"{rule} no noise"

    def _objective(self) -> Iterator[Found]:
        objective = _mapping(self.content.get("objective"))
        metric, mode = objective.get("metric"), objective.get("mode")
        metrics = self.trainable.metrics()
        if isinstance(metric, str) and metric not in metrics:
            yield ("objective", "metric"), unknown(metric, list(metrics))
        elif isinstance(metric, str) and mode in ("min", "max") and metrics[metric] not in (mode, None):
            yield ("objective", "mode"), f"must be {metrics[metric]} for {metric}"

    def _budget(self) -> Iterator[Found]:
        kinds = {n: d.kind for n, d in self.dimensions.items() if n != self.compared}
        sampled = [name for name, kind in kinds.items() if kind != "grid"]
        if (self.compares or self.has_stages) and not self.is_grid:
            for name, kind in kinds.items():
                if kind == "grid" and self.has_stages:
                    yield ("search", name), "must be choice in a search; grid is for mode: grid"
            return
        if self.is_grid:
            for name in sampled:
                if self.dimensions[name].bounds:
                    yield ("search", name), f"must be a list in mode: grid, got {kinds[name]}"
            sampled = []
        trials = _mapping(self.content.get("budget")).get("trials")
        if not sampled:
            known = self.search.keys() <= self.dimensions.keys()
            known = known and isinstance(self.content.get("search", {}), Mapping)
            if trials is not None and (known or self.is_grid):
                yield ("budget", "trials"), "leave it out: a grid counts its own trials (points x seeds)"
            return
        for name, kind in kinds.items():
            if kind == "grid" and sampled:
                yield ("search", name), f"grid cannot be mixed with {kinds[sampled[0]]} ({sampled[0]})"
        if trials is None:
            yield ("budget", "trials"), "is missing: how many trials to run, such as 20"
        if self.content.get("seeds", 1) != 1:
            yield ("seeds",), "needs a grid: it repeats every point of one"

    def _scheduler(self) -> Iterator[Found]:
        here: Location = ("scheduler",)
        scheduler = _mapping(self.content.get("scheduler"))
        if self.stages:
            here = ("stages", "search", "scheduler")
            scheduler = _mapping(_mapping(self.stages.get("search")).get("scheduler"))
        if self.content.get("claims") and scheduler and not self.stages:
            yield here, "leave it out: what is stopped early cannot be compared"
        grace = _mapping(scheduler.get("asha")).get("grace_epochs", 1)
        epochs = max(map(_number, self._epochs()))
        if "epochs" in self.broken:
            return
        if "asha" in scheduler and _number(grace) >= epochs > 0:
            rule = f"must be below the {epochs} epochs of a trial, or nothing is ever stopped"
            yield (*here, "asha", "grace_epochs"), f"{rule}, got {grace}"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _is_among(value: Scalar, values: Iterable[Scalar]) -> bool:
    return any(value == other and isinstance(value, bool) == isinstance(other, bool) for other in values)


def _is_twice(values: Sequence[Scalar]) -> bool:
    return any(_is_among(value, values[:index]) for index, value in enumerate(values))


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0

"""What a spec must keep beyond its form: names that exist, values that fit, a search that runs.

Works on the mapping as written, so that one mistake never hides another.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args

from pydantic import TypeAdapter, ValidationError

from sweeps.explain import message_of
from sweeps.mistakes import Location, one_of, shown, unknown
from sweeps.spec import CURVATURE, KINDS, Claim, Dimension, arms_of
from trainables import NOISE_MODES, Trainable, registry

Found = tuple[Location, str]


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
        if self.compared in self.fields and len(self.arms) > 1 and self.compared not in self.dimensions:
            self.dimensions[self.compared] = Dimension(choice=self.arms)
        self.stages = _mapping(content.get("stages"))
        self.is_grid = content.get("mode") == "grid"

    def found(self) -> Iterator[Found]:
        for location, message in self._names_and_values():
            self.broken.add(str(location[1]))
            yield location, message
        yield from self._compare()
        yield from self._stages()
        yield from self._conditions()
        yield from self._noise_has_sigma()
        yield from self._objective()
        yield from self._budget()
        yield from self._scheduler()
        yield from self._claims()

    def _comparison(self) -> tuple[str | None, list[Any]]:
        compare = self.content.get("compare")
        try:
            if isinstance(compare, str):
                return compare, arms_of(compare, self.trainable)
            name, values = next(iter(compare.items()))  # type: ignore[union-attr]
            return str(name), list(values)
        except (AttributeError, StopIteration, TypeError):  # none, or reported with the form
            return None, []

    def _compare(self) -> Iterator[Found]:
        if self.compared is None:
            if self.stages:
                yield (
                    ("stages",),
                    "needs compare: the hyperparameter whose values are the arms, such as noise",
                )
            return
        here: Location = ("compare",)
        if isinstance(compare := self.content.get("compare"), Mapping):
            here = ("compare", self.compared)
            if len(compare) > 1:
                yield ("compare",), f"must name one hyperparameter, got {one_of(map(str, compare))}"
        if self.compared not in self.fields:
            yield here, unknown(self.compared, list(self.fields))
            return
        for index, value in enumerate(self.arms):
            if wrong := self._wrong(self.compared, value):
                yield (*here, index), wrong
                self.broken.add(self.compared)
        if not self.arms and here == ("compare",):
            yield here, f"must list its values, such as {{{self.compared}: [...]}}"
        elif len(set(map(str, self.arms))) < max(2, len(self.arms)):
            yield here, f"must have two values or more, each once, got {shown(self.arms)}"
        for part, names in (("fixed", self.fixed), ("search", self.search)):
            if self.compared in names:
                yield (part, self.compared), "is what compare names: leave it out here"
        if not self.stages and not self.is_grid and not self.broken:
            rule = "needs stages, such as {search: {trials_per_arm: 20}, confirm: {seeds: 10}}, or mode: grid"
            yield ("compare",), rule

    def _stages(self) -> Iterator[Found]:
        if not self.stages:
            return
        if self.is_grid:
            yield ("stages",), "leave it out: mode: grid runs every point with every seed"
        search, confirm = _mapping(self.stages.get("search")), _mapping(self.stages.get("confirm"))
        given = [key for key in ("trials_per_arm", "epochs_per_arm") if search.get(key) is not None]
        if len(given) != 1 and "search" in self.stages:
            yield ("stages", "search"), "must have one of trials_per_arm (such as 20) and epochs_per_arm"
        if "trials_per_arm" in given and confirm:
            trials, top = _number(search["trials_per_arm"]), _number(confirm.get("top", 1))
            if top > trials:
                yield ("stages", "confirm", "top"), f"must be at most the {trials} trials_per_arm, got {top}"
        if "curvature" in self.fixed and "curvature" in confirm:
            yield ("stages", "confirm", "curvature"), "is in fixed already; keep one"
        if _mapping(self.content.get("budget")).get("trials") is not None:
            yield ("budget", "trials"), "leave it out: stages.search has the budget, as trials_per_arm"
        if self.content.get("scheduler") not in (None, "none"):
            yield ("scheduler",), "belongs into stages.search"
        if self.content.get("seeds", 1) != 1:
            yield ("seeds",), "leave it out: the seeds that count are in stages.confirm.seeds"

    def _claims(self) -> Iterator[Found]:
        claims = self.content.get("claims")
        for index, raw in enumerate(claims if isinstance(claims, list) else []):
            try:
                claim = Claim.model_validate(raw)
            except ValidationError:  # reported with the form
                continue
            for key, message in self._claim(claim):
                yield ("claims", index, *key), message

    def _claim(self, claim: Claim) -> Iterator[tuple[Location, str]]:
        if not (_mapping(self.stages.get("confirm")) or self.is_grid):
            yield (), "needs seeds to be judged by: stages.confirm, or mode: grid with seeds"
            return
        arms = self.arms if self.compared else self._possible("noise")
        for key in ("better", "worse", "equal"):
            names = getattr(claim, key) or []
            for name in names:
                if name not in arms:
                    yield (key,), unknown(name, [str(arm) for arm in arms], "is not an arm")
                elif key == "worse" and name in (claim.better or []):
                    yield (key,), f"{shown(name)} cannot be better than itself"
            if len(set(map(str, names))) < len(names):
                yield (key,), "has an arm twice"
        yield from self._claim_metric(claim)
        yield from self._claim_point(claim)

    def _claim_metric(self, claim: Claim) -> Iterator[tuple[Location, str]]:
        known = {**self.trainable.metrics(), **CURVATURE}
        if not self.is_grid:
            known |= self.trainable.test_metrics()
        if claim.metric not in known:
            problem = "is not known"
            if self.is_grid and claim.metric in self.trainable.test_metrics():
                problem = "is read in a confirm stage alone"
            yield ("metric",), unknown(claim.metric, list(known), problem)
            return
        if known[claim.metric] is None and not claim.equal:
            judged = [name for name, direction in known.items() if direction]
            yield ("metric",), f"has no better direction; a claim can be about {one_of(judged)}"
        confirm = _mapping(self.stages.get("confirm"))
        curvature = confirm.get("curvature", self.fixed.get("curvature", "never"))
        if claim.metric in CURVATURE and curvature == "never" and "curvature" not in self.search:
            part = "fixed" if self.is_grid else "stages.confirm"
            yield ("metric",), f"is measured with curvature: end in {part}"
        if claim.metric not in self.trainable.metrics():
            rule = "needs a metric of every epoch, one of"
            for key in ("reach", "epoch"):
                if getattr(claim, key) is not None:
                    every = one_of(name for name in self.trainable.metrics() if known[name])
                    yield (key,), f"{rule} {every}"

    def _claim_point(self, claim: Claim) -> Iterator[tuple[Location, str]]:
        if claim.where and not self.is_grid:
            yield ("where",), "is for mode: grid; after a search each arm has its own best configuration"
        elif self.is_grid:
            several = {
                name: dimension.values
                for name, dimension in self.dimensions.items()
                if name != (self.compared or "noise") and len(dimension.values) > 1
            }
            for name in several.keys() - claim.where.keys():
                yield ("where",), f"must say which {name}, such as {{{name}: {several[name][0]}}}"
            for name, value in claim.where.items():
                if name not in several:
                    yield ("where", name), unknown(name, list(several), "is not searched")
                elif value not in several[name]:
                    yield ("where", name), unknown(value, list(map(str, several[name])), "is not listed")

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
                        if value not in possible:
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
        if modes and "sigma" not in self.fixed and "sigma" not in self.search:
            yield here, f"{', '.join(modes)} needs sigma, in fixed or in search"
        sigma = self.dimensions.get("sigma")
        if sigma and modes and "noise" not in (sigma.when or {}) and "none" in self._possible("noise"):
            yield ("search", "sigma"), f"needs when: {{noise: [{', '.join(modes)}]}}, as none has no sigma"
        if sigma and sigma.when and "noise" in sigma.when and "sigma" not in self.fixed:
            for mode in modes:
                if mode not in sigma.when["noise"]:
                    yield ("search", "sigma", "when", "noise"), f"leaves out {mode}, which then has no noise"

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
        if self.stages and not self.is_grid:
            for name, kind in kinds.items():
                if kind == "grid":
                    yield ("search", name), "must be choice in a search; grid is for mode: grid"
            return
        if self.is_grid:
            for name in sampled:
                if self.dimensions[name].bounds:
                    yield ("search", name), f"must be a list in mode: grid, got {kinds[name]}"
            sampled = []
        trials = _mapping(self.content.get("budget")).get("trials")
        if not sampled:
            known = len(self.dimensions) == len(self.search) and isinstance(
                self.content.get("search", {}), Mapping
            )
            if trials is not None and known:
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
        dimension = self.dimensions.get("epochs")
        searched = (*dimension.values, *dimension.bounds) if dimension else ()
        possible = (
            (*searched, self._unsearched("epochs")) if dimension is None or dimension.when else searched
        )
        epochs = max(map(_number, possible))
        if "epochs" in self.broken:
            return
        if "asha" in scheduler and _number(grace) >= epochs > 0:
            rule = f"must be below the {epochs} epochs of a trial, or nothing is ever stopped"
            yield (*here, "asha", "grace_epochs"), f"{rule}, got {grace}"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0

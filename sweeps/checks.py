"""What a spec must keep beyond its form: names that exist, values that fit, a search that runs.

Works on the mapping as written, so that one mistake never hides another.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, get_args

from pydantic import TypeAdapter, ValidationError

from sweeps.explain import message_of
from sweeps.mistakes import Location, unknown
from sweeps.spec import KINDS, Dimension
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

    def found(self) -> Iterator[Found]:
        for location, message in self._names_and_values():
            self.broken.add(str(location[1]))
            yield location, message
        yield from self._conditions()
        yield from self._noise_has_sigma()
        yield from self._objective()
        yield from self._budget()
        yield from self._scheduler()

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
        part = "search" if "noise" in self.search else "fixed"
        if modes and "sigma" not in self.fixed and "sigma" not in self.search:
            yield (part, "noise"), f"{', '.join(modes)} needs sigma, in fixed or in search"
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
        kinds = {name: dimension.kind for name, dimension in self.dimensions.items()}
        sampled = [name for name, kind in kinds.items() if kind != "grid"]
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
        grace = _mapping(_mapping(self.content.get("scheduler")).get("asha")).get("grace_epochs", 1)
        dimension = self.dimensions.get("epochs")
        searched = (*dimension.values, *dimension.bounds) if dimension else ()
        possible = (
            (*searched, self._unsearched("epochs")) if dimension is None or dimension.when else searched
        )
        epochs = max(map(_number, possible))
        if "epochs" in self.broken:
            return
        if "asha" in _mapping(self.content.get("scheduler")) and _number(grace) >= epochs > 0:
            rule = f"must be below the {epochs} epochs of a trial, or nothing is ever stopped"
            yield ("scheduler", "asha", "grace_epochs"), f"{rule}, got {grace}"


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _number(value: Any) -> float:
    return value if isinstance(value, int | float) else 0

"""The well-formed parts of a spec: the checks use these, so that no mistake hides another."""

from collections.abc import Collection, Mapping
from typing import Any, TypeVar

from sweeps.errors import Location
from sweeps.spec.claim import Claim
from sweeps.spec.model import name_in, values_in
from sweeps.spec.sections import Dimension
from sweeps.spec.space import NOISE_HYPERPARAMETERS
from trainables.declarations.base import Declaration

Problem = tuple[Location, str]
T = TypeVar("T")


class Draft:
    """A spec that may have mistakes, with the parts that pydantic found well-formed.

    Attributes:
        fields: The trainable's hyperparameters.
        dimensions: The well-formed searched hyperparameters, and the arms if they are well-formed.
        broken: Hyperparameters with a mistake; checks skip what depends on them.
        claims: The well-formed claims, by their index.
    """

    def __init__(
        self, content: Mapping[str, Any], declaration: type[Declaration[Any]], wrong: Collection[Location]
    ) -> None:
        self._wrong = wrong
        self.content, self.declaration = content, declaration
        self.fields = declaration.Hyperparameters.model_fields
        self.fixed, self.search = self.section("fixed"), self.section("search")
        self.broken = {name for name in self.search if not self._is_valid(("search", name))}
        self.dimensions = {
            name: Dimension.model_validate(raw)
            for name, raw in self.search.items()
            if name not in self.broken
        }
        self.is_grid = content.get("mode") == "grid"
        self.stages = self.section("stages")
        self.confirm = self.section("stages", "confirm")
        self.at = self.section("stages", "confirm", "at")
        self.configurations = self.section("stages", "confirm", "configurations")
        self.has_stages = content.get("stages") is not None
        self.compares = content.get("compare") is not None
        self.compared, self.arms = self._factor("compare")
        self.across, self.strata = self._factor("across")
        claims = list(enumerate(content["claims"])) if isinstance(content.get("claims"), list) else []
        self.has_claims = bool(claims)
        right = [(index, raw) for index, raw in claims if self._is_valid(("claims", index))]
        self.claims = {index: Claim.model_validate(raw) for index, raw in right}

    def _factor(self, key: str) -> tuple[str | None, list[Any]]:
        """The hyperparameter in ``compare`` or ``across``, and its values; None and empty if it is wrong."""
        factor: Any = self.content.get(key)
        if not isinstance(factor, str) and not (isinstance(factor, Mapping) and len(factor) == 1):
            return None, []
        return name_in(factor), values_in(factor, self.declaration) if self._is_valid((key,)) else []

    def section(self, *location: str) -> Mapping[str, Any]:
        """The mapping at a location as written; empty if there is none."""
        section: Any = self.content
        for key in location:
            section = section.get(key)
            if not isinstance(section, Mapping):
                return {}
        return section

    def valid(self, default: T, *location: str) -> T:
        """The value at a location; the default if there is none, or if its form is wrong."""
        *above, key = location
        value: T = self.section(*above).get(key, default)
        return value if self._is_valid(location) else default

    def _is_valid(self, location: Location) -> bool:
        """Whether pydantic found no mistake at a location, in it, or in what contains it."""
        return all(wrong[: len(location)] != location[: len(wrong)] for wrong in self._wrong)

    def possible_values(self, name: str) -> list[Any]:
        """The values that a hyperparameter can have in this sweep; those of a range are left out."""
        dimension = self.dimensions.get(name)
        if dimension and not dimension.when and not dimension.grid_by_arm:
            return dimension.values
        unsearched = self.fixed.get(name, self.fields[name].default)
        return [*(dimension.values if dimension else ()), unsearched]

    def listed(self, name: str, arm: Any) -> list[Any]:
        """The values of a hyperparameter at which an arm is trained by itself; empty if it has none.

        They are those of a grid, of ``across`` or of ``at``.
        """
        dimension = self.dimensions.get(name)
        none: list[Any] = []
        values = self.valid(none, "stages", "confirm", "at", name) if name in self.varied_at else None
        if dimension and self.compared and arm not in (dimension.when or {}).get(self.compared, [arm]):
            return []
        if values is not None:
            without = self.compared == "noise" and arm == "none" and name in NOISE_HYPERPARAMETERS
            return [] if without else values
        if dimension is None:
            return []
        return dimension.values_for(arm)

    @property
    def weight_noise_is_wrong(self) -> bool:
        """Whether the sigmas under which trained networks are scored have a mistake."""
        confirm = ("stages", "confirm", "weight_noise")
        return "weight_noise" in self.broken or not self._is_valid(confirm)

    @property
    def weight_noise(self) -> list[float]:
        """The sigmas under which trained networks are scored; empty if they have a mistake."""
        if self.weight_noise_is_wrong:
            return []
        return [*self.fixed.get("weight_noise", self.confirm.get("weight_noise", []))]

    @property
    def varied_at(self) -> list[str]:
        """The hyperparameters in ``at`` that may be there."""
        return [name for name in self.at if name not in (self.compared, self.across)]

    @property
    def places(self) -> list[str]:
        """The hyperparameters of the points that a claim can be about."""
        if not self.is_grid:
            return [*([self.across] if self.across else []), *self.varied_at]
        return [name for name, item in self.dimensions.items() if name != self.compared and item.values]

    @property
    def most_epochs(self) -> int:
        """The most epochs that a trial can have, if ``epochs`` is not broken."""
        dimension = self.dimensions.get("epochs")
        return max([*self.possible_values("epochs"), *(dimension.bounds if dimension else ())])

"""A claim of a sweep's YAML."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from sweeps.errors import shown
from sweeps.spec.base import Model
from sweeps.spec.sections import Range, Scalar, Value, is_value


def _as_list(value: Any) -> Any:
    if not isinstance(value, Scalar | list):
        raise ValueError(f"must be an arm or a list of arms, got {shown(value)}")
    return value if isinstance(value, list) else [value]


Names = Annotated[list[Value], Field(min_length=1)]
Arms = Annotated[Names, BeforeValidator(_as_list, json_schema_input_type=Scalar | Names)]


def _number_or_common(value: Any) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    # The comparison also refuses NaN, and whole numbers too large for a float.
    if value is None or value == "common" or (is_number and abs(value) <= sys.float_info.max):
        return value
    raise ValueError(f"must be a number or common, got {shown(value)}")


class Between(Model):
    """A range of a hyperparameter, both ends included."""

    between: Range[float] = Field(description="[lowest, highest]")


def _value_or_range(value: Any) -> Any:
    if isinstance(value, Between) or is_value(value):
        return value
    with suppress(ValidationError):
        return Between.model_validate(value)
    raise ValueError(f"must be one value or {{between: [lowest, highest]}}, got {shown(value)}")


Place = Annotated[Scalar | Between, BeforeValidator(_value_or_range)]
_FORMS = (["better", "worse"], ["equal", "within"], ["drops"])


class Claim(Model):
    """An expected result, compared with the actual one.

    Arms are better than others (here, or by more here than elsewhere), are equal, or fall from their best
    score to their last.
    """

    name: str = Field(min_length=1, description="the claim in words")
    published: str = Field("", description="the sentence of a publication that the claim puts to the test")
    metric: str | None = Field(None, description="metric after the last epoch, such as test_accuracy")
    area: str | None = Field(
        None, description="instead of metric: the mean of this metric over the epochs, up to until"
    )
    until: int | None = Field(None, ge=2, description="the last epoch of area; empty: the last of all")
    better: Arms | None = Field(None, description="arm or arms that are better than each arm in worse")
    worse: Arms | None = Field(None, description="arm or arms")
    by: float | None = Field(
        None,
        gt=0,
        description="the smallest advantage that matters: seeds that show less refute the claim; "
        "in the unit of metric, in epochs with reach",
    )
    equal: Annotated[list[Value], Field(min_length=2)] | None = Field(
        None, description="instead of better and worse: arms that differ by less than within"
    )
    within: float | None = Field(
        None, gt=0, description="difference below which arms count as equal; in epochs with reach"
    )
    drops: Arms | None = Field(
        None, description="instead of better and worse: arms whose last score is worse than their best before"
    )
    reach: Annotated[float | Literal["common"] | None, BeforeValidator(_number_or_common)] = Field(
        None,
        description="compare epochs until metric is this good; common: the worst final score of these arms",
    )
    epoch: int | None = Field(None, ge=1, description="compare metric after this epoch instead of the last")
    where: dict[str, Place] = Field(
        {},
        description="the point that the claim is about, such as {sigma: 0.03}; "
        "{sigma: {between: [0.003, 0.03]}}: each listed value in this range",
    )
    than: dict[str, Value] | None = Field(
        None, description="compare the advantage with that at this other point, such as {model: shallow}"
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        keys = ("better", "worse", "equal", "within", "drops")
        given = [key for key in keys if getattr(self, key) is not None]
        if given not in _FORMS:
            got = ", ".join(given) or "none of them"
            raise ValueError(f"must have better and worse, or equal and within, or drops, got {got}")
        if (self.metric is None) == (self.area is None):
            raise ValueError("must have metric or area, one of them")
        if self.until is not None and self.area is None:
            raise ValueError("must have area beside until, such as area: val_rmse, until: 20")
        special = [key for key in ("area", "reach", "epoch", "drops") if getattr(self, key) is not None]
        if len(special) > 1:
            raise ValueError(f"must have {' or '.join(special)}, not both")
        if self.than is not None and self.better is None:
            raise ValueError("must have better and worse beside than")
        if self.by is not None and self.equal is not None:
            raise ValueError("must not have by beside equal: within is what matters there")
        return self

    @property
    def measured(self) -> str:
        """The metric that the claim is about, also of an area."""
        return self.metric or self.area or ""

    @property
    def arms(self) -> list[Scalar]:
        """Every arm that the claim names."""
        return [*(self.better or []), *(self.worse or []), *(self.equal or []), *(self.drops or [])]


def in_range(place: Between, values: Iterable[Scalar]) -> list[Scalar]:
    """Select the numbers that lie in a range."""
    low, high = place.between
    return [
        value
        for value in values
        if isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high
    ]

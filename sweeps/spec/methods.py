"""How a search chooses its trials and stops some early: samplers and schedulers, by name."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from sweeps.errors import one_of
from sweeps.spec.base import Model

Sampler = Literal["tpe", "random", "cmaes", "qmc", "gp"]
# Their names in texts.
SAMPLERS: Mapping[Sampler, str] = {
    "tpe": "TPE",
    "random": "random search",
    "cmaes": "CMA-ES",
    "qmc": "QMC",
    "gp": "GP",
}


class ASHA(Model):
    """Asynchronous successive halving (Li et al., 2020), which stops trials that are behind their peers."""

    label: ClassVar[str] = "ASHA"
    grace_epochs: int = Field(1, ge=1, description="epochs before a trial may be stopped")
    reduction_factor: float = Field(3.0, ge=1.1, description="one trial in this many passes each rung")


class Hyperband(Model):
    """Brackets of ASHA whose trials run longer and longer before one may be stopped (Li et al., 2018)."""

    label: ClassVar[str] = "Hyperband"
    grace_epochs: int = Field(
        1, ge=1, description="epochs before a trial of the first bracket may be stopped"
    )
    reduction_factor: float = Field(
        3.0,
        ge=1.1,
        description="one trial in this many passes each rung; in each bracket, the first is as "
        "many times later",
    )


class Median(Model):
    """Stops trials whose best is worse than the median of the others' means so far (Golovin et al., 2017)."""

    label: ClassVar[str] = "the median rule"
    grace_epochs: int = Field(1, ge=1, description="epochs before a trial may be stopped")
    min_trials: int = Field(
        3, ge=1, description="other trials that must have come as far before one is stopped"
    )


Rule = ASHA | Hyperband | Median


class Scheduler(Model):
    """Early stopping, by one of these rules."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    asha: ASHA | None = Field(None, description="such as {grace_epochs: 1, reduction_factor: 3}")
    hyperband: Hyperband | None = Field(None, description="such as {grace_epochs: 1, reduction_factor: 3}")
    median: Median | None = Field(None, description="such as {grace_epochs: 1, min_trials: 3}")

    @model_validator(mode="after")
    def _one_rule(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            names = one_of(type(self).model_fields)
            raise ValueError(f"must have exactly one of {names}, such as {{asha: {{grace_epochs: 2}}}}")
        return self

    @property
    def rule(self) -> Rule:
        """The one that is given."""
        rule = self.asha or self.hyperband or self.median
        assert rule is not None, "one is given"
        return rule


def _by_name(value: Any) -> Any:
    if value == "none":
        return None
    if isinstance(value, str) and value in Scheduler.model_fields:
        return {value: {}}
    if value is not None and not isinstance(value, dict | Scheduler):
        names = one_of(["none", *Scheduler.model_fields])
        raise ValueError(f"must be {names}, or one with its keys, such as {{asha: {{grace_epochs: 2}}}}")
    return value


MaybeScheduler = Annotated[
    Scheduler | None,
    BeforeValidator(
        _by_name, json_schema_input_type=Scheduler | None | Literal["none", "asha", "hyperband", "median"]
    ),
]

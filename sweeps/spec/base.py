"""The base class of every section of a sweep's YAML."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A section that refuses unknown keys, values of another type, and numbers that are not finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)

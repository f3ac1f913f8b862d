"""What pydantic finds in a spec, in the words of a user's YAML."""

from datetime import date
from typing import Any

from pydantic import BaseModel, ValidationError

from sweeps.errors import Location, shown, unknown
from sweeps.spec.model import Spec
from sweeps.spec.sections import (
    ASHA,
    Budget,
    Claim,
    ConfirmStage,
    Dimension,
    Objective,
    Resources,
    Scheduler,
    SearchStage,
    Stages,
)

_MODELS: dict[Location, type[BaseModel]] = {
    (): Spec,
    ("objective",): Objective,
    ("budget",): Budget,
    ("resources",): Resources,
    ("scheduler",): Scheduler,
    ("scheduler", "asha"): ASHA,
    ("stages",): Stages,
    ("stages", "search"): SearchStage,
    ("stages", "search", "scheduler"): Scheduler,
    ("stages", "search", "scheduler", "asha"): ASHA,
    ("stages", "confirm"): ConfirmStage,
}
_SCALARS = {"bool", "int", "float", "str", "none"}


def explain(error: ValidationError) -> list[tuple[Location, str]]:
    """Say what pydantic found in the words of a user's YAML.

    Args:
        error: From validating a ``Spec``.

    Returns:
        Locations and what would be right there, each location once.
    """
    found: dict[Location, str] = {}
    for item in error.errors():
        location: Location = item["loc"]
        if item["type"] == "extra_forbidden" or not location or location[-1] not in _SCALARS:
            found.setdefault(location, message_of(location, dict(item)))
        else:  # one line for a union, not one for each of its members
            what = "one value (a number, text, true or false)"
            message = f"must be {what}, got {shown(item['input'])}"
            if item["type"] == "finite_number":
                found[location[:-1]] = message_of(location, dict(item))
            found.setdefault(location[:-1], message)
    return list(found.items())


def message_of(location: Location, item: dict[str, Any]) -> str:
    """Word one of pydantic's errors.

    Args:
        location: The key.
        item: One of ``ValidationError.errors()``.

    Returns:
        What would be right, and what was given.
    """
    *above, name = location or ("",)
    model = _model(tuple(above))
    field = model.model_fields.get(str(name)) if model else None
    match item["type"]:
        case "extra_forbidden":
            return unknown(name, list(model.model_fields) if model else [])
        case "missing":
            return f"is missing: {field.description or 'see `noisesweep schema`'}" if field else "is missing"
        case "value_error":
            return str(item["ctx"]["error"])
        case "string_pattern_mismatch" if name == "[key]":  # of profiles
            rule = "a profile's name has letters, digits, and - _ . inside, at most 64"
            return f"{rule}, got {shown(item['input'])}"
        case "string_pattern_mismatch" if field:
            return f"must be a {field.description}, got {shown(item['input'])}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"must be a mapping of keys, got {shown(item['input'])}"
        case "too_long" if not str(name).endswith("uniform"):
            return f"must have at most {item['ctx']['max_length']:,} values, got {len(item['input']):,}"
        case "too_short" | "too_long":
            least = "two values or more" if item["ctx"].get("min_length") == 2 else "at least one value"
            wanted = "[lowest, highest]" if str(name).endswith("uniform") else least
            return f"must have {wanted}, got {shown(item['input'])}"
        case "string_too_short":
            return f"must not be empty: {field.description}" if field else "must not be empty"
        case "int_type" | "int_from_float":
            return f"must be a whole number, got {shown(item['input'])}"
        case "string_type":
            hint = "; write it in quotes" if isinstance(item["input"], bool | int | float | date) else ""
            return f"must be text, got {shown(item['input'])}{hint}"
    rule = item["msg"].replace("Input should", "must").replace("must be a valid", "must be a")
    return f"{rule}, got {shown(item['input'])}"


def _model(location: Location) -> type[BaseModel] | None:
    if len(location) == 2 and location[0] in ("search", "claims"):
        return Dimension if location[0] == "search" else Claim
    return _MODELS.get(location)

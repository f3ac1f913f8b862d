"""Messages for mistakes in a spec's form: pydantic's errors in the terms of a user's YAML."""

from datetime import date
from types import NoneType, UnionType
from typing import Any, get_args

from pydantic.fields import FieldInfo

from sweeps.errors import Location, shown, unknown_message
from sweeps.spec.model import Spec
from trainables.declarations.hyperparameters import Hyperparameters


def message_of(location: Location, item: dict[str, Any]) -> str:
    """Say what would be right at a location; ``item`` is one of ``ValidationError.errors()``."""
    *above, name = location or ("",)
    fields = _fields_at(tuple(above))
    field = fields.get(str(name))
    description = field.description if field else None
    got = f", got {shown(item['input'])}"
    match item["type"]:
        case "extra_forbidden" if not above and name in Hyperparameters.model_fields:
            return f"{shown(name)} is a hyperparameter; write fixed.{name}, or search.{name} to search it"
        case "extra_forbidden":
            return unknown_message(name, list(fields))
        case "missing":
            return f"is missing: {description or 'see `noisesweep schema`'}" if field else "is missing"
        case "value_error":
            return str(item["ctx"]["error"])
        case "string_pattern_mismatch" if name == "[key]":
            # Only the mapping of profiles has a pattern for its keys.
            return f"a profile's name has letters, digits, and - _ . inside, at most 64{got}"
        case "string_pattern_mismatch" if field:
            return f"must be a {description}{got}"
        case "model_type" | "model_attributes_type" | "dict_type":
            return f"must be a mapping of keys{got}"
        case "too_short" | "too_long" if str(name).endswith("uniform"):
            return f"must have [lowest, highest]{got}"
        case "too_short":
            least = "two values or more" if item["ctx"]["min_length"] == 2 else "at least one value"
            return f"must have {least}{got}"
        case "too_long":
            return f"must have at most {item['ctx']['max_length']:,} values, got {len(item['input']):,}"
        case "string_too_short":
            return f"must not be empty: {description}" if field else "must not be empty"
        case "int_type" | "int_from_float":
            return f"must be a whole number{got}"
        case "string_type":
            is_plain = isinstance(item["input"], bool | int | float | date)
            return f"must be text{got}{'; write it in quotes' if is_plain else ''}"
    return item["msg"].replace("Input should", "must").replace("must be a valid", "must be a") + got


def _fields_at(location: Location) -> dict[str, FieldInfo]:
    """The fields of the section at a location; empty if there is no section."""
    kind: Any = Spec
    for key in location:
        if fields := getattr(kind, "model_fields", None):
            kind = fields[key].annotation if key in fields else None
        else:
            # The last argument is the type of a list's items, or of a mapping's values.
            kind = (get_args(kind) or (None,))[-1]
        if isinstance(kind, UnionType):
            kind = next(option for option in get_args(kind) if option is not NoneType)
    return getattr(kind, "model_fields", {})

"""The JSON schema of a sweep's YAML, for editors."""

import re
from typing import Any

from sweeps.spec.model import CURVATURE, Spec, declaration_of
from sweeps.spec.sections import KINDS
from trainables import registry
from trainables.declarations.base import Declaration


def json_schema() -> dict[str, Any]:
    """Describe the YAML, with the hyperparameters of every trainable, as JSON schema draft 2020-12."""
    schema = Spec.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["properties"]["trainable"]["enum"] = registry.names()
    schema["allOf"] = [_of_trainable(name, schema["$defs"]) for name in registry.names()]
    return schema


def _of_trainable(name: str, definitions: dict[str, Any]) -> dict[str, Any]:
    declaration = declaration_of(name)
    described = declaration.Hyperparameters.model_json_schema(ref_template=f"#/$defs/{name}.{{model}}")
    definitions.update({f"{name}.{key}": value for key, value in described.get("$defs", {}).items()})
    fields = described["properties"]
    values = {"properties": fields, "additionalProperties": False}
    # A list can be fixed, but neither searched nor compared.
    scalars = {key: field for key, field in fields.items() if field.get("type") != "array"}
    searched = {key: _searched(field) for key, field in scalars.items()}
    listed = {**values, "properties": {key: {"items": field} for key, field in scalars.items()}}
    factor = {"anyOf": [{"enum": [*scalars, None]}, {**listed, "type": "object"}]}
    placed = {key: {"anyOf": [field, {"$ref": "#/$defs/Between"}]} for key, field in scalars.items()}
    confirm = {"at": listed, "configurations": {"additionalProperties": values}}
    sections = {
        "fixed": values,
        "search": {**values, "properties": searched},
        "compare": factor,
        "across": factor,
        "stages": {"properties": {"confirm": {"properties": confirm}}},
        "objective": {"properties": {"metric": {"enum": sorted(declaration.metrics())}}},
        "claims": {"items": {"properties": _of_claim(declaration, placed, values)}},
    }
    is_trainable = {"properties": {"trainable": {"const": name}}, "required": ["trainable"]}
    return {"if": is_trainable, "then": {"properties": sections}}


def _of_claim(
    declaration: type[Declaration[Any]], placed: dict[str, Any], values: dict[str, Any]
) -> dict[str, Any]:
    judged = [*declaration.metrics(), *declaration.test_metrics(), *CURVATURE]
    evaluated = [*declaration.noise_metrics("validation", [1]), *declaration.noise_metrics("test", [1])]
    under = "|".join(re.escape(name.removesuffix("1")) for name in evaluated)
    return {
        "metric": {"anyOf": [{"enum": [*sorted(judged), None]}, {"pattern": rf"^({under})[0-9.e-]+$"}]},
        "area": {"enum": [*sorted(declaration.metrics()), None]},
        "where": {**values, "properties": placed},
        "than": values,
    }


def _searched(field: dict[str, Any]) -> dict[str, Any]:
    # "items" constrains lists only and "properties" mappings only, so that both forms of a dimension fit.
    kinds: dict[str, Any] = {kind: {"items": field} for kind in KINDS}
    kinds["grid_by_arm"] = {"additionalProperties": {"items": field}}
    description = field.get("description", "")
    return {"$ref": "#/$defs/Dimension", "description": description, "items": field, "properties": kinds}

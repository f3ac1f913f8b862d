"""Sections of reference pages, generated from the code: keys, hyperparameters, noise modes and commands."""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

from pydantic import BaseModel

import sweeps
import trainables
from sweeps.spec import claim, methods, sections
from sweeps.spec.model import Spec, declaration_of
from trainables import registry
from trainables.declarations.base import with_prefix
from trainables.declarations.hyperparameters import Hyperparameters
from trainables.noise import registry as noise

# The sections of the YAML, with the keys that lead to them.
SECTIONS: Sequence[tuple[str, type[BaseModel]]] = (
    ("search: {HYPERPARAMETER: ...}", sections.Dimension),
    ("stages", sections.Stages),
    ("stages.search", sections.SearchStage),
    ("stages.confirm", sections.ConfirmStage),
    ("scheduler, stages.search.scheduler", methods.Scheduler),
    ("scheduler.asha", methods.ASHA),
    ("scheduler.hyperband", methods.Hyperband),
    ("scheduler.median", methods.Median),
    ("objective", sections.Objective),
    ("budget", sections.Budget),
    ("claims: [{...}]", claim.Claim),
    ("claims: [{where: {HYPERPARAMETER: ...}}]", claim.Between),
    ("resources", sections.Resources),
)
_BRACES = re.compile(r"\{(?:[^{}]|\{[^{}]*\})*\}")
_SCALARS = {"boolean", "integer", "number", "string"}
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def yaml_keys() -> str:
    """Describe every key of a sweep's YAML, section by section."""
    parts = [_fields(Spec)]
    for path, model in SECTIONS:
        summary = (model.__doc__ or "").partition("\n")[0]
        parts.append(f"### `{path}` {{: #{model.__name__.lower()} }}\n\n{summary}\n\n{_fields(model)}")
    return "\n\n".join(parts)


def hyperparameters() -> str:
    """Describe the hyperparameters that all trainables have, and those that each adds."""
    parts = [f"## Every trainable\n\n{_fields(Hyperparameters)}"]
    shared = Hyperparameters.model_json_schema()["properties"]
    for name in registry.names():
        declaration = declaration_of(name)
        summary = (declaration.__doc__ or "").partition("\n")[0]
        metrics = ", ".join(f"`{metric}`" for metric in with_prefix("validation", dict(declaration.scores)))
        own = declaration.Hyperparameters
        added = [
            key for key, field in own.model_json_schema()["properties"].items() if field != shared.get(key)
        ]
        parts.append(f"## `{name}`\n\n{summary} Scores: {metrics}.\n\n{_fields(own, added)}")
    return "\n\n".join(parts)


def noise_modes() -> str:
    """Tabulate the noise modes that are built in."""
    rows = [
        (f"`{mode.name}`", f"`{mode.noise}`", f"`{mode.formula}`", str(mode.gradients), mode.source)
        for mode in (*noise.STUDIED, *noise.OTHERS)
    ]
    return _table(("mode", "noise n", "step", "gradients", "source"), rows)


def commands() -> str:
    """Describe every command with its arguments and options, as typer documents them."""
    words = [sys.executable, "-m", "typer", "sweeps.cli", "utils", "docs", "--name", "noisesweep"]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    # The page has a heading of its own.
    return done.stdout.partition("\n")[2]


def _fields(model: type[BaseModel], names: Iterable[str] | None = None) -> str:
    schema = model.model_json_schema()
    required = schema.get("required", ())
    # A dimension is a list or a mapping of these properties.
    properties = schema.get("properties") or schema["anyOf"][1]["properties"]
    rows = [
        (
            f"`{name}`",
            _kind(field),
            _default(field, name in required),
            _with_code(field.get("description", "")),
        )
        for name, field in properties.items()
        if names is None or name in names
    ]
    return _table(("key", "takes", "default", "what it is"), rows)


def _with_code(text: str) -> str:
    # Markdown would take braces at the end of a cell for attributes.
    return _BRACES.sub(r"`\g<0>`", text)


def _default(field: Mapping[str, Any], required: bool) -> str:
    if required:
        return "required"
    default = field.get("default")
    return "" if default in (None, "", [], {}) or isinstance(default, dict) else f"`{json.dumps(default)}`"


def _kind(field: Mapping[str, Any]) -> str:
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if "$ref" in field:
        return f"[a mapping](#{field['$ref'].rpartition('/')[2].lower()})"
    if "anyOf" in field:
        kinds = dict.fromkeys(_kind(each) for each in field["anyOf"] if each.get("type") != "null")
        if kinds.keys() >= _SCALARS:
            kinds = {"value": None} | {kind: None for kind in kinds if kind not in _SCALARS}
        return " or ".join(kinds)
    if field.get("type") == "array":
        return f"list of: {_kind(field.get('items', {}))}"
    if field.get("type") == "object":
        return f"mapping to: {_kind(field.get('additionalProperties', {}))}"
    bounds = [f"{sign} {field[key]:g}" for key, sign in _BOUNDS.items() if key in field]
    return " ".join([field.get("type", "any value"), " and ".join(bounds)]).strip()


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def api_of_sweeps() -> str:
    """Name what ``sweeps`` exports, for mkdocstrings."""
    return _api(sweeps)


def api_of_trainables() -> str:
    """Name what ``trainables`` exports, for mkdocstrings."""
    return _api(trainables)


def _api(package: ModuleType) -> str:
    # Functions come before classes and constants.
    names = sorted(package.__all__, key=lambda name: (name[0].isupper(), name))
    return "\n\n".join(f"::: {package.__name__}.{name}" for name in names)

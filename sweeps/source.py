"""A spec as written: YAML with the line of every key, and the overrides of the command line."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sweeps.mistakes import Location, Mistake, SpecError, dotted, shown, unknown


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-3 as a number, as YAML 1.2 does, and every key as text."""

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, AttributeError):  # what PyYAML lets through for such as 2024-13-01
            kind = node.tag.rpartition(":")[2]
            problem = f"{shown(node.value)} is no {kind}; write it in quotes if it is text"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                problem = "a key must be text; a value that starts with { or [ may need quotes"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        return {key.value: self.construct_object(value, deep) for key, value in node.value}


class _Dumper(yaml.SafeDumper):
    """SafeDumper that puts text in quotes which ``_Loader`` would read as a number."""


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
        list("-+.0123456789"),
    )


def dump(content: Mapping[str, Any]) -> str:
    """Write a spec so that ``Source`` reads the same.

    Args:
        content: The mapping.

    Returns:
        YAML.
    """
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110)


class Source:
    """The content of a spec, and where each of its keys stands.

    Attributes:
        name: The file's name, or what else to call it in messages.
        content: The parsed mapping, overrides applied.
        text: The file's text; empty for a mapping.
        mistakes: Keys that are given twice.
    """

    def __init__(
        self,
        source: str | Path | Mapping[str, Any],
        overrides: Sequence[str] = (),
        profile: str | None = None,
    ) -> None:
        """Read a spec.

        Args:
            source: A YAML file, or a mapping of the same form.
            overrides: ``key=value`` with a dotted key and a YAML value.
            profile: One of the mappings under ``profiles``, applied before the overrides.

        Raises:
            SpecError: If the file cannot be read, is not YAML or not a mapping, or the profile or an override
                is not right.
        """
        # What was changed, and the key of the profile that did it; the last to change a key stands first.
        self._changed: list[tuple[Location, Location | None]] = []
        self._root: yaml.Node | None = None
        self.text = ""
        self.mistakes: list[Mistake] = []
        if isinstance(source, Mapping):
            self.name = "spec"
            content: Any = source
        else:
            self.name = str(source)
            content = self._parse(Path(source))
        content = _copied(content)
        if not isinstance(content, dict):
            raise SpecError(
                [Mistake(self.name, 1, "", "a sweep is a mapping of keys such as name: and search:")]
            )
        self.content: dict[str, Any] = content
        if profile is not None:
            self._apply(profile)
        for override in overrides:
            self._override(override)

    def mistake(self, location: Location, message: str) -> Mistake:
        """Place a message.

        Args:
            location: The key it is about, or the nearest one above it that is in the file.
            message: What would be right.

        Returns:
            The mistake with file, line and key.
        """
        location = self._as_written(location)
        for changed, origin in self._changed:
            if location[: len(changed)] == changed:
                if origin is None:
                    return Mistake("--set", 0, dotted(location), message)
                return Mistake(
                    self.name, self._line(origin), f"profile {origin[1]}: {dotted(location)}", message
                )
        return Mistake(self.name, self._line(location), dotted(location), message)

    def _as_written(self, location: Location) -> Location:
        value: Any = self.content
        for index, part in enumerate(location):
            if part == "choice" and isinstance(value, list):  # which is short for it
                return location[:index] + location[index + 1 :]
            value = value.get(part) if isinstance(value, dict) else None
        return location

    def _parse(self, path: Path) -> Any:
        try:
            self.text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reasons: dict[type[Exception], str] = {
                FileNotFoundError: "no such file",
                IsADirectoryError: "is a folder; name the file in it",
            }
            reason = reasons.get(type(error), f"cannot be read: {error}")
            raise SpecError([Mistake(self.name, 0, "", reason)]) from None
        try:
            self._root = yaml.compose(self.text, Loader=_Loader)
            if self._root is None:
                raise SpecError([Mistake(self.name, 1, "", "the file is empty")])
            self._look_through(self._root, (), set(), set())
            return _Loader("").construct_document(self._root)
        except yaml.MarkedYAMLError as error:
            raise SpecError([self._malformed(error)]) from None
        except yaml.reader.ReaderError as error:
            line = self.text.count("\n", 0, error.position) + 1
            message = f"is not valid YAML: the character {chr(error.character)!r} is not allowed"
            raise SpecError([Mistake(self.name, line, "", message)]) from None
        except RecursionError:
            raise SpecError([Mistake(self.name, 0, "", "is nested too deeply")]) from None

    def _malformed(self, error: yaml.MarkedYAMLError) -> Mistake:
        mark = error.problem_mark or error.context_mark
        problem, context = error.problem or "", error.context or ""
        if problem.startswith("could not determine a constructor"):
            problem = "tags (such as !name) are not allowed; text that starts with ! needs quotes"
        elif "'\\t' that cannot start" in problem:
            problem, context = "indent with spaces, not with tabs", ""
        elif problem.startswith("but "):
            problem, context = f"{context}, {problem}", ""
        elif context and error.context_mark and mark and error.context_mark.line != mark.line:
            context += f" that starts on line {error.context_mark.line + 1}"
        message = f"is not valid YAML: {' '.join(filter(None, (problem, context)))}"
        return Mistake(self.name, mark.line + 1 if mark else 0, "", message)

    def _look_through(
        self, node: yaml.Node, location: Location, inside: set[yaml.Node], seen: set[yaml.Node]
    ) -> None:
        # Finds repeated keys, once for all aliases of a node, and refuses a node inside itself.
        if node in inside:
            message = "an alias (*) must not stand inside its own anchor (&)"
            raise SpecError([Mistake(self.name, node.start_mark.line + 1, dotted(location), message)])
        if node in seen or not isinstance(node, yaml.CollectionNode):
            return
        seen.add(node)
        keys: set[str] = set()
        for index, item in enumerate(node.value):
            key, value = item if isinstance(node, yaml.MappingNode) else (None, item)
            below = (*location, index if key is None else str(key.value))
            if isinstance(key, yaml.ScalarNode):
                if key.value in keys:
                    line = key.start_mark.line + 1
                    self.mistakes.append(Mistake(self.name, line, dotted(below), "is given twice; keep one"))
                keys.add(key.value)
            self._look_through(value, below, inside | {node}, seen)

    def _line(self, location: Location) -> int:
        node, line = self._root, 1 if self._root else 0
        for part in location:
            if isinstance(node, yaml.MappingNode):
                # The last: those that << merges in stand before what overrides them.
                pair = next((pair for pair in reversed(node.value) if pair[0].value == str(part)), None)
                if pair is None:
                    break
                line, node = pair[0].start_mark.line + 1, pair[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line + 1
            else:
                break
        return line

    def _override(self, override: str) -> None:
        key, equals, text = override.partition("=")
        location = tuple(key.strip().split("."))
        if not equals or not all(location):
            message = f"{override!r} is not key=value, such as fixed.epochs=3"
            raise SpecError([Mistake("--set", 0, "", message)])
        try:
            value = yaml.load(text, Loader=_Loader)
        except (yaml.YAMLError, RecursionError):
            raise SpecError([Mistake("--set", 0, key, f"{text!r} is not a YAML value")]) from None
        self._change(location, value, None)

    def _apply(self, profile: str) -> None:
        profiles = self.content.pop("profiles", None)
        profiles = profiles if isinstance(profiles, dict) else {}
        if profile not in profiles:
            message = unknown(profile, list(profiles)) if profiles else f"{self.name} has no profiles"
            raise SpecError([Mistake("--profile", 0, "", message)])
        if not isinstance(profiles[profile], dict):
            location = ("profiles", profile)
            rule = "must be a mapping of keys to values, such as fixed.epochs: 1"
            message = f"{rule}, got {shown(profiles[profile])}"
            raise SpecError([Mistake(self.name, self._line(location), dotted(location), message)])
        self._change(("name",), f"{self.content.get('name')}-{profile}", ("profiles", profile))
        for key, value in profiles[profile].items():
            self._change(tuple(key.split(".")), value, ("profiles", profile, key))

    def _change(self, location: Location, value: Any, origin: Location | None) -> None:
        target = self.content
        for index, part in enumerate(location[:-1]):
            if not isinstance(target.get(str(part)), dict):
                target[str(part)] = {}
                self._changed.insert(0, (location[: index + 1], origin))
            target = target[str(part)]
        target[str(location[-1])] = value
        self._changed.insert(0, (location, origin))


def _copied(value: Any) -> Any:
    # So that an override changes nothing else: not the caller's mapping, not what shares an anchor.
    if isinstance(value, Mapping):
        return {str(key): _copied(item) for key, item in value.items()}
    return list(value) if isinstance(value, list | tuple) else value

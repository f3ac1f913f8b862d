"""A spec as written: YAML with the line of every key, and the overrides of the command line."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sweeps.mistakes import Location, Mistake, SpecError, dotted


class _Loader(yaml.SafeLoader):
    """SafeLoader that reads 1e-3 as a number, as YAML 1.2 does, and refuses repeated keys."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
    list("-+.0123456789"),
)


class Source:
    """The content of a spec, and where each of its keys stands.

    Attributes:
        name: The file's name, or what else to call it in messages.
        content: The parsed mapping, overrides applied.
        text: The file's text; empty for a mapping.
    """

    def __init__(self, source: str | Path | Mapping[str, Any], overrides: Sequence[str] = ()) -> None:
        """Read a spec.

        Args:
            source: A YAML file, or a mapping of the same form.
            overrides: ``key=value`` with a dotted key and a YAML value.

        Raises:
            SpecError: If the file cannot be read, is not YAML or not a mapping, or an override is malformed.
        """
        self._overridden: list[Location] = []
        self._root: yaml.Node | None = None
        self.text = ""
        if isinstance(source, Mapping):
            self.name = "spec"
            content: Any = _copied(source)
        else:
            self.name = str(source)
            self._root = self._compose(Path(source))
            content = self._construct(self._root)
        if not isinstance(content, dict):
            raise SpecError(
                [Mistake(self.name, 1, "", "a sweep is a mapping of keys such as name: and search:")]
            )
        self.content: dict[str, Any] = content
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
        for overridden in self._overridden:
            if location[: len(overridden)] == overridden:
                return Mistake("--set", 0, dotted(location), message)
        return Mistake(self.name, self._line(location), dotted(location), message)

    def _compose(self, path: Path) -> yaml.Node:
        try:
            self.text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = "no such file" if isinstance(error, FileNotFoundError) else f"cannot be read: {error}"
            raise SpecError([Mistake(self.name, 0, "", reason)]) from None
        try:
            node = yaml.compose(self.text, Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            raise SpecError([self._malformed(error)]) from None
        except yaml.YAMLError as error:
            raise SpecError([Mistake(self.name, 0, "", f"is not YAML: {error}")]) from None
        if node is None:
            raise SpecError([Mistake(self.name, 1, "", "the file is empty")])
        repeated = list(self._repeated_keys(node, ()))
        if repeated:
            raise SpecError(repeated)
        return node

    def _construct(self, node: yaml.Node) -> Any:
        loader = _Loader("")
        try:
            return loader.construct_document(node)
        except yaml.MarkedYAMLError as error:
            raise SpecError([self._malformed(error)]) from None
        finally:
            loader.dispose()

    def _malformed(self, error: yaml.MarkedYAMLError) -> Mistake:
        mark = error.problem_mark or error.context_mark
        problem = " ".join(filter(None, (error.problem, error.context)))
        return Mistake(self.name, mark.line + 1 if mark else 0, "", f"is not valid YAML: {problem}")

    def _repeated_keys(self, node: yaml.Node, above: Location) -> "list[Mistake]":
        found: list[Mistake] = []
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                location = (*above, str(key.value))
                if key.value in seen:
                    message = "is given twice; keep one"
                    found.append(Mistake(self.name, key.start_mark.line + 1, dotted(location), message))
                seen.add(key.value)
                found += self._repeated_keys(value, location)
        return found

    def _line(self, location: Location) -> int:
        node, line = self._root, 1 if self._root else 0
        for part in location:
            if isinstance(node, yaml.MappingNode):
                pair = next((pair for pair in node.value if pair[0].value == str(part)), None)
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
        except yaml.YAMLError:
            raise SpecError([Mistake("--set", 0, key, f"{text!r} is not a YAML value")]) from None
        target = self.content
        for part in location[:-1]:
            if not isinstance(target.get(part), dict):
                target[part] = {}
            target = target[part]
        target[location[-1]] = value
        self._overridden.append(location)


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(item) for key, item in value.items()}
    return list(value) if isinstance(value, list | tuple) else value

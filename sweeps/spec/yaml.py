"""Untrusted YAML: only plain values, no more of them than a sweep can have, each with its line."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import yaml
from typing_extensions import override

from sweeps.errors import Location, shown

# The limit for a file in bytes, and for a value on the command line in characters.
LARGEST = 2**20
# The limit for keys and values together, with aliases written out.
_MOST = 10_000
_DEEPEST = 20
_LONGEST = 5_000  # characters
LONGEST_KEY = 200
_INTEGER_BITS = 63


# Numbers that YAML 1.1 reads in base 8, because of their first 0, or in base 60, as hours and minutes.
_OLD_NUMBER = re.compile(r"[-+]?(0[0-7_]+|[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?)")


class Refused(Exception):
    """YAML that is too large, too deep, or not safe to read; ``line`` is 0 for the text as a whole."""

    def __init__(self, line: int, location: Location, message: str) -> None:
        super().__init__(message)
        self.line, self.location, self.message = line, location, message


class Malformed(Refused):
    """Text that is not YAML, or YAML with tags."""


class Document(NamedTuple):
    """Parsed YAML; ``root`` is None for empty text."""

    root: yaml.Node | None
    content: Any
    # Keys that are given twice, and numbers that YAML reads as others: line, location and message.
    mistakes: list[tuple[int, Location, str]]


class _Loader(yaml.SafeLoader):
    """A SafeLoader that reads 1e-3 as a number, as YAML 1.2 does, and every key as text.

    It stops at the first value beyond the limits. Aliases are counted without building the values that they
    stand for, so that nested aliases cannot exhaust the memory.
    """

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.mistakes: list[tuple[int, Location, str]] = []
        # The path of the node being read; None stands for the root, and for a node that is a key.
        self._path: list[str | int | None] = []
        self._count = 0
        # The keys and values in each node that has been read.
        self._counts: dict[yaml.Node, int] = {}

    @override
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        self._path.append(str(index.value)[:LONGEST_KEY] if isinstance(index, yaml.Node) else index)
        line = self.peek_event().start_mark.line + 1
        if len(self._path) - 1 > _DEEPEST:
            self._refuse(f"is nested too deeply: at most {_DEEPEST} levels", line)
        before, is_alias = self._count, self.check_event(yaml.AliasEvent)
        node = cast(yaml.Node, super().compose_node(parent, index))
        if is_alias and node not in self._counts:
            self._refuse("an alias (*) must not stand inside its own anchor (&)", line)
        self._count += self._counts[node] if is_alias else 1
        if self._count > _MOST:
            self._refuse(f"is too much: a sweep has at most {_MOST:,} keys and values, aliases counted", line)
        self._counts[node] = self._count - before
        if isinstance(node, yaml.ScalarNode):
            is_key = parent is not None and index is None
            self._check_text(node.value, line, is_key=is_key)
            if not is_key and (problem := self._old_number(node)):
                self.mistakes.append((line, self._location(), problem))
        elif isinstance(node, yaml.MappingNode) and not is_alias:
            self._check_keys(node)
        self._path.pop()
        return node

    def _check_text(self, text: str, line: int, *, is_key: bool) -> None:
        most, what = (LONGEST_KEY, "a key") if is_key else (_LONGEST, "a text")
        if len(text) > most:
            self._refuse(f"{what} must have at most {most:,} characters, got {len(text):,}", line)
        for character in text:
            # A terminal obeys control characters; surrogates cannot be written to a file.
            if unicodedata.category(character) in ("Cc", "Cs") and character not in "\n\t":
                self._refuse(f"must not have the control character {character!r}", line)

    def _old_number(self, node: yaml.ScalarNode) -> str:
        """Say how a number is to be written that YAML 1.1 reads in base 8 or 60; empty for any other."""
        kind, text = node.tag.rpartition(":")[2], node.value
        if kind not in ("int", "float") or not _OLD_NUMBER.fullmatch(text):
            return ""
        value = self.construct_yaml_int(node) if kind == "int" else self.construct_yaml_float(node)
        if isinstance(value, int) and value.bit_length() > _INTEGER_BITS:
            # It will be refused as too large.
            return ""
        decimal = "" if ":" in text else str(int(text.replace("_", "")))
        if decimal == str(value):
            return ""
        written = " or ".join(filter(None, [decimal, f"{value:.15g}"]))
        return f"{text} is {value:.15g} in YAML; write {written}, or put it in quotes if it is text"

    def _check_keys(self, node: yaml.MappingNode) -> None:
        known: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in known:
                    location = (*self._location(), key.value)
                    self.mistakes.append((key.start_mark.line + 1, location, "is given twice; keep one"))
                known.add(key.value)

    def _refuse(self, message: str, line: int) -> None:
        raise Refused(line, self._location(), message)

    def _location(self) -> Location:
        return tuple(part for part in self._path if part is not None)

    @override
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            value = super().construct_object(node, deep)
        except (ValueError, KeyError, AttributeError):
            # PyYAML does not catch these itself, for example for 2024-13-01.
            kind = node.tag.rpartition(":")[2]
            problem = f"{shown(node.value)} is not a valid {kind}; write it in quotes if it is text"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from None
        if isinstance(value, int) and value.bit_length() > _INTEGER_BITS:
            problem = f"{shown(node.value)} is too large; a whole number has at most {_INTEGER_BITS} bits"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return value

    @override
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        self.flatten_mapping(node)
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                problem = "a key must be text; a value that starts with { or [ may need quotes"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
        return {key.value: self.construct_object(value, deep) for key, value in node.value}


class _Dumper(yaml.SafeDumper):
    """A SafeDumper that quotes text that ``_Loader`` would read as a number."""


for _class in (_Loader, _Dumper):
    _class.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d+(\.\d*)?|\.\d+)[eE][-+]?\d+$"),
        list("-+.0123456789"),
    )


def dump(content: Mapping[str, Any]) -> str:
    """Write YAML from which ``parse`` reads equal content."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, default_flow_style=None, width=110)


def parse(text: str) -> Document:
    """Read YAML; raise Malformed if it is not YAML or has tags, Refused if it is beyond the limits."""
    if len(text) > LARGEST:
        raise Refused(0, (), f"is too large: at most {LARGEST // 2**20} MiB")
    try:
        loader = _Loader(text)
        root = loader.get_single_node()
        content = None if root is None else loader.construct_document(root)
    except yaml.MarkedYAMLError as error:
        raise _malformed(error) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"is not valid YAML: the character {chr(error.character)!r} is not allowed"
        raise Malformed(line, (), message) from None
    return Document(root, content, loader.mistakes)


def _malformed(error: yaml.MarkedYAMLError) -> Malformed:
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
    return Malformed(mark.line + 1 if mark else 0, (), message)

"""A spec as written: its YAML with the line of every key, and the overrides of the command line."""

import codecs
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from sweeps.errors import Location, Mistake, SpecError, did_you_mean, dotted, shown, unknown_message
from sweeps.spec.yaml import LARGEST, LONGEST_KEY, Malformed, Refused, parse

YAML = (".yaml", ".yml")
STUDIES = Path(__file__).parents[1] / "studies"
_Place = tuple[str, int, str]


class Written(NamedTuple):
    """A YAML that has been read; a pipe can be read only once."""

    name: str
    text: str


class Source:
    """The content of a spec, with its profile and overrides applied, and where each of its keys is written.

    Attributes:
        name: The file's name; ``spec`` for a mapping.
        text: The file's text; empty for a mapping.
        mistakes: Keys that are given twice, and numbers that YAML reads as others.
    """

    def __init__(
        self,
        spec: str | Path | Written | Mapping[str, Any],
        overrides: Sequence[str] = (),
        profile: str | None = None,
    ) -> None:
        """Read a spec, given as to ``load_spec``; raise SpecError if it or a change cannot be read."""
        # Changed locations, latest first, each with the change's file and line, and how to name the profile.
        self._changed: list[tuple[Location, _Place]] = []
        self._root: yaml.Node | None = None
        self.text = ""
        self.mistakes: list[Mistake] = []
        if isinstance(spec, Mapping):
            self.name = "spec"
            content = spec
        else:
            self.name, self.text = spec if isinstance(spec, Written) else read(spec)
            content = self._parse()
        self.content: dict[str, Any] = _copied(content)
        if profile is not None:
            self._apply(profile)
        for override in overrides:
            self._override(override)

    def mistake(self, location: Location, message: str) -> Mistake:
        """Place a message at a location, or at the nearest one above it that is in the file."""
        location = self._as_written(location)
        places = (place for changed, place in self._changed if location[: len(changed)] == changed)
        file, line, prefix = next(places, (self.name, self._line(location), ""))
        return Mistake(file, line, f"{prefix}{dotted(location)}", message)

    def _as_written(self, location: Location) -> Location:
        """Leave out ``choice`` where the spec has its short form, a list."""
        value: Any = self.content
        for index, key in enumerate(location):
            if key == "choice" and isinstance(value, list):
                return location[:index] + location[index + 1 :]
            value = value.get(key) if isinstance(value, dict) else None
        return location

    def _parse(self) -> Mapping[str, Any]:
        try:
            document = parse(self.text)
        except Refused as error:
            raise _error(self.name, error.line, dotted(error.location), error.message) from None
        if document.root is None:
            raise _error(self.name, 1, "", "the file is empty")
        self._root = document.root
        for line, location, message in document.mistakes:
            self.mistakes.append(Mistake(self.name, line, dotted(location), message))
        if not isinstance(document.content, dict):
            raise _error(self.name, 1, "", "must be a mapping of keys such as name: and search:")
        return document.content

    def _line(self, location: Location) -> int:
        node, line = self._root, 1 if self._root else 0
        for part in location:
            if isinstance(node, yaml.MappingNode):
                # Keys that << merges in come before those that override them, so the last one counts.
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
        if not equals or not all(location) or len(key) > LONGEST_KEY:
            raise _error("--set", 0, "", f"{shown(override)} is not key=value, such as fixed.epochs=3")
        try:
            value, mistakes = parse(text)[1:]
        except Malformed:
            raise _error("--set", 0, key, f"{shown(text)} is not a YAML value") from None
        except Refused as error:
            raise _error("--set", 0, dotted((*location, *error.location)), error.message) from None
        for _, below, message in mistakes:
            self.mistakes.append(Mistake("--set", 0, dotted((*location, *below)), message))
        self._change(location, value, ("--set", 0, ""))

    def _apply(self, profile: str) -> None:
        profiles = self.content.pop("profiles", None)
        profiles = profiles if isinstance(profiles, dict) else {}
        if profile not in profiles:
            message = unknown_message(profile, list(profiles)) if profiles else f"{self.name} has no profiles"
            raise _error("--profile", 0, "", message)
        location, changes = ("profiles", profile), profiles[profile]
        if not isinstance(changes, dict):
            message = f"must be a mapping of keys to values, such as fixed.epochs: 1, got {shown(changes)}"
            raise _error(self.name, self._line(location), dotted(location), message)
        name, prefix = f"{self.content.get('name')}-{profile}", f"profile {profile}: "
        self._change(("name",), name, (self.name, self._line(location), prefix))
        for key, value in changes.items():
            self._change(tuple(key.split(".")), value, (self.name, self._line((*location, key)), prefix))

    def _change(self, location: tuple[str, ...], value: Any, place: _Place) -> None:
        target = self.content
        for index, part in enumerate(location[:-1], start=1):
            if isinstance(target.get(part), list) and location[index].isdecimal():
                key = dotted(location[:index])
                message = f"changes one item of a list; give the whole list, as {key}=[...]"
                raise _error(place[0], place[1], f"{place[2]}{dotted(location)}", message)
            if not isinstance(target.get(part), dict):
                target[part] = {}
                self._changed.insert(0, (location[:index], place))
            target = target[part]
        target[location[-1]] = value
        self._changed.insert(0, (location, place))


def shipped_studies() -> list[str]:
    """Return the names of the shipped studies, sorted."""
    return sorted(path.stem for path in STUDIES.glob("*.yaml"))


def shipped_study(source: str | Path) -> Path | None:
    """Find the YAML of a shipped study by its name; None if there is none, or a file of that name."""
    study = STUDIES / f"{source}.yaml"
    is_name = "/" not in str(source) and not Path(source).is_file()
    return study if is_name and study.is_file() else None


def read(spec: str | Path) -> Written:
    """Read a YAML, given as a file or as a shipped study's name; raise SpecError if that fails."""
    if not isinstance(spec, str | Path):
        message = f"must be a YAML file, the name of a shipped study, or a mapping, got {shown(spec)}"
        raise _error("spec", 0, "", message)
    path = shipped_study(spec) or Path(spec)
    try:
        with path.open("rb") as file:
            # A device such as /dev/zero has no size, and no end.
            content = file.read(LARGEST + 1)
        if len(content) <= LARGEST:
            return Written(str(path), _decoded(content))
        reason = f"is too large for a sweep: at most {LARGEST // 2**20} MiB"
    except FileNotFoundError:
        reason = f"no such file{_hint(path)}"
    except IsADirectoryError:
        reason = "is a folder; name the file in it"
    except Refused as error:
        raise _error(str(path), error.line, "", error.message) from None
    except OSError as error:
        reason = f"cannot be read: {error}"
    raise _error(str(path), 0, "", reason)


def _hint(path: Path) -> str:
    """Name the file or the shipped study that a missing file may be meant to be."""
    name, beside = str(path), sorted(str(each) for each in path.parent.glob("*.y*ml"))
    if "/" in name or path.suffix in YAML:
        return did_you_mean(name, beside, before="; ")
    near = did_you_mean(name, [*shipped_studies(), *beside], before="; ")
    return f", nor a shipped study{near or ' (`noisesweep run` lists them)'}"


def _decoded(content: bytes) -> str:
    """Decode a file; raise Refused, which says in which encoding it may be, if it is not in UTF-8."""
    # The mark of UTF-32 starts with that of UTF-16.
    if content.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise Refused(0, (), "is in UTF-32; save it as UTF-8")
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Refused(0, (), "is in UTF-16; save it as UTF-8")
    if b"\0" in content:
        raise Refused(0, (), "is not text; give the YAML of a sweep, saved as UTF-8")
    for number, line in enumerate(content.splitlines(), start=1):
        try:
            line.decode()
        except UnicodeDecodeError:
            text = line.decode("cp1252", errors="replace").strip()
            raise Refused(number, (), f"is not in UTF-8: {shown(text)}; save the file as UTF-8") from None
    return content.decode()


def _error(file: str, line: int, key: str, message: str) -> SpecError:
    return SpecError([Mistake(file, line, key, message)])


def _copied(value: Any) -> Any:
    """Copy nested values, so that an override changes neither the caller's mapping nor another alias."""
    if isinstance(value, Mapping):
        return {str(key): _copied(item) for key, item in value.items()}
    return list(value) if isinstance(value, list | tuple) else value

"""A spec as written: YAML with the line of every key, and the overrides of the command line."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from sweeps.errors import Location, Mistake, SpecError, dotted, shown, unknown
from sweeps.spec.yaml import LARGEST, LONGEST_KEY, Malformed, Refused, dump, parse

__all__ = ["STUDIES", "Source", "dump", "shipped_study"]

STUDIES = Path(__file__).parents[1] / "studies"


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
            source: A YAML file, the name of a shipped study, or a mapping of the same form.
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
            path = shipped_study(source) or Path(source)
            self.name = str(path)
            content = self._parse(path)
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
            with path.open("rb") as file:
                content = file.read(LARGEST + 1)  # a device has no size, and no end
            self.text = "" if len(content) > LARGEST else content.decode()
        except (OSError, UnicodeDecodeError) as error:
            is_name = "/" not in self.name and path.suffix not in (".yaml", ".yml")
            or_study = ", nor a shipped study (`noisesweep list` names them)" if is_name else ""
            reasons: dict[type[Exception], str] = {
                FileNotFoundError: f"no such file{or_study}",
                IsADirectoryError: "is a folder; name the file in it",
            }
            reason = reasons.get(type(error), f"cannot be read: {error}")
            raise SpecError([Mistake(self.name, 0, "", reason)]) from None
        if len(content) > LARGEST:
            message = f"is too large for a sweep: at most {LARGEST // 2**20} MiB"
            raise SpecError([Mistake(self.name, 0, "", message)])
        try:
            document = parse(self.text)
        except Refused as error:
            place = dotted(error.location)
            raise SpecError([Mistake(self.name, error.line, place, error.message)]) from None
        if document.root is None:
            raise SpecError([Mistake(self.name, 1, "", "the file is empty")])
        self._root = document.root
        for line, location in document.twice:
            self.mistakes.append(Mistake(self.name, line, dotted(location), "is given twice; keep one"))
        return document.content

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
        if not equals or not all(location) or len(key) > LONGEST_KEY:
            message = f"{shown(override)} is not key=value, such as fixed.epochs=3"
            raise SpecError([Mistake("--set", 0, "", message)])
        try:
            value = parse(text).content
        except Malformed:
            raise SpecError([Mistake("--set", 0, key, f"{shown(text)} is not a YAML value")]) from None
        except Refused as error:
            place = dotted((*location, *error.location))
            raise SpecError([Mistake("--set", 0, place, error.message)]) from None
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


def shipped_study(source: str | Path) -> Path | None:
    """Find the study that ships under a name.

    Args:
        source: What was given in place of a file.

    Returns:
        Its YAML; None if there is a file of that name, or no such study.
    """
    study = STUDIES / f"{source}.yaml"
    is_name = "/" not in str(source) and not Path(source).is_file()
    return study if is_name and study.is_file() else None


def _copied(value: Any) -> Any:
    # So that an override changes nothing else: not the caller's mapping, not what shares an anchor.
    if isinstance(value, Mapping):
        return {str(key): _copied(item) for key, item in value.items()}
    return list(value) if isinstance(value, list | tuple) else value

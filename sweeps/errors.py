"""Errors in user input: where each is and how to fix it."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from urllib.parse import parse_qsl, urlsplit

Location = tuple[str | int, ...]
# Matches user:password@ with or without a scheme, even if the password contains characters that end a host.
_PASSWORD = re.compile(r"^(?:[^/]*://(?=[^/])|(?![^/@]*://))[^/@:]*:[^@]*@", re.DOTALL)
_SECRET = re.compile(
    r"pass|pwd|secret|token|credential|signature|^(sig|auth|authorization)$|(access|account|api|private)_?key",
    re.I,
)
_RAY_VARIABLES = "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
_STORE_VARIABLES = (
    "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, PGPASSWORD, "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)


@dataclass(frozen=True)
class Mistake:
    """One mistake; ``line`` is 0 where there is none, and ``message`` says how to fix it."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        return printable(": ".join(part for part in (place, self.key, self.message) if part))


class SweepError(Exception):
    """Something the user can fix; its text is all they need to see."""


class SpecError(SweepError):
    """A spec with mistakes in it.

    Attributes:
        mistakes: All that were found, in the order of the file.
    """

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda mistake: mistake.line)
        super().__init__("\n".join(map(str, self.mistakes)))


def printable(text: str) -> str:
    """Replace line breaks and control characters, which a terminal would interpret, by spaces."""
    return "".join(character if character.isprintable() else " " for character in text)


def in_a_line(error: Exception) -> str:
    """Shorten another library's message to one line of at most 200 characters, without a query in SQL."""
    return " ".join(str(error).partition("[SQL:")[0].split())[:200]


def dotted(location: Location) -> str:
    """Write a location as users write keys, such as ``search.lr.log_uniform[0]``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".")


def one_of(names: Iterable[str]) -> str:
    """List alternatives, such as ``a, b or c``."""
    *head, last = map(str, names)
    return f"{', '.join(head)} or {last}" if head else last


def shown(value: object) -> str:
    """Write a value as YAML would, in at most 60 characters on one line."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        text = str(value).lower()
    else:
        text = str(value) if isinstance(value, date) else repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def unknown_message(name: object, names: Sequence[str], problem: str = "is not known") -> str:
    """Write the message that a name is none of ``names``, with the nearest one as a hint."""
    near = _as_yaml_reads(name, names) or did_you_mean(name, names)
    return f"{shown(name)} {problem}; {near}{' ' if near else ''}it can be {one_of(sorted(names))}"


def _as_yaml_reads(name: object, names: Sequence[str]) -> str:
    """Say which words YAML does not read as text, and what to write; empty for text and numbers."""
    if not isinstance(name, bool | None):
        return ""
    words = {True: ("yes", "on"), False: ("no", "off"), None: ("~", "an empty value")}[name]
    if quoted := [word for word in words if word in names]:
        remedy = f"write '{quoted[0]}' in quotes"
    else:
        remedy = "write none" if "none" in names and not name else "write text in quotes"
    return f"YAML reads {' and '.join(words)} as {'null' if name is None else shown(name)}: {remedy};"


def did_you_mean(name: object, names: Sequence[str], before: str = "") -> str:
    """Ask for the nearest of ``names``, with ``before`` in front; empty if none is near."""
    near = nearest(name, names)
    return f"{before}did you mean {near!r}?" if near else ""


def nearest(name: object, names: Sequence[str], similarity: float = 0.5) -> str:
    """Return the nearest of ``names``; empty if none has the similarity, from 0 to 1."""
    return next(iter(get_close_matches(str(name), names, n=1, cutoff=similarity)), "")


def refuse_credentials(what: str, uri: str) -> None:
    """Refuse an address with a password or a token; ``what``, such as ``--address``, says which it is."""
    try:
        split = urlsplit(uri)
    except ValueError:
        raise SweepError(f"{what}: is not an address, such as http://127.0.0.1:5000") from None
    pairs = parse_qsl(f"{split.query}&{split.fragment}", keep_blank_values=True)
    secrets = [name for name, _ in pairs if _SECRET.search(name)]
    is_token = split.scheme in ("http", "https") and split.username is not None
    if _PASSWORD.match(uri) or is_token or secrets:
        scheme = f"{uri.partition('://')[0]}://" if "://" in uri else ""
        redacted = f"?{secrets[0]}=..." if secrets else f"{scheme}...@{uri.rpartition('@')[2]}"
        variables = _RAY_VARIABLES if what == "--address" else _STORE_VARIABLES
        raise SweepError(
            f"{what} {redacted}: must not have a password, which would be written to logs and to the sweep; "
            f"set environment variables instead: {variables}"
        )

"""Mistakes in what a user gave: where each is, and what would be right."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from difflib import get_close_matches
from urllib.parse import parse_qsl, urlsplit

Location = tuple[str | int, ...]
# user:password@ after the scheme or without one, also where the password has characters that end a host.
_PASSWORD = re.compile(r"^(?:[^/]*://(?=[^/])|(?![^/@]*://))[^/@:]*:[^@]*@", re.DOTALL)
_SECRET = re.compile(
    r"pass|pwd|secret|token|credential|signature|^(sig|auth|authorization)$|(access|account|api|private)_?key",
    re.I,
)
_OF_RAY = "RAY_AUTH_MODE=token and RAY_AUTH_TOKEN"
_OF_STORES = (
    "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, PGPASSWORD, "
    "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)


@dataclass(frozen=True)
class Mistake:
    """One mistake: its file, line (0 when it has none), key, and what would be right."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        text = ": ".join(part for part in (place, self.key, self.message) if part)
        return printable(text)


class SweepError(Exception):
    """Something the user can put right; its text is all they need to see."""


class SpecError(SweepError):
    """A spec with mistakes in it.

    Attributes:
        mistakes: All that were found, in the order of the file.
    """

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = sorted(mistakes, key=lambda mistake: mistake.line)
        super().__init__("\n".join(map(str, self.mistakes)))


def printable(text: str) -> str:
    """Make a text fit for a terminal, which would obey some characters, and for one line.

    Args:
        text: From a user, a file or a server.

    Returns:
        The text with blanks in the place of what has no shape of its own.
    """
    return "".join(character if character.isprintable() else " " for character in text)


def in_a_line(error: Exception) -> str:
    """Shorten what another library says of an error.

    Args:
        error: The error.

    Returns:
        Its message without line breaks, at most 200 characters.
    """
    return " ".join(str(error).split())[:200]


def dotted(location: Location) -> str:
    """Write a location as users write keys.

    Args:
        location: Keys and list indices from the top.

    Returns:
        Such as ``search.lr.log_uniform[0]``.
    """
    text = ""
    for part in location:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text


def one_of(names: Iterable[str]) -> str:
    """List alternatives.

    Args:
        names: The alternatives.

    Returns:
        Such as ``a, b or c``.
    """
    *head, last = map(str, names)
    return f"{', '.join(head)} or {last}" if head else last


def shown(value: object) -> str:
    """Show a value in a message, as YAML has it.

    Args:
        value: What was given.

    Returns:
        At most 60 characters on one line.
    """
    if value is None:
        return "nothing"
    text = str(value).lower() if isinstance(value, bool) else repr(value)
    text = str(value) if isinstance(value, date) else text
    return text if len(text) <= 60 else f"{text[:57]}..."


def unknown(name: object, names: Sequence[str], problem: str = "is not known") -> str:
    """Say that a name is not known, and which is nearest.

    Args:
        name: What was given.
        names: What would be right.
        problem: What to say of it.

    Returns:
        A message.
    """
    near = get_close_matches(str(name), names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{shown(name)} {problem}; {hint}it can be {one_of(sorted(names))}"


def refuse_credentials(what: str, uri: str) -> None:
    """Refuse an address with a password in it.

    Args:
        what: What it is the address of, such as ``--tracking-uri``.
        uri: The address.

    Raises:
        SweepError: If it has a password, or what stands for one, or cannot be taken apart; the message does
            not repeat it.
    """
    try:
        split = urlsplit(uri)
    except ValueError:
        raise SweepError(f"{what}: is no address, such as http://127.0.0.1:5000") from None
    pairs = parse_qsl(f"{split.query}&{split.fragment}", keep_blank_values=True)
    named = [name for name, _ in pairs if _SECRET.search(name)]
    is_token = split.scheme in ("http", "https") and split.username is not None
    if _PASSWORD.match(uri) or is_token or named:
        place = f"{uri.partition('://')[0]}://...@" if "://" in uri else "...@"
        shown = f"?{named[0]}=..." if named else f"{place}{uri.rpartition('@')[2]}"
        by = _OF_RAY if what == "--address" else _OF_STORES
        raise SweepError(
            f"{what} {shown}: must not have a password, which would be written to logs and to the sweep; "
            f"give it by the environment: {by}"
        )

"""Credentials stay out of what is written down: addresses go into logs, files and MLflow as they are."""

import re
from urllib.parse import parse_qsl, urlsplit

from sweeps.mistakes import SweepError

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

"""A connection to the job server of a Ray cluster."""

import logging
import os
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote

import requests
from aiohttp import ClientError
from ray.exceptions import AuthenticationError
from ray.job_submission import JobDetails, JobSubmissionClient

from sweeps.errors import SweepError, refuse_credentials
from sweeps.process_state import environment, log_level

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
_ADDRESS = "RAY_API_SERVER_ADDRESS"
_TOKEN = "put it into RAY_AUTH_TOKEN, the file that RAY_AUTH_TOKEN_PATH names, or ~/.ray/auth_token"
_TIMEOUT = 10.0  # seconds
_LOGGERS = ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk")


@dataclass(frozen=True)
class Cluster:
    """The job server of a Ray cluster, and the command-line options that lead to it."""

    client: JobSubmissionClient
    options: tuple[str, ...]

    @property
    def address(self) -> str:
        return str(self.client.get_address())

    def command(self, *words: str) -> str:
        """Return the command line that runs a NoiseSweep command on this cluster."""
        return shlex.join(["noisesweep", *words, *self.options])

    def info(self, job: str) -> JobDetails:
        """Return what Ray knows about a job; raise SweepError if there is no such job."""
        missing = f"no job {job!r}; list the jobs with: {self.command('jobs')}"
        if not job:
            raise SweepError(missing)
        with translated_errors(self.address, missing):
            return self.client.get_job_info(quote(job, safe=""))


def connect(address: str | None = None) -> Cluster:
    """Connect to a cluster's job server.

    A server gets the user's token only if it asks for one, or if ``RAY_AUTH_MODE`` is ``token``.

    Args:
        address: The URL of the dashboard. Defaults to ``RAY_API_SERVER_ADDRESS``, or else to this machine's.

    Raises:
        SweepError: If the server does not answer or refuses the token.
    """
    url = (address or os.environ.get(_ADDRESS) or DEFAULT_ADDRESS).rstrip("/")
    refuse_credentials("--address", url)
    if not url.startswith(("http://", "https://")):
        raise SweepError(f"--address {url}: must be the dashboard's URL, such as http://HEAD:8265")
    # Ray's client prefers this environment variable to its argument.
    with translated_errors(url), environment(**{_ADDRESS: url}):
        client = _client(url)
    return Cluster(client, ("--address", url) if address else ())


def _client(url: str) -> JobSubmissionClient:
    """Connect to a server, and send it the user's token only if it asks for one."""
    # Ray's client has no time limit.
    answer = requests.get(f"{url}/api/version", allow_redirects=False, timeout=_TIMEOUT)
    if answer.status_code == HTTPStatus.NOT_FOUND:
        raise SweepError(f"{url}: is not the dashboard of a Ray cluster; check --address")
    try:
        return JobSubmissionClient(url)
    except AuthenticationError as error:
        token = "" if _is_refusal(error) else _token()
        if not (token and _asks_for_token(answer)):
            raise
    return JobSubmissionClient(url, headers={"Authorization": f"Bearer {token}"})


def _is_refusal(error: AuthenticationError) -> bool:
    """Whether the server forbade the request (status 403), and did not ask for a token (status 401)."""
    return "invalid" in str(error).lower()


def _asks_for_token(answer: requests.Response) -> bool:
    """Whether the server itself asks as Ray's does: no redirection, and no proxy that wants a password."""
    scheme = answer.headers.get("WWW-Authenticate", "Bearer")
    return answer.status_code == HTTPStatus.UNAUTHORIZED and scheme.startswith("Bearer")


def _token() -> str:
    """Return the user's token if ``RAY_AUTH_MODE`` is not set; empty if there is none.

    Ray's client reads it from the same places, but only if ``RAY_AUTH_MODE`` is ``token``.
    """
    if os.environ.get("RAY_AUTH_MODE"):
        return ""
    if token := os.environ.get("RAY_AUTH_TOKEN", "").strip():
        return token
    file = Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or "~/.ray/auth_token").expanduser()
    try:
        return file.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""


@contextmanager
def translated_errors(address: str, missing: str = "") -> Iterator[None]:
    """Silence Ray's client, and turn its errors into a SweepError of one line, ``missing`` for status 404."""
    try:
        with _silenced():
            yield
    except AuthenticationError as error:
        problem = "refuses the token" if _is_refusal(error) else "requires a token"
        raise SweepError(f"{address}: {problem}; {_TOKEN}") from None
    except (ConnectionError, requests.RequestException, ClientError) as error:
        raise SweepError(
            f"{address}: no Ray job server answers ({type(error).__name__}); check that the "
            "cluster is up, that the dashboard's port is forwarded and that --address is right"
        ) from None
    except RuntimeError as error:
        if missing and "status code 404" in str(error):
            raise SweepError(missing) from None
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise SweepError(f"{address}: {lines[0][:300] if lines else type(error).__name__}") from None


@contextmanager
def _silenced() -> Iterator[None]:
    """Let Ray's loggers print nothing but errors."""
    with ExitStack() as levels:
        for name in _LOGGERS:
            levels.enter_context(log_level(name, logging.ERROR))
        yield

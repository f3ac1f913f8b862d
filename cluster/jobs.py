"""Jobs of a Ray cluster: listed, followed, stopped. It imports no torch, so that the commands are quick."""

import asyncio
import logging
import os
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

import requests
from aiohttp import ClientError
from ray.dashboard.modules.job.pydantic_models import JobDetails, JobType
from ray.exceptions import AuthenticationError
from ray.job_submission import JobStatus, JobSubmissionClient
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sweeps.errors import SweepError, refuse_credentials

DEFAULT_ADDRESS = "http://127.0.0.1:8265"
_ADDRESS = "RAY_API_SERVER_ADDRESS"
_POLL_SECONDS = 1.0
_LOG_LINES = 10  # shown of a job that failed

# What goes wrong is said in a line, and the rest is of no use to whoever types the command.
for _name in ("ray", "ray.dashboard.modules.dashboard_sdk", "ray.dashboard.modules.job.sdk"):
    logging.getLogger(_name).setLevel(logging.ERROR)


@dataclass(frozen=True)
class Cluster:
    """A Ray cluster's job server.

    Attributes:
        client: Ray's client of it.
        options: What commands need to find it again.
    """

    client: JobSubmissionClient
    options: tuple[str, ...]

    @property
    def address(self) -> str:
        """Where it answers."""
        return str(self.client.get_address())

    def command(self, *words: str) -> str:
        """Write a command that is about this cluster.

        Args:
            *words: The command and its arguments.

        Returns:
            The command line.
        """
        return shlex.join(["noisesweep", *words, *self.options])

    def info(self, job: str) -> JobDetails:
        """Ask for a job.

        Args:
            job: Its id.

        Returns:
            What Ray knows of it.

        Raises:
            SweepError: If there is no such job, or the cluster does not answer.
        """
        missing = f"no job {job!r}; {self.command('jobs')} lists them"
        with one_line(self.address, missing):
            if job:
                return self.client.get_job_info(quote(job, safe=""))
        raise SweepError(missing)


def connect(address: str | None = None) -> Cluster:
    """Find a cluster's job server.

    Args:
        address: Where it is; ``RAY_API_SERVER_ADDRESS``, else this machine's when None.

    Returns:
        The cluster.

    Raises:
        SweepError: If it does not answer, or wants another token.
    """
    url = (address or os.environ.get(_ADDRESS) or DEFAULT_ADDRESS).rstrip("/")
    refuse_credentials("--address", url)
    if not url.startswith(("http://", "https://")):
        raise SweepError(
            f"--address {url}: give the http:// address of the dashboard, such as http://HEAD:8265"
        )
    os.environ[_ADDRESS] = url  # Ray prefers the environment, RAY_ADDRESS too, to the argument
    with one_line(url):
        return Cluster(JobSubmissionClient(url), ("--address", url) if address else ())


def wait(cluster: Cluster, job: str, *, follow: bool = False) -> bool:
    """Wait until a job has ended; it goes on if the waiting is interrupted.

    Args:
        cluster: Where.
        job: Its id.
        follow: Print its log meanwhile.

    Returns:
        Whether it succeeded.

    Raises:
        SweepError: If there is no such job, or the cluster no longer answers.
        SystemExit: If the waiting is interrupted.
    """
    cluster.info(job)
    try:
        if follow:
            _follow(cluster, job)
        details = _ended(cluster, job)
    except KeyboardInterrupt:
        _say(f"\n{job} goes on; follow it: {cluster.command('logs', job, '--follow')}")
        raise SystemExit(130) from None
    except SweepError as error:
        raise SweepError(f"{error}; {job} may still be running there") from None
    _say(f"{job} {details.status.value.lower()} after {_took(details)}")
    if details.status == JobStatus.FAILED and not follow:
        _say("\n".join((details.message or "").splitlines()[-_LOG_LINES:]))
    return details.status == JobStatus.SUCCEEDED


def stop(cluster: Cluster, job: str) -> None:
    """End a job's trials, and wait until it has ended.

    Args:
        cluster: Where.
        job: Its id.

    Raises:
        SweepError: If there is no such job.
    """
    details = cluster.info(job)
    if details.status.is_terminal():
        raise SweepError(f"{job} has ended before ({details.status.value.lower()})")
    _say(f"stopping {job} ...")
    with one_line(cluster.address):
        while not details.status.is_terminal():
            cluster.client.stop_job(job)  # again, as Ray lets it go by while the job is starting
            time.sleep(_POLL_SECONDS)
            details = cluster.info(job)
    _say(f"{job} {details.status.value.lower()} after {_took(details)}")
    if "study" in (details.metadata or {}):  # one of ours; whoever typed another one knows it
        _say(f"go on with it: {cluster.command(*_again(details.entrypoint))}")


def print_log(cluster: Cluster, job: str) -> None:
    """Print what a job has logged.

    Args:
        cluster: Where.
        job: Its id.

    Raises:
        SweepError: If there is no such job, or its node is gone.
    """
    cluster.info(job)
    with one_line(cluster.address):
        sys.stdout.write(cluster.client.get_job_logs(job))


def print_jobs(cluster: Cluster) -> None:
    """List a cluster's jobs, the newest first.

    Args:
        cluster: Where.

    Raises:
        SweepError: If the cluster does not answer.
    """
    with one_line(cluster.address):
        jobs = [job for job in cluster.client.list_jobs() if job.type == JobType.SUBMISSION]
    shown = Table("job", "study", "status", "since", "took")
    for job in sorted(jobs, key=lambda job: job.start_time or 0, reverse=True):
        study = (job.metadata or {}).get("study") or job.entrypoint
        since = f"{datetime.fromtimestamp((job.start_time or 0) / 1000):%Y-%m-%d %H:%M:%S}"
        shown.add_row(*map(escape, (job.submission_id, study, job.status.value.lower(), since, _took(job))))
    Console(width=None if sys.stdout.isatty() else 160).print(shown)


def _ended(cluster: Cluster, job: str) -> JobDetails:
    while not (details := cluster.info(job)).status.is_terminal():
        time.sleep(_POLL_SECONDS)
    return details


def _follow(cluster: Cluster, job: str) -> None:
    async def tail() -> None:
        async for text in cluster.client.tail_job_logs(job):
            sys.stdout.write(text)
            sys.stdout.flush()

    with one_line(cluster.address):
        asyncio.run(tail())


def _again(entrypoint: str) -> list[str]:
    _, _, file, *options = shlex.split(entrypoint)
    return ["submit", file, "--resume", *(option for option in options if option != "--new")]


def _took(job: JobDetails) -> str:
    end = (job.end_time or time.time() * 1000) - (job.start_time or 0)
    return str(timedelta(seconds=max(round(end / 1000), 0)))


def _say(text: str) -> None:
    print(text, flush=True)


@contextmanager
def one_line(address: str, missing: str = "") -> Iterator[None]:
    """Turn what Ray's client raises into one line that says what to do.

    Args:
        address: Where the cluster is.
        missing: What to say if what was asked for is not there.

    Yields:
        Nothing.

    Raises:
        SweepError: The line.
    """
    try:
        yield
    except AuthenticationError as error:
        how = "RAY_AUTH_MODE=token, and RAY_AUTH_TOKEN, RAY_AUTH_TOKEN_PATH or ~/.ray/auth_token"
        refused = "refuses the token" if "invalid" in str(error).lower() else "asks for a token"
        raise SweepError(f"{address}: {refused}; it comes from {how}") from None
    except (ConnectionError, requests.RequestException, ClientError) as error:
        raise SweepError(
            f"{address}: no Ray job server answers ({type(error).__name__}); is the cluster up, is the "
            "dashboard's port forwarded, and is --address right?"
        ) from None
    except RuntimeError as error:
        if missing and "status code 404" in str(error):
            raise SweepError(missing) from None
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise SweepError(f"{address}: {lines[0][:300] if lines else type(error).__name__}") from None

"""List, follow and stop the jobs of a Ray cluster."""

import asyncio
import shlex
import sys
import time
from datetime import datetime, timedelta

from ray.job_submission import JobDetails, JobStatus, JobType
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cluster.client import Cluster, translated_errors
from sweeps.errors import SweepError

_POLL_SECONDS = 1.0
# The lines shown of the log of a job that failed.
_LOG_LINES = 10


def wait(cluster: Cluster, job: str, *, follow: bool = False, ending: str = "") -> bool:
    """Wait until a job has ended, print its log, and return whether it succeeded.

    Args:
        cluster: The cluster.
        job: The job's ID.
        follow: Whether to print the whole log, as it grows.
        ending: How the first line of the part begins that is printed of the log of a job that succeeded.

    Raises:
        SweepError: If there is no such job, or the cluster no longer answers.
        SystemExit: If Ctrl-C ends the wait, which leaves the job running.
    """
    cluster.info(job)
    try:
        if follow:
            _print_log_until_end(cluster, job)
        while not (details := cluster.info(job)).status.is_terminal():
            time.sleep(_POLL_SECONDS)
    except KeyboardInterrupt:
        _say(f"\n{job} is still running; follow it with: {cluster.command('logs', job, '--follow')}")
        raise SystemExit(130) from None
    except SweepError as error:
        raise SweepError(f"{error}; {job} may still be running") from None
    if details.status == JobStatus.SUCCEEDED and not follow:
        _print_from(cluster, job, ending)
    _say(_ending(job, details))
    if details.status == JobStatus.FAILED and not follow:
        _say("\n".join((details.message or "").splitlines()[-_LOG_LINES:]))
    return details.status == JobStatus.SUCCEEDED


def stop(cluster: Cluster, job: str) -> None:
    """Stop a job and wait until it has ended; raise SweepError if it already has."""
    details = cluster.info(job)
    if details.status.is_terminal():
        raise SweepError(f"{job} has already ended: {details.status.value.lower()}")
    _say(f"stopping {job} ...")
    with translated_errors(cluster.address):
        while not details.status.is_terminal():
            # Repeat the request: Ray ignores it while a job is starting.
            cluster.client.stop_job(job)
            time.sleep(_POLL_SECONDS)
            details = cluster.info(job)
    _say(_ending(job, details))
    # Only jobs of `noisesweep submit` have a study; others were started by commands unknown here.
    if "study" in (details.metadata or {}):
        _say(f"resume it with: {cluster.command(*_resume_command(details.entrypoint))}")


def print_log(cluster: Cluster, job: str) -> None:
    """Print a job's log; raise SweepError if its node is gone."""
    cluster.info(job)
    with translated_errors(cluster.address):
        sys.stdout.write(cluster.client.get_job_logs(job))


def print_jobs(cluster: Cluster) -> None:
    """List a cluster's jobs, latest first."""
    with translated_errors(cluster.address):
        jobs = [job for job in cluster.client.list_jobs() if job.type == JobType.SUBMISSION]
    table = Table("job", "study", "status", "since", "took")
    for job in sorted(jobs, key=lambda job: job.start_time or 0, reverse=True):
        study = (job.metadata or {}).get("study") or job.entrypoint
        since = f"{datetime.fromtimestamp((job.start_time or 0) / 1000):%Y-%m-%d %H:%M:%S}"
        table.add_row(
            *map(escape, (job.submission_id, study, job.status.value.lower(), since, _duration(job)))
        )
    Console(width=None if sys.stdout.isatty() else 160).print(table)


def _print_log_until_end(cluster: Cluster, job: str) -> None:
    async def tail() -> None:
        async for text in cluster.client.tail_job_logs(job):
            sys.stdout.write(text)
            sys.stdout.flush()

    with translated_errors(cluster.address):
        asyncio.run(tail())


def _print_from(cluster: Cluster, job: str, ending: str) -> None:
    """Print a job's log from the last line that begins like this; a log that is lost is no failure."""
    try:
        with translated_errors(cluster.address):
            log = f"\n{cluster.client.get_job_logs(job)}"
    except SweepError as error:
        _say(str(error))
        return
    _, begin, rest = log.rpartition(f"\n{ending}")
    if begin:
        _say(f"{ending}{rest}".rstrip())


def _resume_command(entrypoint: str) -> list[str]:
    _, _, file, *options = shlex.split(entrypoint)
    # The journal has which trials are retried.
    once = ("--new", "--retry-failed")
    return ["submit", file, "--resume", *(option for option in options if option not in once)]


def _ending(name: str, job: JobDetails) -> str:
    return f"{name} {job.status.value.lower()} after {_duration(job)}"


def _duration(job: JobDetails) -> str:
    milliseconds = (job.end_time or time.time() * 1000) - (job.start_time or 0)
    return str(timedelta(seconds=max(round(milliseconds / 1000), 0)))


def _say(text: str) -> None:
    print(text, flush=True)

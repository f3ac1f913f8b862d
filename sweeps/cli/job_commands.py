"""Commands that run sweeps as jobs of a Ray cluster."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli.options import (
    Address,
    File,
    Follow,
    Imports,
    Job,
    New,
    Overrides,
    Profile,
    RetryFailed,
    Trials,
    Verbose,
    changes_of,
)
from sweeps.errors import SweepError, refuse_credentials

if TYPE_CHECKING:
    from sweeps.spec.model import Spec

_STORAGE = "storage; default: NOISESWEEP_STORAGE on the cluster, or else ~/noisesweep there"
_TRACKING = "tracking store; default: MLFLOW_TRACKING_URI on the cluster, or else a file in the storage"
_WAIT = "wait until the job ends, and print its results; exit with 0 if it succeeded"


def submit(
    file: File,
    profile: Profile = None,
    overrides: Overrides = None,
    trials: Trials = None,
    new: New = False,
    resume: Annotated[bool, typer.Option("--resume", help="resume the study's latest sweep")] = False,
    retry_failed: RetryFailed = False,
    storage: Annotated[str | None, typer.Option(help=_STORAGE)] = None,
    tracking_uri: Annotated[str | None, typer.Option(help=_TRACKING)] = None,
    wait: Annotated[bool, typer.Option("--wait", help=_WAIT)] = False,
    follow: Follow = False,
    verbose: Verbose = False,
    address: Address = None,
    imports: Imports = None,
) -> None:
    """Run or resume a sweep as a job of a Ray cluster, with a copy of the current folder."""
    from sweeps.analysis.advice import check_first_look
    from sweeps.spec.load import load_spec
    from sweeps.spec.source import read, shipped_study

    if resume and new:
        raise typer.BadParameter("give either --resume for the latest sweep or --new for another one")
    if retry_failed and not resume:
        raise typer.BadParameter("--retry-failed is about a sweep that exists: give --resume too")
    written = read(file)
    changes = changes_of(written, profile, overrides, trials)
    spec = load_spec(written, changes, profile)
    if not resume:
        check_first_look(spec)
    left_out = _folders_left_out(file, spec)
    from cluster import client, jobs, submission
    from sweeps.console.display import RESULTS

    options = [f"--set={change}" for change in changes]
    if profile:
        options.append(f"--profile={profile}")
    options += _import_options(imports or [])
    if new:
        options.append("--new")
    if retry_failed:
        options.append("--retry-failed")
    if verbose:
        options.append("--verbose")
    options += _place_options(storage, tracking_uri)
    cluster = client.connect(address)
    job = submission.submit(
        cluster,
        file,
        spec.name,
        action="resume" if resume else "run",
        options=options,
        left_out=left_out,
        shipped=shipped_study(file) is not None,
    )
    if wait or follow:
        typer.echo(job)
        raise typer.Exit(0 if jobs.wait(cluster, job, follow=follow, ending=RESULTS) else 1)
    typer.echo(f"submitted {job}")
    for words in (["jobs"], ["logs", job, "--follow"], ["stop", job]):
        typer.echo(f"  {cluster.command(*words)}")


def jobs(address: Address = None) -> None:
    """List the jobs of a Ray cluster."""
    from cluster import client, jobs

    jobs.print_jobs(client.connect(address))


def logs(job: Job, follow: Follow = False, address: Address = None) -> None:
    """Print the log of a job."""
    from cluster import client, jobs

    cluster = client.connect(address)
    if follow:
        raise typer.Exit(0 if jobs.wait(cluster, job, follow=True) else 1)
    jobs.print_log(cluster, job)


def stop(job: Job, address: Address = None) -> None:
    """Stop a job and its trials. The sweep can be resumed."""
    from cluster import client, jobs

    jobs.stop(client.connect(address), job)


def _folders_left_out(file: Path, spec: "Spec") -> list[Path]:
    from sweeps.record.storage import DEFAULT_STORAGE

    if spec.data_dir and not Path(spec.data_dir).expanduser().is_absolute():
        raise SweepError(
            f"{file}: data_dir must be an absolute path that every node has, because data is not uploaded; "
            f"or leave it out, and set NOISESWEEP_DATA_DIR on the nodes; got: {spec.data_dir}"
        )
    data = filter(None, (spec.data_dir, os.environ.get("NOISESWEEP_DATA_DIR")))
    return [DEFAULT_STORAGE, *(Path(folder).expanduser() for folder in data)]


def _import_options(imports: list[str]) -> list[str]:
    """Return a job's options for the user's modules, files by their paths in the folder that is uploaded."""
    options = []
    for module in imports:
        name = os.path.relpath(module) if module.endswith(".py") else module
        if ".." in Path(name).parts:
            raise SweepError(
                f"--import {module}: must be in the folder that is uploaded; submit from its folder, not "
                f"from: {Path.cwd()}"
            )
        options.append(f"--import={name}")
    return options


def _place_options(storage: str | None, tracking_uri: str | None) -> list[str]:
    """Return a job's options, without credentials: everybody on the cluster can read the command line."""
    from sweeps.tracking.uris import check_scheme

    options = []
    if storage:
        refuse_credentials("--storage", storage)
        if "://" not in storage and not Path(storage).is_absolute():
            raise SweepError(
                "--storage must be an absolute path that every node has, or a URI, because Ray deletes the "
                f"folder in which a job runs; got: {storage}"
            )
        options.append(f"--storage={storage}")
    if tracking_uri:
        check_scheme(tracking_uri)
        options.append(f"--tracking-uri={tracking_uri}")
    return options

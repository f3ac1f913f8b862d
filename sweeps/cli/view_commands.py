"""Commands that show what can be trained, how far a sweep is, and what it found."""

import json
import os
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli.options import Name, NameOrNone, Storage, TrackingUri
from sweeps.errors import printable, refuse_credentials

if TYPE_CHECKING:
    from sweeps.record.folder import SweepFolder


def schema() -> None:
    """Print the JSON schema of a sweep's YAML, for use in editors."""
    from sweeps.spec.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


def list_() -> None:
    """List trainables with their models, metrics and hyperparameters, and the shipped studies."""
    from sweeps.console.tables import wide_console
    from sweeps.spec.catalogue import print_catalogue

    print_catalogue(wide_console())


def status(name: Name, storage: Storage = None, tracking_uri: TrackingUri = None) -> None:
    """Show the progress of a study's latest sweep, from its storage or (with --tracking-uri) from MLflow."""
    from sweeps.record.folder import latest_sweep
    from sweeps.record.storage import open_storage

    if tracking_uri:
        from sweeps.tracking.remote import fetched

        with fetched(tracking_uri, name) as (folder, running):
            _show(folder, f"{tracking_uri}, sweep {folder.path.name}", running)
    else:
        folder = latest_sweep(open_storage(storage), name)
        _show(folder, folder.uri or str(folder.path), folder.is_running())


def report(
    name: NameOrNone = None,
    all_: Annotated[bool, typer.Option("--all", help="one table of all studies in the storage")] = False,
    storage: Storage = None,
) -> None:
    """Write the report of a study's latest sweep and log it to MLflow, or one table of all studies."""
    if all_ == (name is not None):
        raise typer.BadParameter("give either the NAME of a study or --all")
    from sweeps.record.storage import open_storage

    if name is None:
        from sweeps.report.overview import write_overview

        page = write_overview(open_storage(storage))
    else:
        from sweeps.tracking.publisher_process import started_ahead

        with started_ahead():
            from sweeps.record.folder import latest_sweep
            from sweeps.report.publish import publish_report

            page = publish_report(latest_sweep(open_storage(storage), name))
    typer.echo(f"{page}\n{page.with_suffix('.md')}")


def ui(
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    port: Annotated[int, typer.Option(help="port to listen on")] = 5000,
) -> None:
    """Serve the MLflow UI of the tracking store, to this machine only."""
    from sweeps.record.storage import open_storage
    from sweeps.tracking.uris import check_database, default_tracking_uri

    uri = tracking_uri or default_tracking_uri(open_storage(storage))
    # The command prints the URI.
    refuse_credentials("tracking store", uri)
    if uri.startswith(("http://", "https://")):
        typer.echo(f"the tracking store is a server; open: {uri}")
        return
    check_database(uri)
    # Without the workflow type MLflow opens its GenAI pages.
    page = f"http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning"
    typer.echo(f"MLflow UI of {uri} (stop it with Ctrl-C); when the server has started, open:\n{page}")
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    # One worker and no job runners: MLflow's four workers and the runners take 2 GB.
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    os.execve(sys.executable, command, {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ})


def _show(folder: "SweepFolder", where: str, running: bool) -> None:
    from sweeps.analysis.descriptions import progress_line
    from sweeps.console.tables import tables, wide_console
    from sweeps.record.state import SweepState
    from sweeps.record.time_left import TimeLeft
    from sweeps.record.trials import trial_name
    from sweeps.report.summary import summary_lines

    spec, time_left, console = folder.spec(), TimeLeft(), wide_console()
    state = SweepState(spec)
    for event, _ in folder.journal.read():
        state.apply(event)
        time_left.apply(event, state)
    # Without the trainable or a noise mode, its arms and metrics are unknown.
    missing = spec.missing
    is_going_on = running and not missing and not state.complete
    left = time_left.text(state, time.time() * 1000) if is_going_on else ""
    progress = progress_line(state, running=running)
    console.print(f"{where}: {progress}{f'; {left}' if left else ''}", soft_wrap=True)
    if not missing:
        for table in tables(state, running=True):
            console.print(table)
        lines = summary_lines(folder)
    else:
        lines = [f"its arms are not shown, because {missing}"]
    for trial in state.trials.values():
        label = trial_name(trial.number, trial.arm)
        if trial.reason:
            lines.append(f"{label} {trial.status}: {trial.reason}")
        if trial.remarks:
            lines.append(f"{label}: {trial.remarks[-1]}")
    for line in lines:
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)

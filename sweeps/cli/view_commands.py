"""Commands that show what can be trained, how far a sweep is, and what it found."""

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from sweeps.cli.completion import names
from sweeps.cli.options import Imports, Name, NameOrNone, Storage, TrackingUri
from sweeps.errors import printable, refuse_credentials, unknown_message

if TYPE_CHECKING:
    from sweeps.record.folder import SweepFolder

_FORMAT = "also write figures as pdf or svg, and tables as csv or latex, into report/paper"


def schema(_imports: Imports = None) -> None:
    """Print the JSON schema of a sweep's YAML, for use in editors."""
    from sweeps.spec.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


def list_(_imports: Imports = None) -> None:
    """List trainables with their models, metrics and hyperparameters, and the shipped studies."""
    from sweeps.console.layout import wide_console
    from sweeps.spec.catalogue import print_catalogue

    print_catalogue(wide_console())


def status(
    name: Name, storage: Storage = None, tracking_uri: TrackingUri = None, _imports: Imports = None
) -> None:
    """Show the progress of a study's latest sweep, from its storage or (with --tracking-uri) from MLflow."""
    from sweeps.record.folder import latest_sweep
    from sweeps.record.storage import open_storage

    if tracking_uri:
        from sweeps.tracking.remote import fetched

        with fetched(tracking_uri, name) as (folder, running):
            _show(folder, f"{tracking_uri}, sweep {folder.path.name}", running, is_copy=True)
    else:
        folder = latest_sweep(open_storage(storage), name)
        _show(folder, folder.uri or str(folder.path), folder.is_running())


def report(
    name: NameOrNone = None,
    all_: Annotated[bool, typer.Option("--all", help="one table of all studies in the storage")] = False,
    format_: Annotated[str, typer.Option("--format", metavar="F,F,...", help=_FORMAT)] = "",
    storage: Storage = None,
    _imports: Imports = None,
) -> None:
    """Write the report of a study's latest sweep and log it to MLflow, or one table of all studies."""
    if all_ == (name is not None):
        raise typer.BadParameter("give either the NAME of a study or --all")
    formats = _formats(format_, all_)
    from sweeps.record.storage import open_storage

    if name is None:
        from sweeps.report.overview import write_overview

        page = write_overview(open_storage(storage), formats)
    else:
        from sweeps.tracking.publisher_process import started_ahead

        with started_ahead():
            from sweeps.record.folder import latest_sweep
            from sweeps.report.publish import publish_report

            page = publish_report(latest_sweep(open_storage(storage), name), formats)
    typer.echo(f"{page}\n{page.with_suffix('.md')}")
    if formats:
        typer.echo(f"{page.parent}/overview-*" if all_ else f"{page.with_name('paper')}/*")


def _formats(text: str, all_: bool) -> list[str]:
    """Read a list of formats such as ``pdf,csv``; raise BadParameter for one that is not known."""
    formats = [part.strip() for part in text.split(",") if part.strip()]
    if formats:
        from sweeps.report.paper import FIGURES, TABLES

        known = TABLES if all_ else FIGURES + TABLES
        for unknown in set(formats) - {*known}:
            problem = "is for figures, which --all has not" if unknown in FIGURES else "is not known"
            raise typer.BadParameter(unknown_message(unknown, known, problem), param_hint="--format")
    return formats


def compare(
    first: Annotated[str, typer.Argument(metavar="A", help="name of a study", autocompletion=names)],
    second: Annotated[str, typer.Argument(metavar="B", help="name of another study", autocompletion=names)],
    storage: Storage = None,
    _imports: Imports = None,
) -> None:
    """Compare the latest sweeps of two studies: their YAML, their arms, and claims of the same name."""
    from sweeps.console.layout import wide_console
    from sweeps.console.tables import report_table
    from sweeps.record.folder import check_known, latest_sweep
    from sweeps.record.storage import open_storage
    from sweeps.report.two_sweeps import comparison_tables

    folders, console = [latest_sweep(open_storage(storage), name) for name in (first, second)], wide_console()
    for folder in folders:
        check_known(folder, folder.spec())
    found = comparison_tables(*(folder.state() for folder in folders))
    for letter, folder in zip("AB", folders, strict=True):
        console.print(f"{letter}: {folder.study}, sweep {folder.path.name}", highlight=False)
    for found_table in found:
        console.print()
        console.print(report_table(found_table))


def ui(
    name: NameOrNone = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    port: Annotated[int, typer.Option(help="port to listen on", min=1, max=65535)] = 5000,
) -> None:
    """Serve MLflow's UI and the reports, to this machine only, and print the links of a study or of all."""
    from sweeps.record.folder import latest_sweep, study_names
    from sweeps.record.storage import open_storage
    from sweeps.tracking.bookmark import Bookmark
    from sweeps.tracking.uris import check_database, default_tracking_uri

    root = open_storage(storage)
    folders = [latest_sweep(root, study) for study in ([name] if name else study_names(root))]
    bookmark = Bookmark.read(folders[0]) if name else None
    uri = tracking_uri or (bookmark.uri if bookmark else default_tracking_uri(root))
    # The command prints the URI.
    refuse_credentials("tracking store", uri)
    is_server = uri.startswith(("http://", "https://"))
    if is_server and not name:
        typer.echo(f"the tracking store is a server; open: {uri}")
        return
    check_database(uri)
    from sweeps.tracking.ui import serve, server_links

    for line in server_links(uri, folders[0]) if is_server else serve(uri, root, folders, port):
        typer.echo(line)


def _show(folder: "SweepFolder", where: str, running: bool, *, is_copy: bool = False) -> None:
    from sweeps.analysis.descriptions import progress_line
    from sweeps.console.layout import wide_console
    from sweeps.console.tables import tables
    from sweeps.record.state import SweepState
    from sweeps.record.time_left import TimeLeft
    from sweeps.record.trials import trial_name
    from sweeps.report.summary import summary_lines
    from sweeps.spec.model import REGISTER

    spec, time_left, console = folder.spec(), TimeLeft(), wide_console()
    state = SweepState(spec)
    for event, _ in folder.journal.read():
        state.apply(event)
        time_left.apply(event, state)
    if not running:
        state.interrupt()
    # Without the trainable or a noise mode, its arms and metrics are unknown.
    missing = spec.missing
    is_going_on = running and not missing and not state.complete
    left = time_left.text(state, time.time() * 1000) if is_going_on else ""
    progress = progress_line(state, running=running)
    console.print(f"{where}: {progress}{f'; {left}' if left else ''}", soft_wrap=True)
    if not missing:
        for table in tables(state, running=running):
            console.print(table)
        lines = summary_lines(folder, is_copy=is_copy)
    else:
        lines = [f"its arms are not shown, because {missing}; {REGISTER}"]
    told = ""
    for trial in state.trials.values():
        label = trial_name(trial.number, trial.arm)
        if trial.reason:
            reason = "for the same reason" if trial.reason == told else trial.reason
            lines.append(f"{label} {trial.status}: {reason}")
            told = trial.reason
        if trial.remarks:
            lines.append(f"{label}: {trial.remarks[-1]}")
    for line in lines:
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)

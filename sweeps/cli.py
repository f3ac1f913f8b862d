"""The command line. Commands import what they need when they run, so that --help is quick."""

import atexit
import json
import os
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.errors import SpecError, SweepError, refuse_credentials

if TYPE_CHECKING:
    from sweeps.console.jsonl import Log
    from sweeps.record.folder import SweepFolder
    from sweeps.runner import SweepResult
    from sweeps.spec.model import Spec

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

File = Annotated[Path, typer.Argument(metavar="FILE", help="a sweep's YAML, or the name of a shipped study")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="name of a study, as in its YAML")]
Storage = Annotated[
    str | None,
    typer.Option(
        envvar="NOISESWEEP_STORAGE",
        help="where sweeps are kept: a folder, or a URI such as s3://bucket/sweeps; "
        "default: runs, in a Ray job ~/noisesweep",
    ),
]
TrackingUri = Annotated[
    str | None,
    typer.Option(help="MLflow store; default: MLFLOW_TRACKING_URI, else an SQLite file in the storage"),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="change a key of the YAML, such as fixed.epochs=3; repeatable"
    ),
]
Json = Annotated[bool, typer.Option("--json", help="print JSON lines, for programs")]
Profile = Annotated[
    str | None, typer.Option(metavar="NAME", help="another form of the sweep, from profiles: in its YAML")
]

Trials = Annotated[int | None, typer.Option(help="trials, of each arm in a study with stages")]
New = Annotated[bool, typer.Option("--new", help="start another sweep of a study that has one")]
Job = Annotated[str, typer.Argument(metavar="ID", help="id of a job, as submit printed it")]
Address = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        help="dashboard of the Ray cluster; default: RAY_API_SERVER_ADDRESS, else http://127.0.0.1:8265",
    ),
]


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"noisesweep {version('noisesweep')}")
        raise typer.Exit


@app.callback()
def noisesweep(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Sweep noise injected into gradient descent: modes, sigmas, architectures."""


@app.command()
def run(
    file: File,
    profile: Profile = None,
    overrides: Overrides = None,
    trials: Trials = None,
    new: New = False,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    json_lines: Json = False,
) -> None:
    """Run a sweep."""
    from sweeps.tracking.process import started_ahead

    with started_ahead():
        from sweeps.spec.load import load_spec

        spec = load_spec(file, _changes(file, profile, overrides, trials), profile)
        from sweeps.runner import run as run_sweep

        _exit(run_sweep(spec, storage=storage, tracking_uri=tracking_uri, new=new, log=_log(json_lines)))


@app.command()
def resume(
    sweep: Annotated[
        str, typer.Argument(metavar="NAME|FILE", help="name of a study; or its YAML, to change resources")
    ],
    profile: Profile = None,
    overrides: Overrides = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    json_lines: Json = False,
) -> None:
    """Go on with a study's newest sweep, or deliver what MLflow has not got of it."""
    is_file = sweep.endswith((".yaml", ".yml")) or "/" in sweep
    if profile or overrides:
        from sweeps.spec.source import shipped_study

        is_file = is_file or shipped_study(sweep) is not None
    _check_changes(is_file, profile, overrides)
    from sweeps.tracking.process import started_ahead

    with started_ahead():
        from sweeps.spec.load import load_spec

        spec = load_spec(sweep, overrides or [], profile) if is_file else None
        from sweeps.runner import resume as resume_sweep

        _exit(resume_sweep(spec or sweep, storage=storage, tracking_uri=tracking_uri, log=_log(json_lines)))


@app.command()
def validate(file: File, profile: Profile = None, overrides: Overrides = None) -> None:
    """Check a sweep's YAML: all its mistakes, or what it comes to."""
    from sweeps.analysis.claims import undecidable
    from sweeps.analysis.descriptions import plan
    from sweeps.spec.load import load_spec
    from sweeps.spec.source import dump

    spec = load_spec(file, overrides or [], profile)
    for other in spec.profiles:
        load_spec(file, overrides or [], other)
    unsearched = spec.hyperparameters({}).model_dump()
    fixed = {
        name: value for name, value in unsearched.items() if name not in spec.search or name in spec.fixed
    }
    if "optimizer" in spec.search and "weight_decay" not in spec.fixed:
        fixed["weight_decay"] = None  # that of each optimizer
    resolved = spec.model_dump(exclude_none=True)
    if not spec.stages:
        resolved["scheduler"] = resolved.get("scheduler", "none")
    sys.stdout.write(dump({**resolved, "fixed": fixed}))
    sys.stderr.write(f"{file}: right; {plan(spec)}\n")
    if note := undecidable(spec):
        sys.stderr.write(f"{file}: {note}\n")


@app.command()
def schema() -> None:
    """Print the JSON schema of a sweep's YAML, for editors."""
    from sweeps.spec.schema import json_schema

    typer.echo(json.dumps(json_schema(), indent=2))


@app.command("list")
def list_() -> None:
    """List trainables with their models, metrics and hyperparameters, and the studies shipped."""
    from sweeps.console.tables import wide_console
    from sweeps.spec.catalogue import print_catalogue

    print_catalogue(wide_console())


@app.command()
def status(name: Name, storage: Storage = None, tracking_uri: TrackingUri = None) -> None:
    """Show how far a study's newest sweep is; with --tracking-uri, from wherever that is reached."""
    from sweeps.record.folder import latest_sweep
    from sweeps.record.storage import open_storage
    from sweeps.tracking.remote import fetched

    if tracking_uri:
        with fetched(tracking_uri, name) as (folder, running):
            _show(folder, f"{tracking_uri}, sweep {folder.path.name}", running)
    else:
        folder = latest_sweep(open_storage(storage), name)
        _show(folder, folder.uri or str(folder.path), folder.is_running())


def _show(folder: "SweepFolder", where: str, running: bool) -> None:
    import time

    from sweeps.analysis.descriptions import progress_line
    from sweeps.console.tables import arms_table, tables, wide_console
    from sweeps.errors import printable
    from sweeps.record.state import SweepState, trial_name
    from sweeps.record.time_left import TimeLeft
    from sweeps.report.page import summary_lines
    from trainables import registry

    spec, pace, console = folder.spec(), TimeLeft(), wide_console()
    state = SweepState(spec)
    for event, _ in folder.journal.read():
        state.apply(event)
        pace.apply(event, state)
    left = pace.left(state, time.time() * 1000) if running and not state.complete else None
    about = f"; about {left} left" if left else ""
    console.print(f"{where}: {progress_line(state, running=running)}{about}", soft_wrap=True)
    known = spec.trainable in registry.names()  # else what it compares by is not, either
    for table in tables(state, running=True) if known else [arms_table(state, running=True)]:
        console.print(table)
    lines = summary_lines(folder) if known else []
    for trial in state.trials.values():
        who = trial_name(trial.number, trial.arm)
        lines += [f"{who} {trial.status}: {trial.reason}"] * bool(trial.reason)
        lines += [f"{who}: {remark}" for remark in trial.remarks[-1:]]
    for line in lines:
        console.print(printable(line), markup=False, highlight=False, soft_wrap=True)


@app.command()
def report(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="name of a study")] = None,
    all_: Annotated[bool, typer.Option("--all", help="one table over all studies of the storage")] = False,
    storage: Storage = None,
) -> None:
    """Write the report of a study's newest sweep and log it to MLflow, or one table over all studies."""
    _check_one(name, all_)
    from sweeps.record.storage import open_storage

    if name is None:
        from sweeps.report.overview import write_overview

        page = write_overview(open_storage(storage))
    else:
        from sweeps.record.folder import latest_sweep
        from sweeps.runner import publish_report

        page = publish_report(latest_sweep(open_storage(storage), name))
    typer.echo(f"{page}\n{page.with_suffix('.md')}")


@app.command()
def ui(
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    port: Annotated[int, typer.Option(help="port on this machine")] = 5000,
) -> None:
    """Open the MLflow UI on the tracking store, on this machine only."""
    from sweeps.record.storage import open_storage
    from sweeps.tracking.uris import check_database, default_tracking_uri

    uri = tracking_uri or default_tracking_uri(open_storage(storage))
    refuse_credentials("tracking store", uri)  # it is printed
    if uri.startswith(("http://", "https://")):
        typer.echo(f"the tracking store is a server; open {uri}")
        return
    check_database(uri)
    page = f"http://127.0.0.1:{port}/#/experiments?workflowType=machine_learning"  # not MLflow's GenAI side
    typer.echo(f"MLflow UI of {uri} (Ctrl-C ends it); when the server has started, open\n{page}")
    arguments = [
        "-m",
        "mlflow",
        "server",
        "--backend-store-uri",
        uri,
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--workers",
        "1",  # for one person: MLflow's four and its job runners take 2 GB
    ]
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ}
    os.execve(sys.executable, [sys.executable, *arguments], environment)


@app.command()
def submit(
    file: File,
    profile: Profile = None,
    overrides: Overrides = None,
    trials: Trials = None,
    new: New = False,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the study's newest sweep")] = False,
    storage: Annotated[
        str | None,
        typer.Option(help="where sweeps are kept; default: NOISESWEEP_STORAGE there, else ~/noisesweep"),
    ] = None,
    tracking_uri: Annotated[
        str | None,
        typer.Option(
            help="MLflow store; default: MLFLOW_TRACKING_URI there, else an SQLite file in the storage"
        ),
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="exit when it has ended, 0 if it succeeded")] = False,
    follow: Annotated[bool, typer.Option("--follow", help="wait, and print its log")] = False,
    address: Address = None,
) -> None:
    """Run or resume a sweep as a job of a Ray cluster, with the current folder."""
    from sweeps.spec.load import load_spec
    from sweeps.spec.source import shipped_study

    _check_either(resume, new)
    changes = _changes(file, profile, overrides, trials)
    spec = load_spec(file, changes, profile)
    left_out = _folders_left_out(file, spec)
    from cluster import jobs, submission

    options = [f"--set={change}" for change in changes]
    options += [f"--profile={profile}"] * bool(profile) + ["--new"] * new
    options += _places(storage, tracking_uri)
    cluster = jobs.connect(address)
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
        _exit_with(jobs.wait(cluster, job, follow=follow))
    typer.echo(f"submitted {job}")
    for words in (["jobs"], ["logs", job, "--follow"], ["stop", job]):
        typer.echo(f"  {cluster.command(*words)}")


@app.command("jobs")
def jobs_(address: Address = None) -> None:
    """List the jobs of a Ray cluster."""
    from cluster import jobs

    jobs.print_jobs(jobs.connect(address))


@app.command()
def logs(
    job: Job,
    follow: Annotated[bool, typer.Option("--follow", help="until it has ended, as with submit")] = False,
    address: Address = None,
) -> None:
    """Print the log of a job."""
    from cluster import jobs

    cluster = jobs.connect(address)
    if follow:
        _exit_with(jobs.wait(cluster, job, follow=True))
    jobs.print_log(cluster, job)


@app.command()
def stop(job: Job, address: Address = None) -> None:
    """Stop a job: its trials end, and the sweep can be resumed."""
    from cluster import jobs

    jobs.stop(jobs.connect(address), job)


def _log(json_lines: bool) -> "Log":
    return "json" if json_lines else "text"


def _changes(file: Path, profile: str | None, overrides: list[str] | None, trials: int | None) -> list[str]:
    from sweeps.spec.source import Source

    changes = overrides or []
    if trials is None:
        return changes
    staged = "stages" in Source(file, changes, profile).content
    return [*changes, f"{'stages.search.trials_per_arm' if staged else 'budget.trials'}={trials}"]


def _check_changes(is_file: bool, profile: str | None, overrides: list[str] | None) -> None:
    if not is_file and (profile or overrides):
        raise typer.BadParameter("--profile and --set change a YAML: give the FILE, not the name")


def _check_one(name: str | None, all_: bool) -> None:
    if all_ == (name is not None):
        raise typer.BadParameter("takes the NAME of a study, or --all")


def _check_either(resume: bool, new: bool) -> None:
    if resume and new:
        raise typer.BadParameter("--resume goes on with a sweep, --new starts another")


def _folders_left_out(file: Path, spec: "Spec") -> list[Path]:
    from sweeps.record.storage import DEFAULT_STORAGE

    if spec.data_dir and not Path(spec.data_dir).expanduser().is_absolute():
        raise SweepError(
            f"{file}: data_dir {spec.data_dir}: is a folder here, and data is not uploaded; give an "
            "absolute path that every node has, or set NOISESWEEP_DATA_DIR there"
        )
    data = filter(None, (spec.data_dir, os.environ.get("NOISESWEEP_DATA_DIR")))
    return [DEFAULT_STORAGE, *(Path(folder).expanduser() for folder in data)]


def _places(storage: str | None, tracking_uri: str | None) -> list[str]:
    # They stand in the job's command, which all may read.
    from sweeps.tracking.uris import check_scheme

    options = []
    if storage:
        refuse_credentials("--storage", storage)
        if "://" not in storage and not Path(storage).is_absolute():
            raise SweepError(
                f"--storage {storage}: is relative, and the job's folder is a copy that Ray deletes; give an "
                "absolute path that every node has, or a URI"
            )
        options.append(f"--storage={storage}")
    if tracking_uri:
        check_scheme(tracking_uri)
        options.append(f"--tracking-uri={tracking_uri}")
    return options


def _exit_with(succeeded: bool) -> None:
    raise typer.Exit(0 if succeeded else 1)


def _exit(result: "SweepResult") -> None:
    if not result.complete:
        raise typer.Exit(130)  # as after Ctrl-C
    if result.undelivered or result.best is None:
        raise typer.Exit(1)


def main() -> None:
    """Run the command line; a user's mistake is its message and exit code 1, never a traceback."""
    try:
        app()
    except SpecError as error:
        sys.stderr.write(f"{error}\n")
        count = len(error.mistakes)
        sys.exit(f"{count} mistake{'s' if count > 1 else ''}; nothing was run")
    except SweepError as error:
        sys.exit(f"noisesweep: {error}")


def script() -> None:
    """Run the command line, and end without taking torch's modules apart, which takes two seconds."""
    try:
        main()
        code: Any = 0
    except SystemExit as ended:
        code = ended.code
    if isinstance(code, str):
        sys.stderr.write(f"{code}\n")
        code = 1
    atexit._run_exitfuncs()
    with suppress(OSError):  # nobody reads it any more
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code or 0)

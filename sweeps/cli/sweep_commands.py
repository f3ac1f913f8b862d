"""Commands that run a sweep or check its YAML."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sweeps.cli.completion import names_and_files
from sweeps.cli.options import (
    File,
    FileOrNone,
    Imports,
    Json,
    Name,
    New,
    Overrides,
    Profile,
    RetryFailed,
    Storage,
    TrackingUri,
    Trials,
    Verbose,
    changes_of,
)

if TYPE_CHECKING:
    from sweeps.console.jsonl import Log
    from sweeps.results import SweepResult
    from sweeps.spec.model import Spec

_SWEEP = "name of a study, or its YAML to change settings such as resources, or to add claims"
_LOOKS = "number of seeds at every look, those that have been taken included, such as 13,20,40,80"
_TRIALS_PER_ARM = "number of trials of the search in each arm; those that exist are kept"


def run(
    file: FileOrNone = None,
    profile: Profile = None,
    overrides: Overrides = None,
    trials: Trials = None,
    new: New = False,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    json_lines: Json = False,
    verbose: Verbose = False,
    _imports: Imports = None,
) -> None:
    """Run a sweep; without FILE, list what there is to run."""
    if file is None:
        from sweeps.console.layout import wide_console
        from sweeps.console.studies import print_studies

        print_studies(wide_console())
        # Nothing was run: a script that lost its argument must not take this for success.
        raise typer.Exit(2)
    from sweeps.tracking.publisher_process import started_ahead

    with started_ahead():
        from sweeps.spec.load import load_spec
        from sweeps.spec.source import read

        written = read(file)
        spec = load_spec(written, changes_of(written, profile, overrides, trials), profile)
        from sweeps.runner import run

        log: Log = "json" if json_lines else "text"
        result = run(spec, storage=storage, tracking_uri=tracking_uri, new=new, log=log, verbose=verbose)
        _exit(result)


def resume(
    sweep: Annotated[str, typer.Argument(metavar="NAME|FILE", help=_SWEEP, autocompletion=names_and_files)],
    profile: Profile = None,
    overrides: Overrides = None,
    retry_failed: RetryFailed = False,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    json_lines: Json = False,
    verbose: Verbose = False,
    _imports: Imports = None,
) -> None:
    """Resume a study's latest sweep, or upload what MLflow is still missing."""
    is_file = sweep.endswith((".yaml", ".yml")) or "/" in sweep
    if profile or overrides:
        from sweeps.spec.source import shipped_study

        is_file = is_file or shipped_study(sweep) is not None
        if not is_file:
            raise typer.BadParameter("--profile and --set change a YAML: give its FILE instead of the NAME")
    from sweeps.tracking.publisher_process import started_ahead

    with started_ahead():
        from sweeps.spec.load import load_spec

        spec = load_spec(sweep, overrides or [], profile) if is_file else None
        from sweeps.runner import resume

        log: Log = "json" if json_lines else "text"
        options: dict[str, Any] = {"log": log, "verbose": verbose, "retry_failed": retry_failed}
        _exit(resume(spec or sweep, storage=storage, tracking_uri=tracking_uri, **options))


def extend(
    name: Name,
    looks: Annotated[str | None, typer.Option(metavar="N,N,...", help=_LOOKS)] = None,
    trials_per_arm: Annotated[int | None, typer.Option(help=_TRIALS_PER_ARM)] = None,
    storage: Storage = None,
    tracking_uri: TrackingUri = None,
    json_lines: Json = False,
    verbose: Verbose = False,
    _imports: Imports = None,
) -> None:
    """Resume a study's latest sweep with more looks, as far as its level permits, or with a larger search."""
    seeds = None
    if looks is not None:
        if not all(part.strip().isdecimal() for part in looks.split(",")):
            raise typer.BadParameter(f"must be numbers of seeds, such as 13,20,40, got {looks}")
        seeds = [int(part) for part in looks.split(",")]
    from sweeps.tracking.publisher_process import started_ahead

    with started_ahead():
        from sweeps.runner import extend

        log: Log = "json" if json_lines else "text"
        options: dict[str, Any] = {
            "storage": storage,
            "tracking_uri": tracking_uri,
            "log": log,
            "verbose": verbose,
        }
        _exit(extend(name, looks=seeds, trials_per_arm=trials_per_arm, **options))


def validate(
    file: File, profile: Profile = None, overrides: Overrides = None, _imports: Imports = None
) -> None:
    """Check a sweep's YAML: print all its mistakes, or the sweep with every default."""
    from sweeps.analysis.advice import check_first_look, notes
    from sweeps.analysis.descriptions import plan
    from sweeps.spec.load import load_spec
    from sweeps.spec.model import MEASURING
    from sweeps.spec.source import read
    from sweeps.spec.yaml import dump

    text = read(file)
    spec = load_spec(text, overrides or [], profile)
    for each in (spec, *(load_spec(text, overrides or [], other) for other in spec.profiles)):
        check_first_look(each)
    defaults = spec.hyperparameters({}).model_dump()
    # These have their values elsewhere in the YAML.
    elsewhere = {*spec.varied, *(MEASURING if spec.confirm else [])} - spec.fixed.keys()
    fixed = {name: value for name, value in defaults.items() if name not in elsewhere}
    if "optimizer" in spec.varied and spec.fixed.get("weight_decay") is None:
        # Each optimizer has a default of its own.
        fixed["weight_decay"] = None
    is_joint = not spec.stages and not spec.is_grid
    written = spec.model_copy(update={"sampler": spec.search_sampler}) if is_joint else spec
    resolved = written.model_dump(exclude_none=True)
    if not spec.stages:
        resolved["scheduler"] = resolved.get("scheduler", "none")
    sys.stdout.write(dump({**resolved, "fixed": fixed}))
    sys.stderr.write(f"{file}: valid; {plan(spec)}\n")
    for note in (*notes(spec), *_data_notes(spec)):
        sys.stderr.write(f"{file}: {note}\n")


def _data_notes(spec: "Spec") -> list[str]:
    """Note that the data folder is not here; the sweep may run on other machines, which have it."""
    if not spec.data_dir or Path(spec.data_dir).expanduser().is_dir():
        return []
    rule = "no such folder on this machine; correct it, or leave it out and set NOISESWEEP_DATA_DIR"
    return [f"data_dir {spec.data_dir}: {rule}"]


def _exit(result: "SweepResult") -> None:
    if not result.complete:
        # A shell has the same status after Ctrl-C.
        raise typer.Exit(130)
    if result.undelivered or result.best is None or result.failures:
        raise typer.Exit(1)

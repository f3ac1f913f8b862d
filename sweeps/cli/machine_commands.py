"""Commands that say what a sweep costs, and what this machine can do."""

import sys

import typer

from sweeps.cli.options import File, Imports, Overrides, Profile, Storage, TrackingUri, Trials, changes_of
from sweeps.errors import SweepError, printable


def plan(
    file: File,
    profile: Profile = None,
    overrides: Overrides = None,
    trials: Trials = None,
    _imports: Imports = None,
) -> None:
    """Say what a sweep will cost: trials, epochs, time and memory, from a few steps measured here."""
    from sweeps.analysis.advice import check_first_look
    from sweeps.console.costs import data_lines, measurement_line, programs_table, stages_table
    from sweeps.console.layout import wide_console
    from sweeps.engine import probe
    from sweeps.spec.load import load_spec
    from sweeps.spec.source import read

    written = read(file)
    spec = load_spec(written, changes_of(written, profile, overrides, trials), profile)
    check_first_look(spec)
    found = probe.plan(spec, lambda text: print(text, file=sys.stderr))
    console = wide_console()
    console.print(stages_table(spec, found.works, found.costs, found.slots))
    if found.costs:
        console.print(programs_table(found.costs, gpu=spec.resources.gpu > 0))
        print(measurement_line(spec, found.costs, found.nodes, found.slots))
    for line in data_lines(found.data):
        print(line)
    if not found.costs:
        raise SweepError("no time is estimated without the data; get them, or set NOISESWEEP_DATA_DIR")


def doctor(storage: Storage = None, tracking_uri: TrackingUri = None) -> None:
    """Check what this machine can do, and say what to do about what it cannot."""
    from sweeps.engine.doctor import examine

    can_run = True
    for check in examine(storage, tracking_uri):
        remedy = f"; {check.remedy}" if check.remedy and not check.ok else ""
        print(
            printable(f"{'ok' if check.ok else 'missing':<8} {check.name:<9} {check.found}{remedy}"),
            flush=True,
        )
        can_run = can_run and (check.ok or not check.needed)
    if not can_run:
        raise typer.Exit(1)

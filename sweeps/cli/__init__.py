"""The command line. Each command imports what it needs when it runs, so that ``--help`` is quick."""

import atexit
import os
import sys
from contextlib import suppress
from io import TextIOWrapper
from typing import Annotated, Any

import typer

from sweeps.cli.init_command import init
from sweeps.cli.job_commands import jobs, logs, stop, submit
from sweeps.cli.machine_commands import doctor, plan
from sweeps.cli.sweep_commands import extend, resume, run, validate
from sweeps.cli.view_commands import compare, list_, report, schema, status, ui
from sweeps.errors import SpecError, SweepError

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)
# Help lists the commands in this order.
_COMMANDS = (
    *(init, validate, plan, run, resume, extend),
    *(status, report, compare, ui, list_, schema),
    *(submit, jobs, logs, stop, doctor),
)
for command in _COMMANDS:
    app.command(command.__name__.rstrip("_"))(command)


def _version(asked: bool) -> None:
    if asked:
        from sweeps.tracking.release import release

        typer.echo(f"noisesweep {release()}")
        raise typer.Exit


@app.callback()
def noisesweep(
    _: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Sweep noise injected into gradient descent: modes, sigmas, architectures."""


def main() -> None:
    """Run the command line. A user's mistake ends it with a message and exit status 1, not a traceback."""
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character must not end a sweep.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        app()
    except SpecError as error:
        count = len(error.mistakes)
        sys.exit(f"{error}\n{count} mistake{'s' if count > 1 else ''}; nothing was run")
    except SweepError as error:
        sys.exit(f"noisesweep: {error}")


def script() -> None:
    """Run the command line without Python's final clean-up, which takes a second after a sweep."""
    code: Any = 0
    _open_standard_streams()
    try:
        main()
    except SystemExit as ended:
        code = ended.code
    # Writing fails if the terminal or the reader of a pipe has gone.
    with suppress(OSError):
        if isinstance(code, str):
            sys.stderr.write(f"{code}\n")
    code = 1 if isinstance(code, str) else code
    atexit._run_exitfuncs()
    with suppress(OSError):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code or 0)


def _open_standard_streams() -> None:
    """Replace standard streams that whoever started this process has closed.

    Otherwise a file or a pipe that is opened later gets the number of one, and children write to it.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: SIM115
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)

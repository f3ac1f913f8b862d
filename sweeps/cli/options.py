"""The arguments and options that commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Context, Option

from sweeps.cli.completion import files, names, profiles
from sweeps.errors import SweepError

if TYPE_CHECKING:
    from sweeps.spec.source import Written

_STORAGE = "folder or URI (such as s3://bucket/sweeps) of sweeps; default: runs, or ~/noisesweep in a Ray job"
_TRACKING = "tracking store; default: MLFLOW_TRACKING_URI, or else an SQLite file in the storage"
_CHANGE = "change a key of the YAML, such as fixed.epochs=3; repeatable"
_PROFILE = "variant of the sweep, listed under profiles in its YAML"
_IMPORT = "module of this folder, or .py file, that registers trainables or noise modes; repeatable"
_FOLLOW = "print the log until the job ends; exit with 0 if it succeeded"
_DASHBOARD = "dashboard of the Ray cluster; default: RAY_API_SERVER_ADDRESS, or else http://127.0.0.1:8265"


def _import(context: Context, modules: list[str] | None) -> list[str]:
    """Import what registers trainables, before the command itself begins."""
    if modules and not context.resilient_parsing:
        from trainables.imports import import_user_module
        from trainables.plugins import PluginError

        for module in modules:
            try:
                import_user_module(module)
            except PluginError as error:
                raise SweepError(f"--import {error}") from None
    return modules or []


_File = Argument(metavar="FILE", help="a sweep's YAML, or the name of a shipped study", autocompletion=files)
_Name = Argument(metavar="NAME", help="name of a study, as in its YAML", autocompletion=names)
File = Annotated[Path, _File]
FileOrNone = Annotated[Path | None, _File]
Name = Annotated[str, _Name]
NameOrNone = Annotated[str | None, _Name]
Storage = Annotated[str | None, Option(envvar="NOISESWEEP_STORAGE", help=_STORAGE)]
TrackingUri = Annotated[str | None, Option(help=_TRACKING)]
Overrides = Annotated[list[str] | None, Option("--set", metavar="KEY=VALUE", help=_CHANGE)]
Profile = Annotated[str | None, Option(metavar="NAME", help=_PROFILE, autocompletion=profiles)]
Trials = Annotated[int | None, Option(help="number of trials, or of trials per arm in a study with stages")]
New = Annotated[bool, Option("--new", help="start a new sweep of a study that already has one")]
Imports = Annotated[list[str] | None, Option("--import", metavar="MODULE", help=_IMPORT, callback=_import)]
RetryFailed = Annotated[bool, Option("--retry-failed", help="run failed trials again, from their last epoch")]
Json = Annotated[bool, Option("--json", help="print JSON lines for other programs to read")]
Verbose = Annotated[bool, Option("--verbose", "-v", help="print a line for each trial that ends")]
Follow = Annotated[bool, Option("--follow", help=_FOLLOW)]
Job = Annotated[str, Argument(metavar="ID", help="ID of a job, as printed by submit")]
Address = Annotated[str | None, Option(metavar="URL", help=_DASHBOARD)]


def changes_of(
    written: "Written", profile: str | None, overrides: list[str] | None, trials: int | None
) -> list[str]:
    """Return the values of ``--set``, with ``--trials`` as a change of the key that the sweep has for it."""
    from sweeps.spec.source import Source

    changes = overrides or []
    if trials is None:
        return changes
    staged = "stages" in Source(written, changes, profile).content
    return [*changes, f"{'stages.search.trials_per_arm' if staged else 'budget.trials'}={trials}"]

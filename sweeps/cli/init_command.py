"""The command that writes a first YAML."""

import re
from pathlib import Path
from typing import Annotated

import typer

from sweeps.cli.completion import trainables
from sweeps.cli.options import Imports
from sweeps.errors import SweepError

_FILE = "the YAML to write; default: TRAINABLE-COMPARED.yaml"
_TRAINABLE = "a trainable, as `noisesweep list` names them"
_COMPARED = "hyperparameter with listed values, which the study compares"


def init(
    trainable: Annotated[
        str, typer.Argument(metavar="TRAINABLE", help=_TRAINABLE, autocompletion=trainables)
    ],
    file: Annotated[Path | None, typer.Argument(metavar="FILE", help=_FILE)] = None,
    compare: Annotated[str, typer.Option(metavar="HYPERPARAMETER", help=_COMPARED)] = "noise",
    _imports: Imports = None,
) -> None:
    """Write a study of a trainable: a YAML with a comment for every key, ready to run."""
    from sweeps.record.storage import command, open_storage
    from sweeps.spec.template import study_text

    path = file or Path(f"{trainable}-{compare}.yaml".replace("_", "-"))
    text = study_text(_name_of(path), trainable, compare)
    try:
        with path.open("x") as created:
            created.write(text)
    except FileExistsError:
        raise SweepError(f"{path}: exists already, and is left as it is; give another FILE") from None
    except FileNotFoundError:
        raise SweepError(f"{path}: there is no folder {path.parent}; create it first") from None
    except OSError as error:
        raise SweepError(f"{path}: cannot be written: {error.strerror}") from None
    typer.echo(f"{path} is written: change what you like, then")
    steps = {
        "checks it, and shows every default": ["validate", str(path)],
        "says what it will cost": ["plan", str(path)],
        "tries it in a small form": ["run", str(path), "--profile", "quick"],
        "runs it": ["run", str(path)],
    }
    commands = {what: command(*words, storage=open_storage()) for what, words in steps.items()}
    width = max(map(len, commands.values()))
    for what, line in commands.items():
        typer.echo(f"  {line:{width}}  # {what}")


def _name_of(path: Path) -> str:
    from sweeps.spec.model import NAME
    from sweeps.spec.source import YAML

    if path.suffix not in YAML:
        raise typer.BadParameter(f"FILE must end in .yaml, such as {path.with_suffix('.yaml')}, got {path}")
    if not re.fullmatch(NAME, path.stem):
        rule = "its name, without .yaml, is the study's: letters, digits, and - _ . inside, at most 64"
        raise typer.BadParameter(f"FILE {path.name}: {rule}")
    return path.stem

"""What the shell completes: files, studies, profiles and trainables; it imports nothing that takes long."""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import typer

from sweeps.errors import SweepError


def files(incomplete: str) -> list[str]:
    """Complete FILE: shipped studies, and the YAML files of the folder that is named so far."""
    from sweeps.spec.source import YAML, shipped_studies

    folder = incomplete.rpartition("/")[0]
    prefix = f"{folder}/" if folder or incomplete.startswith("/") else ""
    with suppress(OSError):
        listed = sorted(path.name for path in Path(prefix or ".").iterdir() if path.suffix in YAML)
        return _starting(incomplete, [*(f"{prefix}{name}" for name in listed), *shipped_studies()])
    return []


def names(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete NAME: the studies in the storage, if that is a folder."""
    from sweeps.record.files import studies_in

    storage = ctx.params.get("storage") or os.environ.get("NOISESWEEP_STORAGE") or "runs"
    folder = Path(str(storage).removeprefix("file://")).expanduser()
    return _starting(incomplete, [] if "://" in str(folder) else studies_in(folder))


def names_and_files(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete NAME|FILE."""
    return list(dict.fromkeys([*names(ctx, incomplete), *files(incomplete)]))


def profiles(ctx: typer.Context, incomplete: str) -> list[str]:
    """Complete ``--profile`` with the profiles of the FILE on the command line."""
    from sweeps.spec.source import Source

    # Before a value, click has not assigned the arguments yet.
    given = [ctx.params.get("file"), ctx.params.get("sweep"), *ctx.args]
    file = next((str(each) for each in given if each), "")
    with suppress(SweepError):
        known = Source(file).content.get("profiles")
        return _starting(incomplete, known if isinstance(known, dict) else [])
    return []


def trainables(incomplete: str) -> list[str]:
    """Complete TRAINABLE."""
    from trainables.registry import names

    return _starting(incomplete, names())


def _starting(incomplete: str, words: Iterable[str]) -> list[str]:
    return [word for word in words if word.startswith(incomplete)]

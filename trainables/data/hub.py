"""Datasets from a local folder or else the Hugging Face hub, built into cached tensors."""

import hashlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainables.data import DataError
from trainables.data.cache import cached
from trainables.errors import reason_of


@contextmanager
def _quiet_client() -> Iterator[None]:
    """Let the hub's client log no retries and, in a log file, show no progress bars; undo that at the end."""
    # This import takes a second; only the first process of a machine needs it.
    import datasets

    logger = logging.getLogger("huggingface_hub")
    level, had_bars = logger.level, not datasets.are_progress_bars_disabled()
    logger.setLevel(logging.ERROR)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        logger.setLevel(level)
        if had_bars:
            datasets.enable_progress_bars()


def data_root(data_dir: Path | None) -> Path | None:
    """The folder with local copies of datasets: ``data_dir``, else ``NOISESWEEP_DATA_DIR``, else None.

    Raises:
        DataError: If the folder does not exist.
    """
    root = data_dir or os.environ.get("NOISESWEEP_DATA_DIR")
    if not root:
        return None
    if not Path(root).is_dir():
        raise DataError(f"data_dir {root}: no such folder (from the YAML or NOISESWEEP_DATA_DIR)")
    return Path(root)


def local_file(name: str, data_dir: Path | None) -> Path:
    """Resolve a user's path, absolute or relative to ``data_root``.

    The file need not exist. The result is relative if there is no ``data_root``.
    """
    return (data_root(data_dir) or Path()) / Path(name).expanduser()


def identity_of(file: Path) -> list[Any]:
    """Name, size and time of modification: they change when the file does."""
    return [file.name, file.stat().st_size, file.stat().st_mtime_ns]


def _load(source: Path | str, split: str, cache_dir: str | None) -> Any:
    import datasets

    try:
        return datasets.load_dataset(str(source), split=split, cache_dir=cache_dir)
    except RuntimeError as error:
        if "Dataset scripts are no longer supported" not in str(error):
            raise
        # CoNLL-2003 is published as a script; this revision is the hub's own conversion of it.
        return datasets.load_dataset(
            str(source), split=split, cache_dir=cache_dir, revision="refs/convert/parquet"
        )


@dataclass(frozen=True)
class HubDataset:
    """Source of a dataset.

    Attributes:
        hub_id: Its id on the hub; a local copy is a folder named as the part after the slash.
        columns: Columns that it must have.
    """

    hub_id: str
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of its local folder."""
        return self.hub_id.split("/")[-1]

    def cached(
        self, split: str, data_dir: Path | None, made: Sequence[Any], make: Callable[[Any, Path], None]
    ) -> Path:
        """Return the cache folder of a split, built from its rows if necessary.

        Args:
            split: Such as ``train``.
            data_dir: Folder that may hold the dataset's folder; ``NOISESWEEP_DATA_DIR`` when None.
            made: Everything else that determines the result; another value gets another folder.
            make: Fills an empty folder from the ``datasets.Dataset`` of the split.

        Raises:
            DataError: If the split cannot be read from the folder or the hub.
        """
        source = self._source(data_dir)
        try:
            return cached(
                self._key(source, split, made), lambda folder: self._read(source, split, folder, make)
            )
        except DataError:
            raise
        except Exception as error:
            # datasets raises many types.
            raise DataError(self._failure(source, split, data_root(data_dir), error)) from error

    def _source(self, data_dir: Path | None) -> Path | str:
        root = data_root(data_dir)
        folder = root / self.name if root else None
        return folder.resolve() if folder and folder.is_dir() else self.hub_id

    def _key(self, source: Path | str, split: str, made: Sequence[Any]) -> str:
        files = (
            sorted(path for path in source.rglob("*") if path.is_file()) if isinstance(source, Path) else []
        )
        identity = [str(source), *self.columns, *made, *map(identity_of, files)]
        return f"{self.name}-{split}-{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]}"

    def _read(self, source: Path | str, split: str, folder: Path, make: Callable[[Any, Path], None]) -> None:
        with _quiet_client(), tempfile.TemporaryDirectory(dir=folder) as scratch:
            # Bypass datasets' own cache for local files: it would keep a second copy, and it does not notice
            # a changed file of the same path and time.
            arrow = scratch if isinstance(source, Path) else None
            rows = _load(source, split, arrow)
            missing = [column for column in self.columns if column not in rows.column_names]
            if missing:
                raise DataError(f"{source}: no column {missing[0]!r}; it has {', '.join(rows.column_names)}")
            make(rows, folder)

    def _failure(self, source: Path | str, split: str, root: Path | None, error: Exception) -> str:
        if isinstance(source, Path):
            return f"{source}: split {split!r} cannot be read ({reason_of(error)})"
        advice = (
            f"put {self.name}/ into {root}, which does not hold it"
            if root
            else f"set data_dir in the YAML or NOISESWEEP_DATA_DIR to a folder that holds {self.name}/"
        )
        return f"{self.hub_id}: cannot be loaded from the Hugging Face hub ({reason_of(error)}); {advice}"

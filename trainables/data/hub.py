"""Datasets from a local folder or else the Hugging Face hub, built into cached tensors."""

import hashlib
import json
import logging
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from trainables.data import ContentError, DataError
from trainables.data.cache import cached
from trainables.data.folder_files import check_files
from trainables.data.forms import LocalForm, find_form
from trainables.data.hub_files import check_names, files_by_split, files_of, why_unreadable
from trainables.data.near_names import check_near_names
from trainables.data.stand_ins import check_is_data
from trainables.errors import reason_of

Content = TypeVar("Content")


@contextmanager
def _quiet_client() -> Iterator[None]:
    """Let the hub's client log no errors, which are raised too, and, in a log file, show no progress bars.

    At the end, both are undone.

    Raises:
        DataError: If a module of the user's has the library's name.
    """
    # This import takes a second; only the first process of a machine needs it.
    import datasets

    if not hasattr(datasets, "load_dataset"):
        raise DataError(f"{datasets.__file__}: hides the library datasets, which reads the data; rename it")
    loggers = [logging.getLogger(name) for name in ("huggingface_hub", "datasets")]
    levels, had_bars = [logger.level for logger in loggers], not datasets.are_progress_bars_disabled()
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
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
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise DataError(f"data_dir {root}: no such folder (from the YAML or NOISESWEEP_DATA_DIR)")
    return folder


def local_file(name: str, data_dir: Path | None) -> Path:
    """Resolve a user's path, absolute or relative to ``data_root``.

    The file need not exist. The result is relative if there is no ``data_root``.
    """
    return (data_root(data_dir) or Path()) / Path(name).expanduser()


def identity_of(file: Path) -> list[Any]:
    """Name, size and time of modification: they change when the file does."""
    stat = file.stat()
    return [file.name, stat.st_size, stat.st_mtime_ns]


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


def _place(source: Path | str, split: str) -> str:
    """The file of a split if it is one; else the folder, or the id on the hub, with the split."""
    files = files_of(source, split) if isinstance(source, Path) else []
    return str(files[0]) if len(files) == 1 else f"{source}: split {split!r}"


@contextmanager
def _told(place: Callable[[], str], failure: Callable[[Exception], str]) -> Iterator[None]:
    """Raise every error as DataError: that of the content with its place, others as ``failure`` says."""
    try:
        yield
    except DataError:
        raise
    except ContentError as error:
        raise DataError(f"{place()}: {error}") from error
    except Exception as error:
        # datasets and the readers of other libraries raise many types.
        raise DataError(failure(error)) from error


def _read_form(form: LocalForm[Content], split: str, files: Sequence[Path]) -> Content:
    for file in files:
        check_is_data(file)
    return form.read(split, files)


@dataclass(frozen=True)
class HubDataset(Generic[Content]):
    """Source of a dataset: the data folder, or else the hub.

    Attributes:
        hub_id: Its id on the hub; a local copy is a folder named as the part after the slash.
        columns: Columns that it must have.
        decode: Makes the content of a split from its ``datasets.Dataset``.
        forms: Other forms to look for in the data folder, which come before that folder.
        of_image_folder: Its columns by the names that they have if the data are a folder of image files.
    """

    hub_id: str
    columns: tuple[str, ...]
    decode: Callable[[Any], Content]
    forms: Sequence[LocalForm[Content]] = ()
    of_image_folder: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of its local folder."""
        return self.hub_id.split("/")[-1]

    def cached(
        self, split: str, data_dir: Path | None, made: Sequence[Any], write: Callable[[Content, Path], None]
    ) -> Path:
        """Return the cache folder of a split, built from its content if necessary.

        Args:
            split: Such as ``train``.
            data_dir: Folder that may hold the dataset; ``NOISESWEEP_DATA_DIR`` when None.
            made: Everything else that determines the result; another value gets another folder.
            write: Fills an empty folder from the content.

        Raises:
            DataError: If the split cannot be read from the folder or the hub.
        """
        root = data_root(data_dir)
        if root and (found := find_form(self.forms, root)):
            return self._from_form(*found, root, split, made, write)
        return self._from_hub(root, split, made, write)

    def _from_form(
        self,
        form: LocalForm[Content],
        found: Mapping[str, Sequence[Path]],
        root: Path,
        split: str,
        made: Sequence[Any],
        write: Callable[[Content, Path], None],
    ) -> Path:
        if split not in found:
            has = ", ".join(found)
            raise DataError(f"{root}: has no files of the split {split!r} of {self.name}, only of {has}")
        files = found[split]
        key = self._key(split, [form.name, *map(str, files), *made, *map(identity_of, files)])
        place = str(files[0]) if len(files) == 1 else f"{files[0].parent}: split {split!r}"
        with _told(lambda: place, lambda error: f"{files[0]}: cannot be read ({reason_of(error)})"):
            return cached(key, lambda folder: write(_read_form(form, split, files), folder))

    def _from_hub(
        self, root: Path | None, split: str, made: Sequence[Any], write: Callable[[Content, Path], None]
    ) -> Path:
        local = root / self.name if root else None
        if root and local and not local.is_dir():
            check_near_names(root, self.name)
        source = local.resolve() if local and local.is_dir() else self.hub_id
        files = (
            sorted(path for path in source.rglob("*") if path.is_file()) if isinstance(source, Path) else []
        )
        key = self._key(split, [str(source), *self.columns, *made, *map(identity_of, files)])
        with _told(lambda: _place(source, split), lambda error: self._failure(source, split, root, error)):
            return cached(key, lambda folder: write(self._read(source, split, folder), folder))

    def _key(self, split: str, identity: Sequence[Any]) -> str:
        return f"{self.name}-{split}-{hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]}"

    def _read(self, source: Path | str, split: str, folder: Path) -> Content:
        with _quiet_client(), tempfile.TemporaryDirectory(dir=folder) as scratch:
            # Bypass datasets' own cache for local files: it would keep a second copy, and it does not notice
            # a changed file of the same path and time.
            arrow = scratch if isinstance(source, Path) else None
            files = files_by_split(source) if isinstance(source, Path) else {}
            if isinstance(source, Path):
                check_files(source, files)
            rows = _load(source, split, arrow)
            if rows.info.builder_name == "imagefolder":
                names = self.of_image_folder
                rows = rows.rename_columns({old: names[old] for old in names if old in rows.column_names})
            missing = [column for column in self.columns if column not in rows.column_names]
            if missing:
                has = ", ".join(rows.column_names[:10])
                raise DataError(f"{source}: no column {missing[0]!r}; it has {has}")
            check_names([file for listed in files.values() for file in listed], self.columns, rows.features)
            return self.decode(rows)

    def _failure(self, source: Path | str, split: str, root: Path | None, error: Exception) -> str:
        if isinstance(source, Path):
            with _quiet_client():
                return why_unreadable(source, split, error)
        advice = (
            f"put {self.name}/ into {root}, which does not hold it"
            if root
            else f"set data_dir in the YAML or NOISESWEEP_DATA_DIR to a folder that holds {self.name}/"
        )
        return f"{self.hub_id}: cannot be loaded from the Hugging Face hub ({reason_of(error)}); {advice}"

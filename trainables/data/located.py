"""Looks for data on this machine, without reading or downloading any."""

import os
from pathlib import Path

from trainables.data.cache import cache_dir
from trainables.data.hub import data_root, local_file
from trainables.data.near_names import check_near_names
from trainables.declarations.sources import Source


def locate(source: Source, data_dir: Path | None) -> Path | None:
    """Find a source on this machine; None if it would be downloaded, or is missing.

    Args:
        source: What a trainable reads.
        data_dir: Folder with local copies of datasets; ``NOISESWEEP_DATA_DIR`` when None.

    Raises:
        DataError: If the data folder does not exist, or has the source under another name.
    """
    for path in (source.path, *source.also):
        local = local_file(path, data_dir)
        # Without a data folder, a relative path would be taken from the working directory.
        if local.is_absolute() and local.exists():
            return local
    # Word vectors have no folder.
    if "/" in source.origin and (root := data_root(data_dir)):
        check_near_names(root, Path(source.path).parts[0])
    return next((path for path in _downloads(source) if path.exists()), None) if source.origin else None


def _downloads(source: Source) -> list[Path]:
    """List where a download is kept: as a file of ours, by the hub's client, or by gensim."""
    # The datasets library imports it too.
    from huggingface_hub.constants import HF_HUB_CACHE

    return [
        cache_dir() / f"{Path(source.path).stem}-1",
        Path(HF_HUB_CACHE, f"datasets--{source.origin.replace('/', '--')}", "snapshots"),
        Path(os.environ.get("GENSIM_DATA_DIR", Path.home() / "gensim-data"), source.origin),
    ]

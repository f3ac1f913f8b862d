"""A data folder that holds a dataset under another name, in place of which the hub's copy would be read."""

import re
from pathlib import Path

from trainables.data import DataError

_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")


def check_near_names(root: Path, name: str) -> None:
    """Check a data folder that has no folder of a dataset's name.

    Args:
        root: The data folder.
        name: Name of the folder of the dataset, such as ``fashion_mnist``.

    Raises:
        DataError: If it is the folder of the dataset itself, has an archive of it, or has a folder whose name
            differs in case, hyphens or underscores.
    """
    if _plain(root.name) == _plain(name):
        raise DataError(
            f"data_dir {root}: give the folder that holds {name}/, such as {root.absolute().parent}"
        )
    for path in sorted(root.iterdir()):
        if path.is_dir() and _plain(path.name) == _plain(name):
            raise DataError(f"{path}: rename it to {name}, which is the name of the dataset's folder")
        for suffix in _ARCHIVES:
            if path.name.endswith(suffix) and _plain(path.name.removesuffix(suffix)) == _plain(name):
                raise DataError(f"{path}: unpack it to {root / name}/")


def _plain(name: str) -> str:
    return re.sub(r"[-_. ]", "", name.lower())

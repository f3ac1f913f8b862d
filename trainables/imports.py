"""Imports modules of the user, which register trainables and noise modes."""

import sys
from importlib import import_module
from pathlib import Path

from trainables.errors import reason_of
from trainables.plugins import PluginError

_imported: list[str] = []


def imported() -> tuple[str, ...]:
    """What this process has imported by ``import_user_module``, as it was given."""
    return tuple(_imported)


def import_user_module(given: str) -> None:
    """Import a module of the current folder, of ``PYTHONPATH`` or of a package, or a file.

    Args:
        given: A name such as ``my_module``, or a path such as ``lib/my_module.py``, whose folder comes first
            in Python's path, as for ``python lib/my_module.py``.

    Raises:
        PluginError: If it cannot be imported.
    """
    path = Path(given)
    is_file = path.suffix == ".py"
    if is_file and not path.is_file():
        raise PluginError(f"{given}: no such file")
    folder = str((path.parent if is_file else Path()).resolve())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    try:
        module = import_module(path.stem if is_file else given)
    except SystemExit as error:
        remedy = 'put that below `if __name__ == "__main__":`'
        raise PluginError(f"{given}: cannot be imported: it calls sys.exit; {remedy}") from error
    except Exception as error:
        # Importing a module can raise anything.
        raise PluginError(f"{given}: cannot be imported: {reason_of(error)}") from error
    if is_file and Path(module.__file__ or "").resolve() != path.resolve():
        raise PluginError(f"{given}: another module is called {path.stem}; rename the file")
    if given not in _imported:
        _imported.append(given)

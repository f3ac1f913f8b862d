"""What a tracking store's error means for its user."""

import re
from pathlib import Path

import mlflow

from sweeps.errors import in_a_line

_SCHEMA = re.compile(r"found version (\w+), but expected")
_MIGRATIONS = Path(mlflow.__file__).parent / "store" / "db_migrations" / "versions"


def reason_of(error: Exception) -> str:
    """Say in one line why a store cannot be opened or written, with the remedy if it is known."""
    text = str(error)
    if "database is locked" in text:
        return "another process has locked the database; try again when it has ended"
    schema = _SCHEMA.search(text)
    # Each migration that this MLflow knows is in a file that is named after its schema.
    if schema and not any(_MIGRATIONS.glob(f"{schema[1]}_*.py")):
        own = f"MLflow {mlflow.__version__}"
        return f"a newer version than {own} has written the database; update MLflow, or name another store"
    return in_a_line(error)

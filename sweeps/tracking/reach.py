"""A program that fails with one line if a tracking store does not answer."""

import sys

from sweeps.errors import SweepError
from sweeps.process_state import environment
from sweeps.tracking.store import connect, mlflow_settings

_SECONDS = "5"


def main(uri: str) -> None:
    """Ask the store, which must exist, for an experiment."""
    with environment(MLFLOW_HTTP_REQUEST_TIMEOUT=_SECONDS), mlflow_settings():
        try:
            connect(uri)
        except SweepError as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1])

"""Finds the data of a sweep, and has a worker prepare them."""

import os
import threading
from collections.abc import Callable
from pathlib import Path

import ray
from ray.exceptions import RayError, RayTaskError

from sweeps.engine.ray_address import address_to_join
from sweeps.engine.resources import as_task_options
from sweeps.errors import SweepError, in_a_line
from sweeps.spec.model import Spec
from sweeps.worker import tasks
from trainables.data import DataError
from trainables.data.hub import data_root

# The start of a worker that reads prepared data takes less time.
_NOTICE_SECONDS = 10.0


def located(spec: Spec) -> Spec:
    """Return the spec with an absolute path of its data folder: workers run in other folders."""
    given = spec.data_dir or os.environ.get("NOISESWEEP_DATA_DIR")
    data_dir = str(Path(given).expanduser().resolve()) if given else None
    return spec.model_copy(update={"data_dir": data_dir})


def check_data_dir(spec: Spec) -> None:
    """Raise SweepError if a sweep needs a data folder that does not exist, and runs on this machine alone."""
    # A cluster's nodes may have it.
    if not spec.data_dir or ray.is_initialized() or address_to_join():
        return
    declaration = spec.declaration
    variants = spec.variants(declaration.data_hyperparameters)
    if any(declaration.sources(each) for each in variants):
        try:
            data_root(Path(spec.data_dir))
        except DataError as error:
            raise SweepError(error.message) from None


def prepare_data(spec: Spec, registered: tasks.Registered, say: Callable[[str], None]) -> str:
    """Prepare the data in a worker with the resources of a trial, and pass on its note to the user.

    Returns:
        The ID of the node that has prepared them.

    Raises:
        SweepError: If the data cannot be obtained or are too few, or the worker has died.
        RayTaskError: If the trainable has a defect.
    """
    task = ray.remote(**as_task_options(spec.resources))(tasks.prepare_data)
    timer = threading.Timer(
        _NOTICE_SECONDS, say, [f"preparing the data of {spec.trainable}, once per machine ..."]
    )
    timer.start()
    try:
        node, note = ray.get(task.remote(registered, spec))
    except RayTaskError as error:
        if isinstance(error.cause, DataError):
            raise spec.error_at(error.cause.hyperparameter, error.cause.message) from None
        raise
    except RayError as error:
        raise SweepError(f"the data of {spec.trainable} cannot be prepared: {in_a_line(error)}") from None
    finally:
        timer.cancel()
    if note:
        say(f"note: {note}")
    return str(node)

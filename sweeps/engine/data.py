"""Has a worker prepare the data of a sweep."""

import threading
from collections.abc import Callable

import ray
from ray.exceptions import RayTaskError

from sweeps.engine.resources import as_task_options
from sweeps.spec.model import Spec
from sweeps.worker import tasks
from trainables import registry
from trainables.data import DataError

# The start of a worker that reads prepared data takes less time.
_NOTICE_SECONDS = 10.0


def prepare_data(spec: Spec, say: Callable[[str], None]) -> None:
    """Prepare the data in a worker with the resources of a trial, and tell the user what to note.

    Raises:
        SweepError: If the data cannot be obtained or are too few.
        RayTaskError: If the trainable has a defect.
    """
    # By default, Ray ends a worker after a task with a GPU, and the first trial would wait for another.
    task = ray.remote(max_calls=0, **as_task_options(spec.resources))(tasks.prepare_data)
    timer = threading.Timer(
        _NOTICE_SECONDS, say, [f"preparing the data of {spec.trainable}, once per machine ..."]
    )
    timer.start()
    try:
        note = ray.get(task.remote(registry.registered(spec.trainable), spec))
    except RayTaskError as error:
        if isinstance(error.cause, DataError):
            raise spec.error_at(error.cause.hyperparameter, error.cause.message) from None
        raise
    finally:
        timer.cancel()
    if note:
        say(f"note: {note}")

"""Tune's workers, mended: lost as others are when memory runs out; secrets stay out of Ray's logs."""

from typing import Any

from ray.air._internal import usage
from ray.air.execution._internal import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune.execution import class_cache, tune_controller


class WorkerManager(RayActorManager):
    """Takes a worker that was killed for want of memory as dead.

    Ray 2.60 raises an error for it that is not of the kind that Tune looks for, and the whole sweep falls
    over a trial that should be run again, or counted as failed.
    """

    def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=f"out of memory: {str(exception).split('. ')[0]}")
        super()._actor_task_failed(tracked_actor_task, exception)


def mend_tune() -> None:
    """Let Tune use it, take workers that Ray has ready, and leave a store's credentials to each node.

    Tune would hand the driver's on as settings of its actors, which Ray writes into its logs.
    """
    tune_controller.RayActorManager = WorkerManager
    usage.tag_callbacks = lambda callbacks: False  # it imports MLflow, a second, to count whose they are
    class_cache.DEFAULT_ENV_VARS.clear()  # for Lightning; a worker with variables of its own is started anew
    for name in [name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")]:
        class_cache.ENV_VARS_TO_PROPAGATE.remove(name)

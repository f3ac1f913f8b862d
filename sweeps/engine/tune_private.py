"""Ray Tune's private names that sweeps patch, each with its reason, seen in Ray 2.60.

They are apart from ``ray_private`` because Tune takes a second to import, which the driver does while Ray
starts. ``tests/integration/test_ray_private.py`` tests both.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.air._internal import usage
from ray.air.execution._internal import RayActorManager
from ray.exceptions import OutOfMemoryError, RayActorError
from ray.tune import tune
from ray.tune.execution import class_cache, tune_controller
from ray.tune.execution.tune_controller import TuneController
from ray.tune.experiment import Trial
from typing_extensions import override

from sweeps.process_state import attributes


class OutOfMemoryActorManager(RayActorManager):
    """Treats a worker that was killed because memory ran out as a dead worker.

    Tune treats only a ``RayActorError`` as a dead worker. Ray raises an ``OutOfMemoryError``, on which the
    whole sweep would end, although the trial can be retried. Upstream: #29736 introduced the error; there is
    no issue about Tune.
    """

    @override
    def _actor_task_failed(self, tracked_actor_task: Any, exception: Exception) -> None:
        if isinstance(exception, OutOfMemoryError):
            exception = RayActorError(error_msg=f"out of memory: {str(exception).split('. ')[0]}")
        super()._actor_task_failed(tracked_actor_task, exception)


class PatientTuneController(TuneController):
    """Lets a worker that is starting finish, if another becomes free for its trial.

    Tune gives the trial to the free worker and ends the starting one. If trials are shorter than the start of
    a worker, this repeats for every worker but the first, and trials run one after another. Upstream: no
    issue.
    """

    @override
    def _maybe_reuse_cached_actor(self, trial: Trial) -> bool:
        actor = self._trial_to_actor.get(trial)
        # An actor that waits for resources is not live.
        if actor in self._actor_manager.live_actors and trial not in self._resetting_trials:
            return False
        return bool(super()._maybe_reuse_cached_actor(trial))


@contextmanager
def patched_tune() -> Iterator[None]:
    """Let Tune survive workers that run out of memory, keep credentials out of logs, and start faster.

    Tune passes the driver's AWS credentials to its workers as settings, which Ray writes to its logs in plain
    text (upstream: #28276); here each node has its own. Tune also sets ``PL_DISABLE_FORK`` for Lightning, and
    a worker with a variable of its own always gets a new process. For its usage statistics, Tune imports its
    own MLflow callbacks, and with them MLflow: two seconds and 100 MB. Upstream: no issues.
    """
    passed_on = {name for name in class_cache.ENV_VARS_TO_PROPAGATE if not name.startswith("AWS_")}
    with (
        attributes(tune, TuneController=PatientTuneController),
        attributes(tune_controller, RayActorManager=OutOfMemoryActorManager),
        attributes(usage, tag_callbacks=lambda callbacks: False),
        attributes(class_cache, ENV_VARS_TO_PROPAGATE=passed_on, DEFAULT_ENV_VARS={}),
    ):
        yield

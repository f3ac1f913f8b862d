"""Has a worker export the best network of a sweep."""

from collections.abc import Callable
from typing import Any

import ray
from ray.exceptions import RayError

from sweeps.engine.stopping import Stop
from sweeps.errors import in_a_line
from sweeps.record.folder import SweepFolder
from sweeps.record.state import SweepState
from sweeps.spec.model import Spec
from sweeps.worker import tasks
from trainables import registry

_POLL_SECONDS = 0.2


class ModelExport:
    """The export of one sweep's best network.

    What it needs is imported in the worker that prepared the data, while trials run.
    """

    def __init__(self, folder: SweepFolder, spec: Spec) -> None:
        self._folder, self._spec = folder, spec
        self._warmed_up: Any = None
        self._task: Any = None
        self._trial = ""

    def warm_up(self) -> None:
        """Begin the imports unless they have begun."""
        if self._warmed_up is None:
            self._warmed_up = ray.remote(num_cpus=0)(tasks.warm_up_export).remote()

    def begin(self, state: SweepState) -> None:
        """Begin to export the best trial's network, if the sweep is complete and it is not exported yet."""
        best = state.to_export()
        if best is None:
            return
        self.warm_up()
        self._trial = best.id
        self._task = ray.remote(num_cpus=0)(tasks.export_model).remote(
            registry.registered(self._spec.trainable),
            # Ray waits for this argument, so that the task does not start in another worker.
            self._warmed_up,
            spec=self._spec,
            best=best,
            checkpoints=self._folder.checkpoint_root,
            destination=self._folder.model,
        )

    def finish(self, stop: Stop, say: Callable[[str], None]) -> None:
        """Wait for the export and record it in the journal; if it failed, tell the user.

        Raises:
            Stopped: If the user has asked to stop.
            SweepError: If the journal cannot be written.
        """
        if self._task is None:
            return
        while not ray.wait([self._task], timeout=_POLL_SECONDS)[0]:
            stop.check()
        try:
            ray.get(self._task)
        except RayError as error:
            reason = in_a_line(getattr(error, "cause", None) or error)
            say(f"the best network is not exported: {reason}; retry with: {self._folder.resume_command}")
            return
        self._folder.journal.append("model", best=self._trial)

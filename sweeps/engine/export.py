"""Has a worker export the best network of a sweep."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import RayError

from sweeps.engine.stopping import Stop
from sweeps.errors import in_a_line
from sweeps.record.folder import SweepFolder
from sweeps.spec.model import Spec
from sweeps.worker import tasks
from trainables import registry

_POLL_SECONDS = 0.2


class ModelExport:
    """The export of a sweep's best network, by the worker that prepared the data."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._warmed_up: Any = None

    def warm_up(self) -> None:
        """Begin to import what an export needs, at a low priority."""
        self._warmed_up = ray.remote(num_cpus=0)(tasks.warm_up_export).remote()

    @contextmanager
    def exporting(self, folder: SweepFolder, stop: Stop, say: Callable[[str], None]) -> Iterator[None]:
        """Export while the caller does something else, and record it in the journal; say if it failed.

        Nothing is exported if no trial has a finite score, or if the best one's network is exported already.

        Raises:
            Stopped: If the user has asked to stop.
            SweepError: If the journal cannot be written.
        """
        best = folder.state().to_export()
        if best is None:
            yield
            return
        task = ray.remote(num_cpus=0)(tasks.export_model).remote(
            registry.registered(self._spec.trainable),
            # Ray waits for this argument, so that the task does not start in another worker.
            self._warmed_up,
            spec=self._spec,
            best=best,
            checkpoints=folder.checkpoint_root,
            destination=folder.model,
        )
        yield
        while not ray.wait([task], timeout=_POLL_SECONDS)[0]:
            stop.check()
        try:
            ray.get(task)
        except RayError as error:
            reason = in_a_line(getattr(error, "cause", None) or error)
            say(f"the best network is not exported: {reason}; retry with: {folder.resume_command}")
            return
        folder.journal.append("model", best=best.id)

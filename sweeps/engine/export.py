"""Has a worker export the best network of a sweep."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from sweeps.engine.networks import drop_all_but, to_export
from sweeps.engine.stopping import Stop, Stopped
from sweeps.errors import in_a_line
from sweeps.record.folder import SweepFolder
from sweeps.spec.model import Spec
from sweeps.worker import tasks

_POLL_SECONDS = 0.2


class ModelExport:
    """The export of a sweep's best network, by a worker that has imported what it needs while trials ran.

    Attributes:
        registered: What the user's script has registered, for workers; None before Ray runs.
    """

    registered: tasks.Registered | None = None

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._options: dict[str, Any] = {}
        self._warmed_up: Any = None

    def warm_up(self, node: str, registered: tasks.Registered) -> None:
        """Begin the imports, at a low priority, on the node that has prepared the data."""
        self.registered = registered
        place = NodeAffinitySchedulingStrategy(node, soft=True)
        # Ray would retry an export that runs out of memory without end.
        self._options = {"num_cpus": 0, "max_retries": 0, "scheduling_strategy": place}
        self._warmed_up = ray.remote(**self._options)(tasks.warm_up_export).remote()

    @contextmanager
    def exporting(self, folder: SweepFolder, stop: Stop, say: Callable[[str], None]) -> Iterator[None]:
        """Export while the caller does something else, and record it in the journal; say if it failed.

        Nothing is exported without ``warm_up``, if no trial has a finite score, or if the best network is
        exported already.

        Raises:
            Stopped: If the user has asked to stop.
            SweepError: If the journal cannot be written.
        """
        best = to_export(folder) if self._warmed_up else None
        if best is None:
            yield
            return
        folder.journal.append("export", best=best.id)
        task = ray.remote(**self._options)(tasks.export_model).remote(
            self.registered,
            # Ray waits for this argument, so that the task does not start in another worker.
            self._warmed_up,
            spec=self._spec,
            best=best,
            checkpoints=folder.checkpoint_root,
            destination=folder.model,
        )
        # A checkpoint that cannot be deleted only takes space.
        with suppress(OSError):
            drop_all_but(folder, best)
        yield
        advice = f"retry with: {folder.resume_command}"
        try:
            while not ray.wait([task], timeout=_POLL_SECONDS)[0]:
                stop.check()
            ray.get(task)
        except RayError as error:
            reason = in_a_line(getattr(error, "cause", None) or error)
            say(f"the best network is not exported: {reason}; {advice}")
            return
        except Stopped:
            ray.cancel(task, force=True)
            say(f"the best network is not exported; {advice}")
            raise
        folder.journal.append("model", best=best.id)

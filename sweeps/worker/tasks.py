"""What the driver has workers call. The driver imports this module, so that it must not import torch.

``registered`` has the classes that only the driver's process knows.
"""

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray

from sweeps.analysis.costs import Cost
from sweeps.spec.model import Spec
from trainables import registry
from trainables.data.located import locate
from trainables.declarations.hyperparameters import Hyperparameters
from trainables.declarations.sources import Source

_NICENESS = 5


@dataclass(frozen=True)
class Registered:
    """The sweep's trainable and noise modes from the user's script, once in Ray's object store.

    All trials of a node share one copy of the trainable's arrays. As an argument of trials, Tune would store
    another copy for each stage, and never free it.
    """

    classes: "ray.ObjectRef[list[type]]"

    @classmethod
    def of(cls, spec: Spec) -> "Registered":
        """Put those of a sweep in the store."""
        return cls(ray.put(registry.registered(spec.trainable, spec.noise_modes)))

    def register(self) -> None:
        """Register them in this process."""
        for each in ray.get(self.classes):
            registry.register(each)


def run_trial(config: dict[str, Any], registered: Registered, **arguments: Any) -> None:
    """Train one configuration, as ``sweeps.worker.trial.run_trial``."""
    from sweeps.worker.trial import run_trial

    registered.register()
    run_trial(config, **arguments)


def prepare_data(registered: Registered, spec: Spec) -> tuple[str, str]:
    """Prepare the data, as ``sweeps.worker.data.prepare_data``; return the ID of this node, and its note."""
    from sweeps.worker.data import prepare_data

    registered.register()
    return ray.get_runtime_context().get_node_id(), prepare_data(spec)


def ping() -> str:
    """Name this node."""
    return platform.node()


def locate_data(registered: Registered, spec: Spec) -> list[tuple[Source, Path | None]]:
    """List what the trials read, and where this node has it: None for what it lacks."""
    registered.register()
    declaration = spec.declaration
    variants = spec.variants(declaration.data_hyperparameters)
    sources = dict.fromkeys(source for each in variants for source in declaration.sources(each))
    data_dir = Path(spec.data_dir) if spec.data_dir else None
    return [(source, locate(source, data_dir)) for source in sources]


class Measurement:
    """An actor that measures what a trial costs, as ``sweeps.worker.measure.Measurement``."""

    def __init__(
        self, registered: Registered, spec: Spec, hyperparameters: Hyperparameters, test: bool
    ) -> None:
        """Import what a trial needs; the arguments are those of ``sweeps.worker.measure.Measurement``."""
        from sweeps.worker.measure import Measurement

        registered.register()
        self._measurement = Measurement(spec, hyperparameters, test)

    def ready(self) -> None:
        """Return at once: the worker has started."""

    def warm_up(self) -> None:
        """Train an epoch."""
        self._measurement.warm_up()

    def measure(self) -> Cost:
        """Measure."""
        return self._measurement.measure()


def warm_up_export() -> None:
    """Import what the export needs, as ``sweeps.worker.export.warm_up_export``, at a low priority."""
    # Leave the processors to the trials.
    os.nice(_NICENESS)
    # If this fails, so will the export, which says why.
    with suppress(Exception):
        from sweeps.worker.export import warm_up_export

        warm_up_export()


def export_model(registered: Registered, warmed_up: None, **arguments: Any) -> None:
    """Export the best network, as ``sweeps.worker.export.export_model``, after ``warm_up_export``."""
    from sweeps.worker.export import export_model

    registered.register()
    export_model(**arguments)

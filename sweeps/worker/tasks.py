"""What the driver has workers call. The driver imports this module, so that it must not import torch.

``registered`` is the sweep's trainable if only the driver's process knows it, else None.
"""

import os
import platform
from contextlib import suppress
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


def run_trial(config: dict[str, Any], registered: type | None, **arguments: Any) -> None:
    """Train one configuration, as ``sweeps.worker.trial.run_trial``."""
    from sweeps.worker.trial import run_trial

    _register(registered)
    run_trial(config, **arguments)


def prepare_data(registered: type | None, spec: Spec) -> tuple[str, str]:
    """Prepare the data, as ``sweeps.worker.data.prepare_data``; return the ID of this node, and its note."""
    from sweeps.worker.data import prepare_data

    _register(registered)
    return ray.get_runtime_context().get_node_id(), prepare_data(spec)


def ping() -> str:
    """Name this node."""
    return platform.node()


def locate_data(registered: type | None, spec: Spec) -> list[tuple[Source, Path | None]]:
    """List what the trials read, and where this node has it: None for what it lacks."""
    _register(registered)
    declaration = spec.declaration
    variants = spec.variants(declaration.data_hyperparameters)
    sources = dict.fromkeys(source for each in variants for source in declaration.sources(each))
    data_dir = Path(spec.data_dir) if spec.data_dir else None
    return [(source, locate(source, data_dir)) for source in sources]


def measure(registered: type | None, spec: Spec, hyperparameters: Hyperparameters, test: bool) -> Cost:
    """Measure what a trial costs, as ``sweeps.worker.measure.measure``."""
    from sweeps.worker.measure import measure

    _register(registered)
    return measure(spec, hyperparameters, test)


def warm_up_export() -> None:
    """Import what the export needs, as ``sweeps.worker.export.warm_up_export``, at a low priority."""
    # Leave the processors to the trials.
    os.nice(_NICENESS)
    # If this fails, so will the export, which says why.
    with suppress(Exception):
        from sweeps.worker.export import warm_up_export

        warm_up_export()


def export_model(registered: type | None, warmed_up: None, **arguments: Any) -> None:
    """Export the best network, as ``sweeps.worker.export.export_model``, after ``warm_up_export``."""
    from sweeps.worker.export import export_model

    _register(registered)
    export_model(**arguments)


def _register(registered: type | None) -> None:
    if registered is not None:
        registry.register(registered)

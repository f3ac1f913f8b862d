"""What the driver has workers call. The driver imports this module, so that it must not import torch.

Each takes ``registered``: the sweep's trainable if only the driver's process knows it, else None.
"""

import os
from typing import Any

from sweeps.record.state import TrialRecord
from sweeps.spec.model import Spec
from trainables import registry

_NICENESS = 5


def run_trial(config: dict[str, Any], registered: type | None, **arguments: Any) -> None:
    """Train one configuration, as ``sweeps.worker.trial.run_trial``."""
    from sweeps.worker.trial import run_trial

    _register(registered)
    run_trial(config, **arguments)


def prepare_data(registered: type | None, spec: Spec) -> str:
    """Prepare the data, as ``sweeps.worker.data.prepare_data``."""
    from sweeps.worker.data import prepare_data

    _register(registered)
    return prepare_data(spec)


class ModelExporter:
    """An actor that exports the best network after the last trial, and imports what that needs before."""

    def __init__(self, registered: type | None) -> None:
        # Leave the processors to the trials.
        os.nice(_NICENESS)
        _register(registered)
        from sweeps.worker.export import warm_up_export

        warm_up_export()

    def export(self, spec: Spec, best: TrialRecord, checkpoints: str, destination: str) -> None:
        """Export a network, as ``sweeps.worker.export.export_model``."""
        from sweeps.worker.export import export_model

        export_model(spec, best, checkpoints, destination)


def _register(registered: type | None) -> None:
    if registered is not None:
        registry.register(registered)

"""Runs sweeps: reads a spec, searches, runs trials, and tracks them.

Public names: ``load_spec``, ``run``, ``resume``, ``extend``, ``load``, ``SweepResult``, ``SpecError``,
``SweepError``.
"""

from typing import TYPE_CHECKING, Any

from sweeps.errors import SpecError, SweepError

if TYPE_CHECKING:
    from sweeps.results import SweepResult, load
    from sweeps.runner import extend, resume, run
    from sweeps.spec.load import load_spec

__all__ = ["SpecError", "SweepError", "SweepResult", "extend", "load", "load_spec", "resume", "run"]

_MODULES = {"load_spec": "sweeps.spec.load", "SweepResult": "sweeps.results", "load": "sweeps.results"}


def __getattr__(name: str) -> Any:
    # Lazily, so that `noisesweep --help` imports neither torch nor ray nor mlflow.
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_MODULES.get(name, "sweeps.runner")), name)

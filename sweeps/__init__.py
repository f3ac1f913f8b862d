"""Runs sweeps: reads a spec, searches, runs trials, and tracks them.

Public names: ``load_spec``, ``run``, ``resume``, ``extend``, ``SweepResult``, ``SpecError``, ``SweepError``.
"""

from typing import TYPE_CHECKING, Any

from sweeps.errors import SpecError, SweepError

if TYPE_CHECKING:
    from sweeps.runner import SweepResult, extend, resume, run
    from sweeps.spec.load import load_spec

__all__ = ["SpecError", "SweepError", "SweepResult", "extend", "load_spec", "resume", "run"]


def __getattr__(name: str) -> Any:
    # Lazily, so that `noisesweep --help` imports neither torch nor ray nor mlflow.
    from importlib import import_module

    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "sweeps.spec.load" if name == "load_spec" else "sweeps.runner"
    return getattr(import_module(module), name)

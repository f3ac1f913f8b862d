"""torch's compiler, left out of workers: each optimizer of torch imports it, which takes a second or two."""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from threading import Lock
from types import ModuleType
from typing import Any

import torch

_NAME = "torch._dynamo"
_lock = Lock()


class _Deferred(ModuleType):
    # What optimizers ask of the compiler means nothing where nothing is compiled. Anything else imports it.

    @staticmethod
    def graph_break(msg: str = "") -> None:
        pass

    def disable(self, fn: Callable[..., Any], recursive: bool = True, **options: Any) -> Any:
        if options == {"wrapping": False}:  # torch's own
            return fn
        return self.__getattr__("disable")(fn, recursive, **options)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__path__":  # asked of every module, as by inspect
            raise AttributeError(name)
        with _lock:
            if sys.modules.get(_NAME) is self:
                del sys.modules[_NAME], torch._dynamo
        return getattr(import_module(_NAME), name)


def defer_compiler() -> None:
    """Let this process import torch's compiler when something compiles, and not before."""
    if _NAME not in sys.modules:
        deferred = _Deferred(_NAME)
        deferred.__spec__ = find_spec(_NAME)
        sys.modules[_NAME] = torch._dynamo = deferred

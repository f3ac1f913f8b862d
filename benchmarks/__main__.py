"""Run benchmarks: all, or those named; ``NAME:CASE`` for one case of one."""

import sys
from importlib import import_module

NAMES = (
    "startup",
    "noise_overhead",
    "curvature",
    "early_stopping",
    "throughput",
    "limit",
    "control_plane",
    "gpu",
)


def main() -> None:
    for wanted in sys.argv[1:] or NAMES:
        name, _, case = wanted.partition(":")
        if name not in NAMES:
            sys.exit(f"{name}: must be one of {', '.join(NAMES)}")
        run = import_module(f"benchmarks.{name}").run
        (run([case]) if case else run()).keep()


if __name__ == "__main__":
    main()

"""Run all benchmarks, or those named; ``NAME:CASE`` runs one case."""

import sys
from importlib import import_module

NAMES = (
    "commands",
    "startup",
    "noise_overhead",
    "curvature",
    "early_stopping",
    "throughput",
    "kernel_limit",
    "control_plane",
    "gpu",
    "compiled",
    "sampler",
)


def main() -> None:
    wanted = [name.partition(":") for name in sys.argv[1:] or NAMES]
    # Check all names first: a benchmark can take an hour.
    for name, colon, case in wanted:
        if name not in NAMES:
            sys.exit(f"{name}: must be one of {', '.join(NAMES)}")
        cases = import_module(f"benchmarks.{name}").NAMES
        if colon and case not in cases:
            sys.exit(f"{name}:{case}: the case must be one of {', '.join(cases)}")
    for name, _, case in wanted:
        import_module(f"benchmarks.{name}").run([case] if case else None).keep()


if __name__ == "__main__":
    main()

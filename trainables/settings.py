"""Settings of the environment that change how trials compute."""

import os


def onednn_is_requested() -> bool:
    """Whether ``NOISESWEEP_ONEDNN`` is 1; raises ValueError if it is neither 0 nor 1 nor unset."""
    setting = os.environ.get("NOISESWEEP_ONEDNN") or "0"
    if setting not in ("0", "1"):
        raise ValueError(f"NOISESWEEP_ONEDNN must be 0 or 1, got {setting!r}")
    return setting == "1"

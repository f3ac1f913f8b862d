"""Records which host, versions and commit a sweep was run with."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version

from sweeps.tracking.release import release
from trainables.settings import onednn_is_requested

_PACKAGES = ("torch", "ray", "optuna", "mlflow")


def provenance() -> dict[str, str]:
    """Return the ``driver`` host, the ``versions`` and, if known, the working directory's ``git_commit``."""
    versions = [f"python {platform.python_version()}", f"noisesweep {release()}"]
    versions += [f"{name} {version(name)}" for name in _PACKAGES]
    # It changes results in the last digits, as trainables.onednn says.
    if onednn_is_requested():
        versions.append("oneDNN linear layers")
    facts = {"driver": platform.node(), "versions": ", ".join(versions)}
    if commit := _git_commit():
        facts["git_commit"] = commit
    return facts


def _git_commit() -> str | None:
    if git := shutil.which("git"):
        done = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return done.stdout.strip()
    # A job's working directory is a copy without git's history; `noisesweep submit` sets the variable.
    return os.environ.get("NOISESWEEP_GIT_COMMIT")

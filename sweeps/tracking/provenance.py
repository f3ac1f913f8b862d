"""What made a sweep's runs."""

import os
import platform
import shutil
import subprocess
from importlib.metadata import version


def provenance() -> dict[str, str]:
    """Say what made a run.

    Returns:
        ``versions``, the driver's host as ``driver`` and, where it is known, the ``git_commit`` of the
        working directory.
    """
    git = shutil.which("git") or "false"
    found = subprocess.run([git, "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    # A job runs in a copy without history: whoever submits it says of what.
    commit = found.stdout.strip() if found.returncode == 0 else os.environ.get("NOISESWEEP_GIT_COMMIT")
    packages = ("noisesweep", "torch", "ray", "optuna", "mlflow")
    versions = [f"python {platform.python_version()}", *(f"{name} {version(name)}" for name in packages)]
    made_by = {"driver": platform.node(), "versions": ", ".join(versions)}
    return {**made_by, "git_commit": commit} if commit else made_by

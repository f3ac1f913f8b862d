"""Which NoiseSweep this is: its version, and the commit that it was built from."""

import json
import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path

_CHECKOUT = Path(__file__).parents[2]
# As many characters as git shows.
_SHORT = 7


def release() -> str:
    """Return the version with its commit if that is known, such as ``0.2.0 (commit abc1234 + changes)``."""
    version, _, built_from = distribution("noisesweep").version.partition("+g")
    commit = _of_checkout() or _of_git_install() or built_from
    return f"{version} (commit {commit})" if commit else version


def _of_checkout() -> str:
    """Return the commit of the checkout that is imported, and whether it is changed; empty if it is none."""
    git = shutil.which("git")
    # Without this check, git would find a repository in which an environment happens to lie.
    if git is None or not (_CHECKOUT / ".git").exists():
        return ""
    commit = _output(git, "rev-parse", "HEAD")[:_SHORT]
    changed = commit and _output(git, "status", "--porcelain", "--untracked-files=no")
    return f"{commit} + changes" if changed else commit


def _output(git: str, *words: str) -> str:
    # Without optional locks, a commit that runs at the same time does not fail.
    command = [git, "--no-optional-locks", "-C", str(_CHECKOUT), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


def _of_git_install() -> str:
    """Return the commit that ``pip install git+https://...`` recorded; empty if it did not."""
    recorded = json.loads(distribution("noisesweep").read_text("direct_url.json") or "{}")
    return str(recorded.get("vcs_info", {}).get("commit_id", ""))[:_SHORT]

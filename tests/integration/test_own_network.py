"""The tutorial's page on data, networks and noise of one's own: its blocks run, and print what it shows."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from trainables.noise import registry as modes

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/tutorial/own-network.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Run the blocks in one process, as the cells of a notebook, and keep what they print."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "page.py").write_text("\n".join(BLOCKS))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_ADDRESS": "local"}
    environment.pop("MLFLOW_TRACKING_URI", None)
    done = subprocess.run(
        [sys.executable, "page.py"], cwd=folder, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "printed").write_text(done.stdout)
    return folder


def test_the_blocks_print_what_the_page_shows(folder):
    printed = (folder / "printed").read_text()
    shown = [block for block in re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL) if "Error" not in block]
    assert len(shown) == len(BLOCKS) == 4
    for block in shown:
        # Numbers depend on the processor in their last digits.
        lines = [
            re.escape(re.sub(r"\d+\.\d+", "NUMBER", line)) for line in block.splitlines() if line != "..."
        ]
        # Lines that the page leaves out may come between those that it shows.
        pattern = r".*\n(?:.*\n)*?".join(line.replace("NUMBER", r"\d+\.\d+") for line in lines)
        assert re.search(pattern, printed), block


def test_the_command_names_what_the_script_has_registered(folder):
    def command(*words):
        code = "from sweeps.cli import script; script()"
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.run(
            [sys.executable, "-c", code, *words], cwd=folder, env=environment, capture_output=True, text=True
        )

    status = command("status", "uphill")
    assert status.returncode == 0
    assert "not running, 3 trials ended: 3 finished" in status.stdout
    missing = "the noise mode uphill is not registered here"
    assert f"its arms are not shown, because {missing}\n" in status.stdout
    resumed = command("resume", "uphill")
    assert resumed.returncode == 1
    advice = "register it in a script that calls sweeps.resume('uphill'), or give its package an entry point"
    assert resumed.stderr.endswith(f"runs/uphill/001: {missing}; {advice}\n")
    assert resumed.stderr.count("\n") == 1
    assert "uphill" not in modes.names()

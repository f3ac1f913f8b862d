"""The Slurm script, with stand-ins for Slurm's commands, Ray and the driver that print their arguments."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "cluster" / "slurm.sh"
TOKEN = "0123456789abcdef"
COMMANDS = {
    # Runs the command that follows its options as one local task.
    "srun": 'echo "srun $*" >&2; while [[ $1 == -* ]]; do shift; done; exec "$@"',
    "scontrol": "printf 'one\\ntwo\\nthree\\n'",
    "hostname": "echo 10.9.8.7 fe80::1",
    "ray": """
        [ "$1" = start ] || exit 0
        [ "$RAY_AUTH_MODE" = token ] && [ -s "$RAY_AUTH_TOKEN_PATH" ] || { echo "no token"; exit 1; }
        sleep infinity >/dev/null &
        trap 'echo "ray ended"; kill $!; exit' TERM
        echo >nodes; wait
    """,
    # Waits for both steps, so that the order of the output is fixed.
    "noisesweep": """
        exec 3<>nodes; read -r -u 3; read -r -u 3
        sleep infinity >/dev/null &
        trap 'echo "driver interrupted"; kill $!; exit 130' TERM
        echo "noisesweep $* at $RAY_ADDRESS, $RAY_AUTH_MODE, in $NOISESWEEP_STORAGE"
        [ "$1" = run ] || { kill $!; exit 3; }
        wait
    """,
}


@pytest.fixture
def slurm(tmp_path):
    """Return a folder to submit from and the environment of an allocation of three nodes."""
    (tmp_path / "bin").mkdir()
    for name, body in COMMANDS.items():
        path = tmp_path / "bin" / name
        path.write_text(f"#!/bin/bash\n{body}\n")
        path.chmod(0o755)
    token = tmp_path / ".ray" / "auth_token"
    token.parent.mkdir()
    token.write_text(TOKEN)
    token.chmod(0o600)
    (tmp_path / "cluster").mkdir()
    (tmp_path / "cluster" / "nodes.env").write_text("NOISESWEEP_STORAGE=/shared/runs\n")
    os.mkfifo(tmp_path / "nodes")
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("RAY_", "NOISESWEEP_"))
    }
    environment = {
        **inherited,
        "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "SLURM_JOB_NODELIST": "[one,two,three]",
        "SLURM_JOB_NUM_NODES": "3",
        "SLURM_CPUS_PER_TASK": "8",
    }
    return tmp_path, environment


def submit(slurm, *arguments):
    folder, environment = slurm
    return subprocess.Popen(
        ["bash", SCRIPT, *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_shellcheck_finds_nothing():
    subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), SCRIPT, SCRIPT.parent / "services" / "make-secrets"],
        check=True,
    )


def test_the_first_node_is_the_head_and_the_job_ends_as_the_driver_does(slurm):
    job = submit(slurm, "resume", "my-sweep")
    # The output ends when every process has ended.
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 3
    start = "srun --cpus-per-task=8 --kill-on-bad-exit"
    lines = said.splitlines()
    head = "--nodes=1 --ntasks=1 --nodelist=one ray start --head --node-ip-address=10.9.8.7 --port=6379"
    assert f"{start} {head} --num-cpus=8 --include-dashboard=false --block" in lines
    workers = "--nodes=2 --ntasks=2 --exclude=one ray start --address=10.9.8.7:6379 --num-cpus=8 --block"
    assert f"{start} {workers}" in lines
    assert "noisesweep resume my-sweep at 10.9.8.7:6379, token, in /shared/runs" in lines
    assert TOKEN not in said


def test_before_the_time_limit_the_driver_is_interrupted_and_ray_lives_until_it_has_ended(slurm):
    job = submit(slurm, "run", "sweep.yaml")
    # Read until the driver has started.
    assert any(line.startswith("noisesweep run") for line in job.stdout)
    job.send_signal(signal.SIGTERM)
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 130
    assert said.splitlines()[-3:] == ["driver interrupted", "ray ended", "ray ended"]


@pytest.mark.parametrize("mode", [None, 0o644])
def test_without_a_private_token_nothing_starts(slurm, mode):
    token = slurm[0] / ".ray" / "auth_token"
    if mode is None:
        token.unlink()
    else:
        token.chmod(mode)
    job = submit(slurm, "run", "sweep.yaml")
    said, _ = job.communicate(timeout=60)
    assert job.returncode == 1
    assert said == (
        f"{token}: no token with mode 600; make one: (umask 077; ray get-auth-token --generate >/dev/null)\n"
    )


def test_the_signal_comes_early_enough_and_to_the_script():
    options = [line for line in SCRIPT.read_text().splitlines() if line.startswith("#SBATCH")]
    assert "#SBATCH --signal=B:TERM@120" in options
    assert "#SBATCH --exclusive" in options

"""Lets Ray's workers be forks of one process that has imported torch.

Each worker would import torch and other libraries, which takes three seconds of processor time. One process
imports them while Ray starts. In place of its own worker program, Ray then starts ``forked_worker``, which
sends its arguments here, and a fork runs Ray's program with them. The fork imports Ray, because Ray's library
reads the environment of a worker when it is loaded.
"""

import gc
import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from sweeps.engine.forked_worker import ADDRESS, OOM_SCORE, RAY_PROGRAM

# Tune imports pandas.
_MODULES = ("pandas", "sweeps.worker.data")


@contextmanager
def fork_server(threads: int) -> Iterator[None]:
    """Run a server for the Ray instance that is started meanwhile.

    Args:
        threads: Threads of a worker's libraries, which read this number when they are loaded.
    """
    with tempfile.TemporaryDirectory() as folder:
        os.environ[ADDRESS] = str(Path(folder, "socket"))
        server = subprocess.Popen(
            # With -P and the driver's sys.path it finds the modules that the driver finds, and no others.
            [sys.executable, "-P", "-m", __name__, os.environ[ADDRESS]],
            env={"OMP_NUM_THREADS": str(threads), **os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            # Keep the terminal's Ctrl-C for the driver.
            start_new_session=True,
        )
        try:
            yield
        finally:
            server.kill()
            server.communicate()


def main(address: str) -> None:
    """Serve forks at a Unix socket until the driver, which holds the other end of standard input, exits."""
    # Let the kernel reap the forks, since nothing waits for them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen()
        for module in _MODULES:
            import_module(module)
        # A fork then shares the memory of what has been imported: it does not write to it to collect garbage.
        gc.freeze()
        while wait([server, sys.stdin.fileno()]) == [server]:
            # The other end may have died.
            with suppress(OSError, ValueError):
                if request := _fork(server):
                    break
        else:
            # A driver that was killed has not deleted it.
            shutil.rmtree(Path(address).parent, ignore_errors=True)
            return
    _become_worker(**request)


def _fork(server: socket.socket) -> dict[str, Any] | None:
    """Answer a request by a fork; return the request in the fork, and None in the server."""
    connection, _ = server.accept()
    with connection, connection.makefile("rw") as stream:
        request: dict[str, Any] = json.loads(stream.readline())
        if os.fork() == 0:
            return request
        stream.write("forked\n")
    return None


def _become_worker(arguments: list[str], environment: dict[str, str], oom_score: str) -> None:
    """Run Ray's worker program as ``forked_worker`` would."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    # Ray kills a worker's whole process group, so each fork needs its own.
    os.setpgid(0, 0)
    with suppress(OSError):
        OOM_SCORE.write_text(oom_score)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv[1:] = arguments
    runpy.run_module(RAY_PROGRAM, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1])

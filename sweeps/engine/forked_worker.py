"""The program that Ray starts for each worker: has the fork server start one, or else becomes one itself.

It imports nothing else, because a worker waits for it.
"""

import json
import os
import socket
import sys
from pathlib import Path

# The environment variable with the address of the fork server.
ADDRESS = "NOISESWEEP_FORK_SERVER"
RAY_PROGRAM = "ray._private.workers.default_worker"
# Ray raises it for workers, so that Linux ends them first if memory runs out.
OOM_SCORE = Path("/proc/self/oom_score_adj")


def main(arguments: list[str]) -> None:
    """Start Ray's worker program with these arguments."""
    request = {"arguments": arguments, "environment": dict(os.environ), "oom_score": OOM_SCORE.read_text()}
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(os.environ[ADDRESS])
            with server.makefile("rw") as stream:
                stream.write(json.dumps(request) + "\n")
                stream.flush()
                if stream.readline():
                    return
    except OSError:
        # The fork server has ended.
        pass
    os.execv(sys.executable, [sys.executable, "-m", RAY_PROGRAM, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])

"""The program that Ray starts for each worker: asks the fork server for a worker, or becomes one itself.

It imports little, because each worker's start waits for it.
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
    try:
        oom_score = OOM_SCORE.read_text()
        request = {"arguments": arguments, "environment": dict(os.environ), "oom_score": oom_score}
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
    os.execv(sys.executable, [sys.executable, "-P", "-m", RAY_PROGRAM, *arguments])


if __name__ == "__main__":
    main(sys.argv[1:])

"""Real Ray clusters on this machine, with nodes whose processes can be killed as if a machine had failed."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import ray
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

BIN = Path(sys.executable).parent


def free_ports(n: int) -> list[int]:
    """Find free ports."""
    sockets = [socket.socket() for _ in range(n)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class Node:
    """The processes of one node."""

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path) -> None:
        with log.open("w") as output:
            self.process = subprocess.Popen(
                [BIN / "ray", "start", "--block", "--disable-usage-stats", *arguments],
                env=env,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill(self) -> None:
        """Kill all its processes at once."""
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.process.pid)
            for process in [*parent.children(recursive=True), parent]:
                with suppress(psutil.NoSuchProcess):
                    process.kill()
        self.process.wait()


class LocalCluster:
    """A head with a job server and a token, and the nodes added to it; ``with`` ends all their processes."""

    def __init__(
        self,
        *,
        head_cpus: int = 0,
        env: dict[str, str] | None = None,
        head_env: dict[str, str] | None = None,
        autoscaling: dict[str, Any] | None = None,
    ) -> None:
        # The folder needs a short name: the path of a socket may have at most 107 characters.
        self.folder = Path(tempfile.mkdtemp(prefix="nsr", dir="/tmp"))
        self.token = secrets.token_hex(32)
        own = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": self.token, "PATH": f"{BIN}:{os.environ['PATH']}"}
        self.env = {**os.environ, **own, **(env or {})}
        self.env.pop("RAY_ADDRESS", None)
        port, dashboard, client = free_ports(3)
        self.address = f"{ray.util.get_node_ip_address()}:{port}"
        self.dashboard_url = f"http://127.0.0.1:{dashboard}"
        self.nodes: list[Node] = []
        where = ["--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}", f"--temp-dir={self.folder}"]
        if autoscaling:
            config = self.folder / "autoscaling.json"
            config.write_text(json.dumps(autoscaling))
            where.append(f"--autoscaling-config={config}")
        self._start(
            "--head",
            f"--port={port}",
            f"--num-cpus={head_cpus}",
            f"--ray-client-server-port={client}",
            *where,
            env=head_env,
        )
        session = requests.Session()
        session.mount("http://", HTTPAdapter(max_retries=Retry(80, backoff_factor=0.2, backoff_max=1)))
        headers = {"Authorization": f"Bearer {self.token}"}
        session.get(f"{self.dashboard_url}/api/version", headers=headers, timeout=10).raise_for_status()

    def _start(self, *arguments: str, env: dict[str, str] | None = None) -> Node:
        agent, metrics = free_ports(2)
        ports = [f"--dashboard-agent-listen-port={agent}", f"--metrics-export-port={metrics}"]
        log = self.folder / f"node-{len(self.nodes)}.log"
        node = Node([*arguments, *ports], {**self.env, **(env or {})}, log)
        self.nodes.append(node)
        return node

    def add_node(self, *, cpus: int = 1, env: dict[str, str] | None = None) -> Node:
        """Start a node that joins the head."""
        # Each node needs its own folder: a node that joins clears the folder, and jobs run in it.
        own = f"--temp-dir={self.folder}/{len(self.nodes)}"
        return self._start(f"--address={self.address}", f"--num-cpus={cpus}", own, env=env)

    def __enter__(self) -> "LocalCluster":
        return self

    def __exit__(self, *exception: object) -> None:
        for node in reversed(self.nodes):
            node.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

"""Links to sweeps in MLflow's UI, and a server of that UI and the reports beside it, in one process."""

import json
import os
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING
from warnings import catch_warnings

from mlflow import MlflowClient

from sweeps.errors import SweepError
from sweeps.record.files import REPORT_PAGE
from sweeps.record.folder import SweepFolder, latest_sweep
from sweeps.tracking.bookmark import Bookmark
from sweeps.tracking.store import connect, mlflow_settings
from sweeps.tracking.views import link

if TYPE_CHECKING:
    from flask import Flask, Response

_HOST = "127.0.0.1"
# The page that leads to a study's runs. MLflow opens its assistant at the first visit unless this is stored.
_ENTRY = """<script>
localStorage.setItem("mlflow.assistant.fab.autoOpenedOnFirstLoad_v1", "true");
location.replace({link});
</script>"""


def server_links(uri: str, folder: SweepFolder) -> Iterator[str]:
    """Yield the lines that lead to a sweep's runs on a tracking server, and to its report on this machine.

    Raises:
        SweepError: The server cannot be reached, or does not have the sweep.
    """
    with mlflow_settings():
        runs = _link(connect(uri), uri, folder, uri)
    if not runs:
        raise SweepError(f"{uri}: does not have sweep {folder.path.name} of {folder.study!r}")
    yield from _lines(folder, runs, str(folder.report / REPORT_PAGE))


def _link(client: MlflowClient, uri: str, folder: SweepFolder, address: str) -> str:
    """Return the link to a sweep's runs; empty if the store does not have them."""
    bookmark, experiment = Bookmark.read(folder), client.get_experiment_by_name(folder.study)
    if bookmark is None or bookmark.uri != uri or experiment is None:
        return ""
    return link(address, experiment, bookmark.parent)


def _lines(folder: SweepFolder, runs: str, report: str) -> Iterator[str]:
    yield f"{folder.study} {folder.path.name}"
    yield f"  runs:   {runs}"
    if (folder.report / REPORT_PAGE).exists():
        yield f"  report: {report}"


def serve(uri: str, storage: Path, folders: Sequence[SweepFolder], port: int) -> Iterator[str]:
    """Yield the lines to print, among them the links of sweeps; then serve them, to this machine only.

    Args:
        uri: The tracking store, a database.
        storage: The storage whose reports are served, each that of its study's latest sweep.
        folders: The sweeps to link.
        port: The port to listen on.

    Raises:
        SweepError: The port is in use, or the store cannot be opened.
    """
    # Before MLflow's server, whose inner app then checks hosts and origins too.
    import uvicorn

    with _listening(port) as listener, mlflow_settings():
        client = connect(uri)
        # MLflow uses what Starlette is going to remove, which is no concern of the user.
        with catch_warnings(action="ignore"):
            from mlflow.server import app, handlers
            from mlflow.server.fastapi_app import create_fastapi_app
        handlers.initialize_backend_stores(uri, uri)
        _add_pages(app, client, uri, storage)
        address = f"http://{_HOST}:{port}"
        yield f"MLflow's UI of {uri}: {address}/#/experiments?workflowType=machine_learning"
        for folder in folders:
            report = f"{address}/report/{folder.study}/{REPORT_PAGE}"
            yield from _lines(folder, f"{address}/study/{folder.study}", report)
        yield "Stop it with Ctrl-C."
        config = uvicorn.Config(create_fastapi_app(app), log_level="warning")
        uvicorn.Server(config).run(sockets=[listener])


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port))
    except OSError as error:
        # Its own text repeats the address.
        reason = os.strerror(error.errno or 0)
        raise SweepError(f"port {port}: cannot be used ({reason}); choose another with --port") from None


def _add_pages(app: "Flask", client: MlflowClient, uri: str, storage: Path) -> None:
    """Add the pages of studies to MLflow's app, which refuses other hosts and origins for them as well."""
    from flask import abort, make_response, send_from_directory

    def latest(study: str) -> SweepFolder:
        try:
            return latest_sweep(storage, study)
        except SweepError as error:
            abort(404, str(error))

    @app.get("/study/<study>")
    def runs(study: str) -> "Response":
        address = _link(client, uri, latest(study), "")
        if not address:
            abort(404, f"the latest sweep of {study} is not in {uri}")
        return make_response(_ENTRY.format(link=json.dumps(address)))

    @app.get("/report/<study>/<path:file>")
    def report(study: str, file: str) -> "Response":
        # This refuses paths that lead out of the folder.
        response = send_from_directory(latest(study).report, file)
        # The scripts of a report must not use MLflow's API.
        response.headers["Content-Security-Policy"] = "sandbox allow-scripts allow-downloads allow-popups"
        return response

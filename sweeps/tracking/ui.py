"""Serves MLflow's UI of a tracking store, and the reports of a storage beside it, from one process."""

import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mlflow import MlflowClient

from sweeps.errors import SweepError
from sweeps.record.files import REPORT_PAGE
from sweeps.record.folder import SweepFolder, latest_sweep
from sweeps.spec.model import NAME
from sweeps.tracking.bookmark import Bookmark
from sweeps.tracking.store import connect, mlflow_settings
from sweeps.tracking.views import link

if TYPE_CHECKING:
    from flask import Flask, Response

_HOST = "127.0.0.1"


def links(uri: str, folders: Sequence[SweepFolder], address: str, reports: str = "") -> Iterator[str]:
    """Yield lines that lead to the runs of sweeps and to their reports.

    Args:
        uri: The tracking store.
        folders: The sweeps.
        address: Where the store's UI is served.
        reports: The address that reports are served below; empty if they are not.

    Raises:
        SweepError: The store cannot be reached.
    """
    with mlflow_settings():
        client = connect(uri)
        for folder in folders:
            yield f"{folder.study} {folder.path.name}"
            yield f"  runs:   {_runs(client, uri, folder, address)}"
            page = folder.report / REPORT_PAGE
            if page.exists():
                yield f"  report: {f'{reports}/{folder.study}/{REPORT_PAGE}' if reports else page}"


def _runs(client: MlflowClient, uri: str, folder: SweepFolder, address: str) -> str:
    bookmark, experiment = Bookmark.read(folder), client.get_experiment_by_name(folder.study)
    if bookmark is None or bookmark.uri != uri or experiment is None:
        return f"not in this tracking store ({uri})"
    return link(address, experiment, bookmark.parent)


def serve(uri: str, storage: Path, folders: Sequence[SweepFolder], port: int) -> Iterator[str]:
    """Yield the lines to print, among them the links of sweeps; then serve, to this machine only.

    Args:
        uri: The tracking store, a database.
        storage: The storage whose reports are served, each that of its study's latest sweep.
        folders: The sweeps to link.
        port: The port to listen on.

    Raises:
        SweepError: The port is in use, or the store cannot be opened.
    """
    with _listening(port) as listener:
        address = f"http://{_HOST}:{port}"
        yield f"MLflow's UI of {uri}; stop it with Ctrl-C"
        # Before MLflow's server, which then also checks the host in its inner app.
        import uvicorn
        from mlflow.server import app, handlers
        from mlflow.server.fastapi_app import create_fastapi_app

        yield from links(uri, folders, address, f"{address}/report")
        handlers.initialize_backend_stores(uri, uri)
        _add_reports(app, storage)
        # The outer app refuses other hosts and origins, for reports too.
        config = uvicorn.Config(create_fastapi_app(app), log_level="warning")
        uvicorn.Server(config).run(sockets=[listener])


def _listening(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port))
    except (OSError, OverflowError) as error:
        raise SweepError(f"port {port}: cannot be used ({error}); choose another with --port") from None


def _add_reports(app: "Flask", storage: Path) -> None:
    from flask import abort, send_from_directory

    @app.get("/report/<study>/<path:file>")
    def report(study: str, file: str) -> "Response":
        if not re.fullmatch(NAME, study):
            abort(404)
        try:
            folder = latest_sweep(storage, study)
        except SweepError:
            abort(404)
        # This refuses paths that lead out of the folder.
        response = send_from_directory(folder.report, file)
        # A page of a report has no business with MLflow's API.
        response.headers["Content-Security-Policy"] = "sandbox allow-scripts allow-downloads allow-popups"
        return response

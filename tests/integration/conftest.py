"""Sweeps on real Ray, Optuna and MLflow."""

import pytest

from tests.threaded import publish_in_a_thread


@pytest.fixture(autouse=True)
def threaded_publisher(request, monkeypatch):
    """Publish from a thread, unless a test is marked ``publisher_process``."""
    if "publisher_process" not in request.keywords:
        publish_in_a_thread(monkeypatch)

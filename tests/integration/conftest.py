"""Sweeps on real Ray, Optuna and MLflow."""

import pytest

from sweeps import runner
from tests.threaded import ThreadedDelivery


@pytest.fixture(autouse=True)
def threaded_publisher(request, monkeypatch):
    """Publish from a thread, unless a test is marked ``publisher_process``."""
    if "publisher_process" not in request.keywords:
        monkeypatch.setattr(runner, "Delivery", ThreadedDelivery)

"""Runs the publisher in a thread of the driver, because its process takes seconds to start."""

import math
from contextlib import ExitStack, nullcontext

import pytest

from sweeps import runner
from sweeps.tracking import publisher_process
from sweeps.tracking.publisher import Publisher
from sweeps.tracking.store import mlflow_settings, open_store


class ThreadedPublisher:
    """Stands in for ``PublisherClient``, with the same publisher and the same MLflow."""

    def __init__(self, uri, study):
        self.uri, self._study = uri, study
        self._publisher = self._mirror = None
        self._settings = ExitStack()

    def open(self):
        self._settings.enter_context(mlflow_settings())
        self._store = open_store(self.uri, self._study)

    def follow(self, folder, say, mirror=None):
        self._publisher, self._mirror = Publisher(folder, self._store, say), mirror
        self._publisher.limit = mirror.offset if mirror else math.inf
        self.parent = self._publisher.parent

    def start(self):
        self._publisher.start()

    def close(self):
        if self._mirror:
            self._publisher.limit = self._mirror.offset
        self._publisher.close()

    def abandon(self):
        self._settings.close()

    @property
    def undelivered(self):
        return self._publisher.undelivered


def publish_in_a_thread(patch: pytest.MonkeyPatch) -> None:
    """Run the publishers of this process's sweeps in threads."""
    patch.setattr(runner, "PublisherClient", ThreadedPublisher)
    patch.setattr(publisher_process, "started_ahead", nullcontext)

"""The publisher in a thread of the driver, where its process is not tested: that takes seconds to import."""

import math
from contextlib import nullcontext

import pytest

from sweeps import runner
from sweeps.tracking import process
from sweeps.tracking.publisher import Publisher
from sweeps.tracking.store import open_store


class ThreadedDelivery:
    """Does as ``Delivery``, with the same publisher and the same MLflow."""

    def __init__(self, uri, study):
        self.uri, self._study = uri, study
        self._publisher = self._mirror = None

    def open(self):
        self._store = open_store(self.uri, self._study)

    def follow(self, folder, trainable, say, mirror=None):
        self._publisher, self._mirror = Publisher(folder.spec(), folder, self._store, say), mirror
        self._publisher.limit = mirror.offset if mirror else math.inf
        self.parent = self._publisher.parent

    def start(self):
        self._publisher.start()

    def close(self):
        if self._mirror:
            self._publisher.limit = self._mirror.offset
        self._publisher.close()

    def abandon(self):
        pass

    @property
    def undelivered(self):
        return self._publisher.undelivered


def publish_in_a_thread(patch: pytest.MonkeyPatch) -> None:
    """Let sweeps of this process start no other process for MLflow."""
    patch.setattr(runner, "Delivery", ThreadedDelivery)
    patch.setattr(process, "started_ahead", nullcontext)

"""The lease on a sweep: two claimants in every order of their steps, in virtual time."""

import itertools
import threading
from types import SimpleNamespace

import pytest

from sweeps import SweepError
from sweeps.record import lease
from sweeps.record.files import LEASE
from sweeps.record.lease import Lease, LeaseLost


class Driver(threading.Thread):
    """Claims a lease and renews it while it holds it, one step at each call of ``step``."""

    def __init__(self, race, folder, uri):
        super().__init__(daemon=True)
        folder.mkdir()
        self._race, self.lease = race, Lease(folder, uri)
        self._go, self._paused = threading.Semaphore(0), threading.Semaphore(0)
        self.wakes, self.working, self.ended, self.renewals = 0.0, False, False, 0
        self.start()
        self._paused.acquire()

    def pause(self, seconds=0.0):
        self.wakes = self._race.now + seconds
        self._paused.release()
        self._go.acquire()
        if self._race.over:
            raise SweepError

    def step(self):
        self._race.now = max(self._race.now, self.wakes)
        self._go.release()
        self._paused.acquire()

    def run(self):
        self.pause()
        try:
            self.lease.claim()
            self.working = True
            while True:
                self.pause(lease.RENEWAL_SECONDS)
                self.renewals += 1
                self.lease.renew()
        except SweepError:
            self.working, self.ended = False, True
        self._paused.release()


class Race:
    """Two drivers that claim the same lease, in an order of steps that ``choices`` fixes from the start."""

    def __init__(self, tmp_path):
        self.now, self.over = 0.0, False
        uri = (tmp_path / "store").as_uri()
        self.drivers = [Driver(self, tmp_path / name, uri) for name in "ab"]

    def options(self):
        """The drivers that may take the next step.

        A claimant may be slow at every step, but not a driver that works: it looks at its lease in time.
        """
        active = [driver for driver in self.drivers if not driver.ended]
        claiming = [driver for driver in active if not driver.working]
        # A claimant that is slower than two renewals shows nothing new.
        if any(driver.wakes <= self.now for driver in claiming):
            active = [driver for driver in active if not driver.working or driver.renewals < 2]
        due = [driver for driver in active if driver.working and driver.wakes <= self.now]
        return [
            driver
            for driver in active
            if driver.wakes <= self.now
            or (not due and driver.wakes == min(each.wakes for each in active if each.wakes > self.now))
        ]

    def run(self, choices):
        """Step until no driver claims; return each choice with the number of options, and who works."""
        made = []
        while any(not driver.ended and not driver.working for driver in self.drivers):
            options = self.options()
            choice = choices[len(made)] if len(made) < len(choices) else 0
            made.append((choice, len(options)))
            options[choice].step()
            assert sum(driver.working for driver in self.drivers) <= 1
        winners = [driver.working for driver in self.drivers]
        self.over = True
        for driver in self.drivers:
            if not driver.ended:
                driver.step()
        return made, winners


@pytest.fixture
def race(monkeypatch, tmp_path):
    """Start a race with drivers that pause before each look, each write and after each wait."""

    def paused(method):
        def pause_first(*arguments):
            threading.current_thread().pause()
            return method(*arguments)

        return pause_first

    number = itertools.count()

    def start():
        folder = tmp_path / str(next(number))
        folder.mkdir()
        race = Race(folder)
        clock = SimpleNamespace(
            time=lambda: 1e9 + race.now,
            monotonic=lambda: race.now,
            sleep=lambda seconds: threading.current_thread().pause(seconds),
        )
        monkeypatch.setattr(lease, "time", clock)
        return race

    with monkeypatch.context() as patch:
        patch.setattr(Lease, "_read", paused(Lease._read))
        patch.setattr(Lease, "_write", paused(Lease._write))
        yield start


def test_exactly_one_of_two_claimants_works_whatever_the_order_of_their_steps(race):
    choices, orders, winners = [], 0, set()
    while choices is not None:
        made, working = race().run(choices)
        winners.add(tuple(working))
        orders += 1
        while made and made[-1][0] + 1 == made[-1][1]:
            made.pop()
        choices = [*(choice for choice, _ in made[:-1]), made[-1][0] + 1] if made else None
    assert winners == {(True, False), (False, True)}
    # There are 70 ways to merge two sequences of four steps.
    assert orders > 70


def test_a_driver_that_lost_its_lease_neither_renews_nor_releases_it(tmp_path, monkeypatch):
    clock = SimpleNamespace(time=lambda: 1e9, monotonic=lambda: 0.0, sleep=lambda seconds: None)
    monkeypatch.setattr(lease, "time", clock)
    uri = (tmp_path / "store").as_uri()
    for name in "ab":
        (tmp_path / name).mkdir()
    first, second = (Lease(tmp_path / name, uri) for name in "ab")
    first.claim()
    first.renew()
    with pytest.raises(SweepError, match="this sweep is running already, on "):
        second.claim()
    clock.time = lambda: 1e9 + 61
    second.claim()
    for action in (first.check, first.renew, first.release):
        with pytest.raises(LeaseLost, match="another driver has taken over this sweep, on "):
            action()
    second.renew()
    second.release()
    with pytest.raises(LeaseLost, match=r"another driver has taken over this sweep$"):
        first.renew()


@pytest.mark.parametrize("content", ['{"host": "here"', '{"host": "here", "color": "red"}'])
def test_a_damaged_lease_is_one_error(tmp_path, content):
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / LEASE).write_text(content)
    (tmp_path / "a").mkdir()
    damaged = Lease(tmp_path / "a", (tmp_path / "store").as_uri())
    with pytest.raises(SweepError, match=r"cannot be read: the lease driver\.json is damaged; delete it if"):
        damaged.claim()

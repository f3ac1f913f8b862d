"""The faults' table, and the undisturbed sweep that each is held against."""

import pytest

from sweeps.record.folder import latest_sweep
from tests.faults.sweep import Driver, Found, write

ROWS = pytest.StashKey[list]()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """Run the sweep without faults."""
    folder = tmp_path_factory.mktemp("undisturbed")
    Driver("run", write(folder), "--storage", folder).finish()
    return latest_sweep(folder, "faults")


@pytest.fixture
def store(monkeypatch):
    """Let every sweep have a store of its own, in its storage."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI")


@pytest.fixture
def record(request):
    """Take a row of the table: how often a fault was injected, and what it cost."""

    def take(fault: str, injected: int, found: Found) -> None:
        request.config.stash.setdefault(ROWS, []).append((fault, injected, found.lost, found.duplicated))
        assert injected > 0
        assert found == Found(lost=0, duplicated=0)

    return take


def pytest_terminal_summary(terminalreporter, config):
    """Print the table."""
    rows = config.stash.get(ROWS, [])
    if rows:
        terminalreporter.section("faults")
        terminalreporter.write_line(
            f"{'fault':<58} {'injected':>8} {'trials lost':>12} {'runs duplicated':>16}"
        )
        for fault, injected, lost, duplicated in rows:
            terminalreporter.write_line(f"{fault:<58} {injected:>8} {lost:>12} {duplicated:>16}")

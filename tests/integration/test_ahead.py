"""What is imported ahead, in a sweep on real Ray."""

import json
import subprocess
import sys

import pytest

from sweeps import run
from sweeps.engine import callbacks

SPEC = {
    "name": "test-ahead",
    "trainable": "curves",
    "mode": "grid",
    "fixed": {"epochs": 2},
    "search": {"lr": {"grid": [0.1, 0.05]}},
    "seeds": 3,
    "objective": {"metric": "val_accuracy", "mode": "max"},
    "budget": {"concurrent": 2},
}


@pytest.mark.usefixtures("curves", "ray_session")
def test_the_report_is_imported_when_all_trials_have_started_and_one_has_ended(tmp_path, monkeypatch):
    journal, seen = tmp_path / "test-ahead" / "001" / "journal.jsonl", []
    monkeypatch.setattr(callbacks, "import_report", lambda: seen.append(journal.read_text()))
    assert run(SPEC, storage=tmp_path).complete
    events = [json.loads(line)["event"] for line in seen[0].splitlines()]
    assert events.count("start") == 6
    assert events.index("end") < len(events) - 1  # others had ended while trials waited
    assert events[-1] == "end"
    assert 6 - events.count("end") < 2  # at a time


def test_it_is_there_when_the_wait_is_over():
    code = (
        "import sys\nfrom sweeps.engine import ahead\nahead.finish()\n"
        "assert 'sweeps.report.page' not in sys.modules\n"
        "ahead.import_report()\nahead.import_report()\nahead.finish()\n"
        "print('sweeps.report.page' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr

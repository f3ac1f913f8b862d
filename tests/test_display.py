"""What is shown, from events alone."""

import io

import pytest
from rich.console import Console

from sweeps import load_spec
from sweeps.display import Display
from sweeps.storage import create_sweep
from tests.test_run import content


@pytest.fixture
def folder(curves, tmp_path):
    return create_sweep(tmp_path, load_spec(content(fixed={"epochs": 4}, budget={"trials": 4})))


@pytest.fixture
def shown(folder):
    """A display, and what it has printed."""

    def show(*, terminal=False):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=120, _environ={})
        display = Display(folder.spec(), folder, console)
        return display, console.file

    return show


def events(number, mode, accuracies, status, start=0, reason=""):
    """A trial of one second an epoch."""
    trial = {"trial": f"t{number}"}
    hyperparameters = {"noise": mode, "sigma": 0.0123, "lr": 0.05, "epochs": 4}
    yield {"event": "start", "time": start, **trial, "number": number, "arm": mode, "seed": 0} | {
        "hyperparameters": hyperparameters
    }
    for epoch, accuracy in enumerate(accuracies, start=1):
        metrics = {"val_accuracy": accuracy}
        yield {"event": "epoch", "time": start + 1000 * epoch, **trial, "epoch": epoch, "metrics": metrics}
    time = start + 1000 * len(accuracies)
    if status:
        yield {"event": "end", "time": time, **trial, "status": status, "reason": reason, "folder": ""}


def test_plain_lines_tell_each_end_and_the_time_left(shown):
    display, output = shown()
    display.handle(list(events(1, "layer", [0.1, 0.2, 0.3, 0.4], "finished")))
    display.handle(list(events(2, "none", [0.2], "failed", start=4000, reason="ValueError: no")))
    lines = output.getvalue().splitlines()
    assert lines[0].startswith("test-curves: 4 trials of curves, at most 4 epochs each, in ")
    line = "0001-layer sigma=0.0123 lr=0.05 finished after 4 of 4 epochs val_accuracy=0.4000"
    assert lines[1] == f"[1/4] {line} - about 0:00:12 left"
    assert lines[2].startswith("[2/4] 0002-none lr=0.05 failed after 1 of 4 epochs val_accuracy=0.2000")
    assert lines[2].endswith("(ValueError: no) - about 0:00:05 left")


def test_a_terminal_shows_progress_what_runs_and_the_best_of_each_mode(shown):
    display, _ = shown(terminal=True)
    display.handle(list(events(1, "layer", [0.1, 0.2, 0.3, 0.4], "finished")))
    display.handle(list(events(2, "none", [0.2, 0.6], None)))
    display.tick()
    with display.console.capture() as capture:
        display.console.print(display._view())
    display._live.stop()
    view = capture.get()
    assert "1/4" in view
    assert "left" in view
    running, best = view.split("noise modes")
    assert "0002-none lr=0.05" in running
    assert "2/4" in running
    assert "0.6000" in best.split("none")[1]
    assert "0.4000" in best.split("layer")[1]


def test_the_summary_says_how_to_go_on(shown, folder):
    display, output = shown()
    display.handle(list(events(1, "layer", [0.1], "interrupted")))
    state = display._state
    display.summarise(state, "sqlite:///elsewhere.db", 2)
    text = output.getvalue()
    assert "interrupted, 0 of 4 trials ended: 1 interrupted" in text
    assert f"Go on with: noisesweep resume test-curves --storage {folder.storage}" in text
    assert f"2 writes are not in MLflow yet; they are kept in {folder.journal.path}" in text
    assert "noisesweep ui --tracking-uri sqlite:///elsewhere.db" in text


def test_a_resumed_sweep_tells_only_what_is_new(shown, folder):
    for event in events(1, "layer", [0.1], "interrupted"):
        folder.journal.append(event.pop("event"), **{**event, "tags": {}})
    display, output = shown()
    display.start()
    for event in events(1, "layer", [0.1, 0.2, 0.3, 0.4], "finished"):
        folder.journal.append(event.pop("event"), **{**event, "tags": {}})
    display.close()
    ends = [line for line in output.getvalue().splitlines() if line.startswith("[")]
    assert len(ends) == 1
    assert "finished after 4 of 4 epochs" in ends[0]

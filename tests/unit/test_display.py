"""The terminal display of a sweep, from journal events alone."""

import io

import pytest
from rich.console import Console

from sweeps import load_spec
from sweeps.console.display import Display
from sweeps.record.folder import create_sweep
from tests.curves import content

TAGS = {"host": "here", "data_fingerprint": "formula"}


@pytest.fixture
def folder(curves, tmp_path):
    return create_sweep(tmp_path, load_spec(content(fixed={"epochs": 4}, budget={"trials": 4})))


@pytest.fixture
def shown(folder):
    """A display, and what it has printed."""

    def show(*, terminal=False, verbose=False):
        console = Console(file=io.StringIO(), force_terminal=terminal, width=120, height=40, _environ={})
        display = Display(folder.spec(), folder, console, verbose=verbose)
        return display, console.file

    return show


BEGIN = {"event": "begin", "time": 0, "versions": "torch 2"}


def events(number, mode, accuracies, status, start=0, reason="", **about):
    """A trial of one second an epoch."""
    trial = {"trial": f"t{number}"}
    hyperparameters = {"noise": mode, "sigma": 0.0123, "lr": 0.05, "epochs": 4}
    about = {"number": number, "stage": "search", "arm": mode, "seed": 0, **about}
    about["hyperparameters"] = hyperparameters
    yield {"event": "start", "time": start, **trial, **about}
    for epoch, accuracy in enumerate(accuracies, start=1):
        told = {"epoch": epoch, "metrics": {"val_accuracy": accuracy}, "tags": TAGS}
        yield {"event": "epoch", "time": start + 1000 * epoch, **trial, **told}
    time = start + 1000 * len(accuracies)
    if status:
        yield {"event": "end", "time": time, **trial, "status": status, "reason": reason, "folder": ""}


def test_verbose_lines_tell_each_end_and_the_time_left(shown):
    display, output = shown(verbose=True)
    display.handle([BEGIN])
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
    display.handle([BEGIN])
    display.handle(list(events(1, "layer", [0.1, 0.2, 0.3, 0.4], "finished")))
    display.handle(list(events(2, "none", [0.2, 0.6], None)))
    display.tick()
    with display.console.capture() as capture:
        display.console.print(display._view.draw(5000))
    display._live.stop()
    view = capture.get()
    assert "1/4" in view
    assert "left" in view
    running, best = view.split("noise modes")
    assert "0002-none lr=0.05" in running
    assert "2/4" in running
    assert "0.6000" in best.split("none")[1]
    assert "0.4000" in best.split("layer")[1]


def test_the_summary_says_how_to_resume(shown, folder):
    display, output = shown()
    display.handle(list(events(1, "layer", [0.1], "interrupted")))
    state = display._state
    display.summarise(state, "sqlite:///elsewhere.db", 2)
    text = output.getvalue()
    assert "interrupted, 0 of 4 trials ended: 1 interrupted" in text
    assert f"Resume with: noisesweep resume test-curves --storage {folder.storage}" in text
    assert f"not in MLflow yet: 2 events, which are kept in {folder.journal.path}; upload them with:" in text
    assert "noisesweep ui --tracking-uri sqlite:///elsewhere.db" in text


def test_a_resumed_sweep_prints_only_new_events(shown, folder):
    for event in events(1, "layer", [0.1], "interrupted"):
        folder.journal.append(event.pop("event"), **event)
    display, output = shown()
    display.start()
    for event in events(1, "layer", [0.1, 0.2, 0.3, 0.4], "finished"):
        folder.journal.append(event.pop("event"), **event)
    display.close()
    ends = [line for line in output.getvalue().splitlines() if line.startswith("[")]
    assert ends == ["[1/4] 1 finished; best val_accuracy=0.4000: 0001-layer sigma=0.0123 lr=0.05"]


# Arms and stages

STAGED = {
    "compare": {"noise": ["none", "layer", "all"]},
    "search": {
        "sigma": {"uniform": [0.01, 0.1], "when": {"noise": ["layer", "all"]}},
        "lr": {"uniform": [0.01, 0.1]},
    },
    "budget": {},
    "fixed": {"epochs": 4},
}
SELECT = {"event": "select", "time": 9000} | {
    "points": [
        {"noise": "none", "sigma": 0.0123, "lr": 0.05},
        {"noise": "layer", "sigma": 0.0123, "lr": 0.05},
    ]
}


@pytest.fixture
def staged(curves, tmp_path):
    """A display of a study in stages, and what it has printed."""

    def show(search, confirm=None):
        stages = {"search": search, **({"confirm": confirm} if confirm else {})}
        folder = create_sweep(tmp_path, load_spec(content(**STAGED, stages=stages)))
        console = Console(file=io.StringIO(), width=160, _environ={})
        return Display(folder.spec(), folder, console), console.file

    return show


def test_it_says_when_confirm_begins_and_with_what(staged):
    display, output = staged({"trials_per_arm": 2}, {"seeds": 3, "top": 2})
    display.handle([BEGIN])
    display.handle(list(events(1, "none", [0.1, 0.2, 0.3, 0.4], "finished")))
    display.handle(list(events(2, "layer", [0.2], "stopped")))
    display.handle(list(events(3, "all", [0.2], "diverged")))
    display.handle([SELECT])
    display.handle(list(events(4, "none", [0.4] * 4, "finished", start=9000, stage="confirm", seed=1)))
    lines = output.getvalue().splitlines()
    plan = "3 arms of noise, 2 trials each, then 3 seeds of the best 2 of each; curves, at most 4 epochs each"
    assert lines[0].startswith(f"test-curves: {plan}, in ")
    assert lines[1].startswith("[3/24] 0003-all sigma=0.0123 lr=0.05 diverged after 1 of 4 epochs")
    best = "best val_accuracy=0.4000: 0001-none lr=0.05"
    assert lines[2].startswith(f"[3/24] 1 finished, 1 stopped, 1 diverged; {best} - about ")
    assert lines[3:7] == [
        "the search is complete; confirming on seeds 1 to 3:",
        "  none lr=0.05",
        "  layer sigma=0.0123 lr=0.05",
        "  all: left out, no trial has a finite score",
    ]
    # Two points with three seeds: the arm that is left out is no longer counted.
    best = "best mean val_accuracy=0.4000: none lr=0.05, 1 seed"
    assert lines[7].startswith(f"[4/9] 2 finished, 1 stopped, 1 diverged; {best} - about ")


def test_the_summary_has_a_table_of_each_stage(staged):
    display, output = staged({"trials_per_arm": 1}, {"seeds": 2})
    display.handle(list(events(1, "none", [0.1, 0.2], "finished")))
    display.handle([SELECT])
    for number, (seed, accuracy) in enumerate([(1, 0.4), (2, 0.6)], start=2):
        about = {"stage": "confirm", "seed": seed}
        told = list(events(number, "none", [0.9, accuracy], "finished", **about))
        told[2]["metrics"]["test_accuracy"] = accuracy
        display.handle(told)
    display.handle(list(events(4, "layer", [0.1], "diverged", stage="confirm", seed=1)))
    display.summarise(display._state, "sqlite:///elsewhere.db", 0)
    search, confirm = output.getvalue().split(
        "confirmed on fresh seeds: mean test_accuracy and typical difference, with 95% intervals"
    )
    (row,) = [line.split() for line in search.split("noise modes")[1].splitlines() if "none" in line]
    assert row == ["none", "1", "0", "0", "0", "0.2000", "2/4", "0001-none", "lr=0.05"]
    none, layer = (line.split() for line in confirm.splitlines()[2:4])
    # Student's t with one degree of freedom is 0.5 -+ 12.706 * 0.1, and an accuracy is a fraction.
    assert none == ["none", "lr=0.05", "2", "0", "0.5", "[0.0,", "1.0]"]
    assert layer[:5] == ["layer", "sigma=0.0123", "lr=0.05", "0", "1"]
    assert "interrupted, 4 of 5 trials ended: 3 finished, 1 diverged" in confirm


def test_a_budget_in_epochs_has_no_total(staged):
    display, output = staged({"epochs_per_arm": 8}, {"seeds": 2})
    for number in range(1, 11):
        display.handle(list(events(number, "none", [0.1, 0.2, 0.3, 0.4], "finished")))
    lines = output.getvalue().splitlines()
    assert "3 arms of noise, 8 epochs each (6 of none), then 2 seeds of the best of each; " in lines[0]
    assert lines[1:] == ["[10/?] 10 finished; best val_accuracy=0.4000: 0001-none lr=0.05"]
    display.handle([SELECT])
    display.handle(list(events(11, "none", [0.1] * 4, "finished", stage="confirm", seed=1)))
    assert output.getvalue().splitlines()[-1].startswith("[11/14] 11 finished; best mean val_accuracy=0.1000")

"""The terminal display of a sweep, from journal events alone."""

import io

import pytest
from rich.console import Console
from rich.text import Text

from sweeps import load_spec
from sweeps.console import live
from sweeps.console.display import Display
from sweeps.console.lines import trials_per_line
from sweeps.console.live import LiveView
from sweeps.console.seeds import arm_rows
from sweeps.console.tables import tables
from sweeps.record.folder import create_sweep
from sweeps.record.state import SweepState
from sweeps.record.time_left import TimeLeft
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


def test_a_reason_that_is_that_of_the_trial_before_is_not_repeated(shown):
    display, output = shown(verbose=True)
    for number, reason in enumerate(("ValueError: no", "ValueError: no", "KeyError: 1", "ValueError: no"), 1):
        display.handle(list(events(number, "layer", [0.1], "failed", reason=reason)))
    ends = [
        line.partition("val_accuracy=0.1000 ")[2].partition(" - ")[0]
        for line in output.getvalue().splitlines()
    ]
    assert ends[1:5] == ["(ValueError: no)", "for the same reason", "(KeyError: 1)", "(ValueError: no)"]


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
    assert "noisesweep ui test-curves --tracking-uri sqlite:///elsewhere.db" in text


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
    assert row == ["none", "1", "0.2000", "2/4", "0001-none", "lr=0.05"]
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


# Progress


@pytest.mark.parametrize(
    ("total", "expected"), [(1, 1), (8, 1), (24, 3), (80, 10), (400, 10), (2000, 50), (None, 10)]
)
def test_a_line_tells_of_so_many_trials(total, expected):
    assert trials_per_line(total) == expected


def test_what_the_search_has_left_is_told_before_confirm_begins(staged):
    display, output = staged({"trials_per_arm": 8}, {"seeds": 2})
    for number in range(1, 5):
        display.handle(list(events(number, "layer", [0.1, 0.2], "finished")))
    told = ["[3/28] 3 finished; best val_accuracy=0.2000: 0001-layer sigma=0.0123 lr=0.05"]
    assert output.getvalue().splitlines()[1:] == told
    display.handle([SELECT])
    told.append("[4/8] 4 finished; best val_accuracy=0.2000: 0001-layer sigma=0.0123 lr=0.05")
    assert output.getvalue().splitlines()[1:3] == told


def test_a_terminal_has_lines_only_for_problems(shown):
    display, output = shown(terminal=True)
    display.handle(list(events(1, "layer", [0.1, 0.2, 0.3, 0.4], "finished")))
    display.handle(list(events(2, "layer", [0.1], "failed", reason="ValueError: no")))
    display._live.stop()
    lines = [line for line in output.getvalue().splitlines() if line.startswith("[")]
    assert lines == [
        "[2/4] 0002-layer sigma=0.0123 lr=0.05 failed after 1 of 4 epochs val_accuracy=0.1000 "
        "(ValueError: no)"
    ]


# The arms during confirm

LOOKS = {"configurations": {arm: {"sigma": 0.0123, "lr": 0.05} for arm in ("layer", "all")}, "looks": [8, 12]}
LOOKS["configurations"]["none"] = {"lr": 0.05}
CLAIM = {"name": "layer wins", "metric": "test_accuracy", "better": "layer", "worse": "none", "by": 0.001}


@pytest.fixture
def confirming(curves):
    """A live view of a study with two looks, and a function that adds trials to its state."""
    study = {key: value for key, value in content(**STAGED).items() if key != "search"}
    spec = load_spec({**study, "stages": {"confirm": LOOKS}, "claims": [CLAIM]})

    def show(height):
        console = Console(file=io.StringIO(), width=80, height=height, force_terminal=True, _environ={})
        state = SweepState(spec)
        view = LiveView(state, TimeLeft(), console)

        def apply(*new):
            for event in new:
                state.apply(event)
                view.apply(event)

        apply(BEGIN, {"event": "select", "time": 0, "points": state.select()})
        return state, view, apply

    return show


def trained(number, mode, seed, accuracy, status="finished"):
    told = list(events(number, mode, [0.9, accuracy], status, stage="confirm", seed=seed))
    told[2]["metrics"]["test_accuracy"] = accuracy
    if mode == "none":
        told[0]["hyperparameters"]["sigma"] = 0.0
    return told


def train(apply, seeds, **accuracies):
    for number, seed in enumerate(seeds):
        for place, (mode, accuracy) in enumerate(accuracies.items()):
            apply(*trained(100 * seed + place, mode, seed, accuracy + 0.001 * number * (place + 1)))


def drawn(view):
    console = view._console
    with console.capture() as capture:
        console.print(view.draw(1000))
    return [line.rstrip() for line in Text.from_ansi(capture.get()).plain.splitlines()]


def test_the_arms_during_confirm_are_compared_with_the_reference(confirming):
    _, view, apply = confirming(24)
    train(apply, range(1, 4), none=0.5, layer=0.6, all=0.4)
    apply(*trained(999, "layer", 4, 0.1, "diverged"))
    lines = drawn(view)
    (title,) = [line for line in lines if line.startswith("so far: ")]
    assert title == "so far: mean test_accuracy, typical difference with its 97.8% interval"
    none, layer, _ = (line.split() for line in lines[lines.index(title) + 2 :][:3])
    assert none == ["none", "lr=0.05", "3", "0", "0.5010"]
    assert layer == ["layer", "sigma=0.0123", "lr=0.05", "3", "1", "0.6020", "0.101", "[-1,", "1]"]
    assert lines[-2:] == [
        "the table is a view between looks; verdicts come at looks:",
        "  layer wins: waiting for look 1 of 2, at 8 seeds",
    ]


def test_rows_whose_looks_differ_tell_their_levels(confirming):
    state, view, apply = confirming(24)
    train(apply, range(1, 9), none=0.5, layer=0.497, all=0.4)
    apply({"event": "look", "time": 0, **state.taken[-1]._asdict(), "points": state.to_confirm[:2]})
    train(apply, range(9, 12), none=0.5, layer=0.497)
    first, second = (f"{100 * (1 - look.error):.3g}%" for look in state.looks)
    lines = drawn(view)
    arms = [line.split() for line in lines if "lr=0.05" in line]
    assert [(arm[0], arm[-1]) for arm in arms] == [("none", second), ("layer", second), ("all", first)]
    assert lines[-1] == "  layer wins: waiting for look 2 of 2, at 12 seeds"
    console = Console(file=io.StringIO(), width=160, _environ={})
    console.print(*tables(state))
    title = "confirmed on fresh seeds: mean test_accuracy and typical difference, with intervals"
    assert title in console.file.getvalue()


def test_a_decided_claim_tells_its_verdict(confirming):
    state, view, apply = confirming(24)
    train(apply, range(1, 9), none=0.5, layer=0.9, all=0.4)
    apply({"event": "look", "time": 0, **state.taken[-1]._asdict(), "points": []})
    assert drawn(view)[-1] == "  layer wins: supported (look 1 of 2, 8 seeds)"


def test_a_low_terminal_cuts_rows_and_says_how_many(confirming):
    _, view, apply = confirming(10)
    train(apply, range(1, 4), none=0.5, layer=0.6, all=0.4)
    for number in range(1000, 1005):
        apply(*list(events(number, "none", [0.1], None, stage="confirm", seed=5)))
    lines = drawn(view)
    assert len(lines) == 9
    assert lines[3] == "and 5 more"
    assert lines[6] == "and 3 more"


def test_differences_are_computed_only_after_trials_have_ended(confirming, monkeypatch):
    _, view, apply = confirming(24)
    computed = []
    monkeypatch.setattr(live, "arm_rows", lambda state: computed.append(state) or arm_rows(state))
    train(apply, [1], none=0.5, layer=0.6)
    drawn(view)
    apply(*list(events(9, "none", [0.1], None, stage="confirm", seed=2)))
    drawn(view)
    assert len(computed) == 1
    apply(*trained(10, "layer", 2, 0.6))
    drawn(view)
    assert len(computed) == 2

"""The journal, its followers, and the state that is rebuilt from it."""

import json
import math
import threading

import pandas as pd
import pytest

from sweeps.console.jsonl import JsonLog
from sweeps.record.folder import create_sweep
from sweeps.record.journal import Follower, Journal, _event
from sweeps.record.rows import trial_rows
from sweeps.record.state import SweepState
from sweeps.record.trials import STATUSES
from sweeps.spec.load import load_spec
from tests.strict import strict_json


@pytest.fixture
def journal(tmp_path):
    return Journal(tmp_path / "journal.jsonl")


def numbers(events):
    return [event["number"] for event in events]


def test_reads_what_was_written(journal):
    assert list(journal.read()) == []
    first, second = journal.append("epoch", number=1, text="é\n"), journal.append("end", number=2)
    (got_first, offset), (got_second, end) = journal.read()
    assert (got_first, got_second) == (first, second)
    assert first["event"] == "epoch"
    assert isinstance(first["time"], int)
    assert [event for event, _ in journal.read(offset)] == [second]
    assert end == journal.path.stat().st_size
    assert list(journal.read(end)) == []


def test_not_a_number_survives(journal):
    journal.append("epoch", metrics={"val_loss": math.nan, "grad_norm": math.inf})
    ((event, _),) = journal.read()
    assert math.isnan(event["metrics"]["val_loss"])
    assert event["metrics"]["grad_norm"] == math.inf


def test_an_unfinished_line_is_not_read_and_can_be_dropped(journal):
    journal.append("epoch", number=1)
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + b'{"event": "epoch", "num')
    assert numbers(event for event, _ in journal.read()) == [1]
    journal.repair()
    assert journal.path.read_bytes() == whole
    journal.append("epoch", number=2)
    assert numbers(event for event, _ in journal.read()) == [1, 2]


@pytest.mark.parametrize("content", [b"", b'{"event": "end"}\n'])
def test_repair_leaves_whole_lines(content, journal):
    # There is no journal yet.
    journal.repair()
    assert not journal.path.exists()
    journal.path.write_bytes(content)
    journal.repair()
    assert journal.path.read_bytes() == content


class Recorder(Follower):
    """Keeps the events that it gets; refuses the batches of the numbered calls."""

    def __init__(self, journal, refuse=(), gives_up=False):
        super().__init__(journal)
        self.got, self.calls, self.refused = [], 0, []
        self.seen = threading.Event()
        self.refuse, self.gives_up = refuse, gives_up

    def handle(self, events):
        self.calls += 1
        if self.calls in self.refuse:
            raise ConnectionError(f"call {self.calls}")
        self.got += numbers(events)
        self.seen.set()

    def give_up(self, error):
        self.refused.append(str(error))
        return self.gives_up


def test_a_follower_gets_everything_once_in_order(journal):
    # More than a batch, and then some while it follows.
    for number in range(600):
        journal.append("epoch", number=number)
    follower = Recorder(journal)
    follower.start()
    assert follower.seen.wait(30)
    for number in range(600, 650):
        journal.append("epoch", number=number)
    follower.close()
    assert follower.got == list(range(650))
    assert follower.offset == journal.path.stat().st_size
    assert not follower.is_alive()


def test_a_message_can_wait_for_the_events_before_it(journal):
    follower = Recorder(journal)
    follower.start()
    for number in range(1_200):
        journal.append("epoch", number=number)
    follower.catch_up()
    assert follower.got == list(range(1_200))
    follower.close()
    # A follower that has ended is not waited for.
    journal.append("epoch", number=1_200)
    follower.catch_up()
    assert len(follower.got) == 1_200


def test_closing_reads_what_was_written_before(journal):
    follower = Recorder(journal)
    follower.start()
    journal.append("epoch", number=1)
    follower.close()
    assert follower.got == [1]


def test_a_refused_batch_is_retried(journal):
    for number in range(600):
        journal.append("epoch", number=number)
    follower = Recorder(journal, refuse={1, 3})
    follower.start()
    follower.close()
    assert follower.got == list(range(600))
    assert follower.refused == ["call 1", "call 3"]


def test_giving_up_keeps_the_place(journal):
    for number in range(600):
        journal.append("epoch", number=number)
    follower = Recorder(journal, refuse={2}, gives_up=True)
    follower.start()
    follower.close()
    assert follower.got == list(range(500))
    again = Recorder(journal)
    again.offset = follower.offset
    again.start()
    again.close()
    assert again.got == list(range(500, 600))


# The state.

SPEC = {
    "name": "study",
    "trainable": "digits",
    "search": {
        "lr": {"uniform": [0.01, 0.1]},
        "noise": ["all", "none"],
        "sigma": {"uniform": [0.1, 0.2], "when": {"noise": ["all"]}},
    },
    "budget": {"trials": 3},
}
OBJECTIVES = {"max": {"metric": "val_accuracy", "mode": "max"}, "min": {"metric": "val_loss", "mode": "min"}}


def state_of(*events, mode="max"):
    return SweepState(load_spec({**SPEC, "objective": OBJECTIVES[mode]}), events)


def start(trial, number=1, arm="all", *, stage="search", seed=0, **searched):
    return {
        "event": "start",
        "time": 1000,
        "trial": trial,
        "number": number,
        "stage": stage,
        "arm": arm,
        "seed": seed,
        "hyperparameters": {"lr": 0.01, "noise": arm, "sigma": 0.0, "epochs": 10, **searched},
    }


def epoch(trial, epoch, accuracy, **more):
    metrics = {"val_accuracy": accuracy, "val_loss": 1 - accuracy, "sigma": 0.05, **more}
    tags = {"host": "here", "data_fingerprint": "formula"}
    return {"event": "epoch", "time": 2000, "trial": trial, "epoch": epoch, "metrics": metrics, "tags": tags}


def end(trial, status="finished", reason=""):
    return {"event": "end", "time": 3000, "trial": trial, "status": status, "reason": reason, "folder": ""}


def test_a_trial_from_start_to_end():
    state = state_of(start("a"))
    trial = state.trials["a"]
    assert (trial.status, trial.last, state.score(trial), trial.ended) == ("running", {}, None, None)
    state.apply(epoch("a", 1, 0.5))
    state.apply(epoch("a", 2, 0.4))
    # The score is that of the last epoch, not of the best one.
    assert state.score(trial) == 0.4
    state.apply(end("a", "failed", "a reason"))
    assert (trial.status, trial.reason, trial.started, trial.ended) == ("failed", "a reason", 1000, 3000)


def test_a_trial_that_starts_twice_resumes():
    state = state_of(start("a"), epoch("a", 1, 0.5), end("a", "interrupted"), start("a"), epoch("a", 2, 0.6))
    trial = state.trials["a"]
    assert (len(state.trials), trial.status, list(trial.epochs)) == (1, "running", [1, 2])


def test_the_last_epoch_of_a_trial_may_tell_which_test_examples_are_right(tmp_path, capsys):
    correct = {"examples": 3, "bits": "oA=="}
    last = {**epoch("a", 2, 0.6), "correct": correct}
    state = state_of(start("a"), epoch("a", 1, 0.5))
    assert state.trials["a"].correct is None
    state.apply(last)
    assert state.trials["a"].correct == correct
    # The log of a sweep as JSON lines leaves it out.
    folder = create_sweep(tmp_path, state.spec)
    JsonLog(state.spec, folder).handle([last])
    line = json.loads(capsys.readouterr().out)
    assert line == {"study": state.spec.name, "sweep": "001", **epoch("a", 2, 0.6)}


def test_an_epoch_that_is_written_twice_counts_once():
    state = state_of(start("a"), epoch("a", 1, 0.5), start("a"), epoch("a", 1, 0.5))
    assert trial_rows(state)[0]["epochs"] == 1


def test_counts_every_status():
    ended = [status for status in STATUSES if status != "running"]
    events = [start(status, number) for number, status in enumerate(ended)]
    state = state_of(*events, *(end(status, status) for status in ended), start("last", 9))
    assert state.counts() == dict.fromkeys(STATUSES, 1)
    assert state_of().counts() == dict.fromkeys(STATUSES, 0)


@pytest.mark.parametrize("status", ["finished", "stopped", "diverged", "failed", "interrupted"])
def test_complete_when_as_many_have_ended_as_were_asked_for(status):
    state = state_of(*(start(trial, number) for number, trial in enumerate("abc")), end("a"), end("b"))
    assert not state.complete
    state.apply(end("c", status))
    assert state.complete == (status != "interrupted")


@pytest.mark.parametrize("mode", ["max", "min"])
def test_best_in_either_direction(mode):
    state = state_of(
        *(start("a", 1), epoch("a", 1, 0.7), end("a")),
        *(start("b", 2, "none"), epoch("b", 1, 0.6), end("b", "stopped")),
        *(start("c", 3, "none"), epoch("c", 1, 0.9), end("c", "diverged")),
        *(start("d", 4, "layer"), epoch("d", 1, 0.8)),
        start("e", 5),
        mode=mode,
    )
    # Its accuracy is the highest, and its loss the lowest.
    assert state.best().id == "a"
    assert state.best("none").id == "b"
    assert state.best("layer") is None
    assert [trial.id for trial in state.ranked(state.trials.values(), running=True)] == ["d", "a", "b"]
    # The arms of the spec come first.
    assert state.arms() == ["all", "none", "layer"]
    assert state_of(mode=mode).best() is None


def test_equal_scores_are_ranked_by_the_loss():
    """On a small validation split many trials tie, and the starting points come first."""
    state = state_of(
        *(start("a", 1), epoch("a", 1, 0.7, val_loss=0.9), end("a")),
        *(start("b", 2), epoch("b", 1, 0.7, val_loss=0.5), end("b")),
        *(start("c", 3), epoch("c", 1, 0.7, val_loss=math.nan), end("c")),
    )
    assert [trial.id for trial in state.ranked(state.trials.values())] == ["b", "a", "c"]


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize("order", [(math.nan, 0.5), (0.5, math.nan)])
def test_not_a_number_is_never_best(mode, order):
    events = [event for n, x in enumerate(order) for event in (start(str(x), n), epoch(str(x), 1, x))]
    state = state_of(*events, mode=mode)
    assert [trial.id for trial in state.ranked(state.trials.values(), running=True)] == ["0.5"]


def test_rows():
    state = state_of(
        *(start("b", 2, "none"), start("a", 1, sigma=0.1)),
        *(epoch("a", 1, 0.5), epoch("a", 2, 0.75), end("a")),
        *(epoch("b", 1, math.nan), end("b", "failed", "why")),
        start("c", 3),
    )
    frame = pd.DataFrame(trial_rows(state))
    assert frame.columns.tolist() == [
        *("number", "trial", "stage", "arm", "seed", "status", "epochs", "lr", "noise", "sigma"),
        *("val_accuracy", "val_loss", "reason"),
    ]
    assert frame["trial"].tolist() == ["a", "b", "c"]
    assert frame["epochs"].tolist() == [2, 1, 0]
    assert frame["status"].tolist() == ["finished", "failed", "running"]
    assert frame["val_accuracy"].isna().tolist() == [False, True, True]
    assert frame["val_accuracy"][0] == 0.75
    # The searched hyperparameter, not the metric of that name.
    assert frame["sigma"][0] == 0.1
    assert frame["reason"].tolist() == ["", "why", ""]
    assert trial_rows(state_of()) == []


# Arms and stages.

STAGED = {
    "name": "study",
    "trainable": "digits",
    "compare": {"noise": ["all", "none"]},
    "search": {"lr": [0.1, 0.2, 0.3]},
    "fixed": {"sigma": 0.1},
    "objective": OBJECTIVES["max"],
}


def staged(*events, top=1, search=None):
    stages = {"search": search or {"trials_per_arm": 2}, "confirm": {"seeds": 2, "top": top}}
    return SweepState(load_spec({**STAGED, "stages": stages}), events)


def trial(name, arm, lr, accuracies, status="finished", **keys):
    """A trial of as many epochs as it has accuracies."""
    yield start(name, arm=arm, lr=lr, **keys)
    yield from (epoch(name, number, accuracy) for number, accuracy in enumerate(accuracies, start=1))
    if status:
        yield end(name, status)


def select(state):
    state.apply({"event": "select", "time": 1, "points": state.select()})


def confirming(*more, **keys):
    """A study in confirm: the better of two trials of each arm."""
    state = staged(
        *trial("a", "all", 0.1, [0.4]),
        *trial("b", "all", 0.2, [0.5]),
        *trial("c", "none", 0.1, [0.7]),
        *trial("d", "none", 0.3, [0.6]),
        **keys,
    )
    select(state)
    for event in more:
        state.apply(event)
    return state


def run_confirm(name, arm, lr, seed, status="finished", number=9):
    return list(trial(name, arm, lr, [0.5], status, stage="confirm", seed=seed, number=number))


def test_the_best_of_each_arm_are_selected_the_first_of_all_before_the_second_of_any():
    assert [(point["noise"], point["lr"]) for point in confirming().selected] == [("all", 0.2), ("none", 0.1)]
    assert [(point["noise"], point["lr"]) for point in confirming(top=2).selected] == [
        *(("all", 0.2), ("none", 0.1)),
        *(("all", 0.1), ("none", 0.3)),
    ]


def test_a_configuration_that_was_tried_twice_is_selected_once():
    state = staged(
        *(event for name in "ab" for event in trial(name, "all", 0.1, [0.5])),
        *trial("c", "all", 0.2, [0.4]),
        *trial("d", "none", 0.1, [math.nan]),
        *trial("e", "none", 0.2, [0.9], "diverged"),
        top=2,
    )
    assert [(point["noise"], point["lr"]) for point in state.select()] == [("all", 0.1), ("all", 0.2)]


def test_complete_when_every_point_has_every_seed():
    runs = [
        *run_confirm("e", "all", 0.2, 1),
        *run_confirm("f", "none", 0.1, 1, "diverged"),
        *run_confirm("g", "all", 0.2, 2, "failed"),
    ]
    state = confirming(*runs)
    assert (state.searched, state.complete, len(state.rounds[0]), state.n_trials) == (True, False, 4, 8)
    last = run_confirm("h", "none", 0.1, 2)
    assert confirming(*runs, *last).complete
    assert not confirming(*runs, *last[:-1]).complete


def test_the_search_is_over_when_each_arm_has_had_its_trials():
    all_ = [event for name in "abcd" for event in trial(name, "all", 0.1, [0.5])]
    assert not staged(*all_).searched
    none = [event for name in "ef" for event in trial(name, "none", 0.1, [0.5])]
    assert staged(*all_, *none).searched
    assert not staged(*all_, *none[:-1]).searched


def test_the_search_is_over_when_each_arm_has_had_its_epochs():
    budget = {"epochs_per_arm": 3}
    enough = [*trial("a", "all", 0.1, [0.5] * 3), *trial("b", "none", 0.1, [0.5] * 2)]
    # A trial that fails before its first epoch counts as one, or such would be started forever.
    failed = list(trial("c", "none", 0.1, [], "failed"))
    assert not staged(*enough, search=budget).searched
    assert staged(*enough, *failed, search=budget).searched
    assert staged(*enough, *failed, search=budget).n_trials is None
    assert not staged(*enough, *failed[:-1], search=budget).searched
    state = staged(*enough, *failed, search=budget)
    assert state.searched
    select(state)
    assert state.n_trials == 3 + len(state.rounds[0])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 0.5, 3, None])
def test_metrics_come_back_as_they_were_from_strict_json(journal, value):
    journal.append("epoch", trial="0001", epoch=1, metrics={"val_loss": value})
    strict_json(journal.path.read_text())
    ((event, _),) = journal.read()
    assert repr(event["metrics"]["val_loss"]) == repr(value)


def test_bare_nan_of_older_journals_is_read():
    line = b'{"event": "epoch", "metrics": {"train_loss": NaN, "val_loss": -Infinity, "val_accuracy": 0.5}}\n'
    metrics = _event(line)["metrics"]
    assert math.isnan(metrics["train_loss"])
    assert (metrics["val_loss"], metrics["val_accuracy"]) == (-math.inf, 0.5)

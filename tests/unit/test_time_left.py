"""The time left, compared with drivers that take the same time for every epoch."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from sweeps import load_spec
from sweeps.record.state import SweepState
from sweeps.record.time_left import TimeLeft, done
from tests.made_sweeps import comparison, joint

TRIALS, EPOCHS = 5, 4
WORK = TRIALS * EPOCHS  # epochs
SPEC = load_spec(joint(fixed={"epochs": EPOCHS}, budget={"trials": TRIALS}))
HYPERPARAMETERS = SPEC.hyperparameters({"noise": "none", "lr": 0.01}).model_dump()
TAGS = {"host": "here", "data_fingerprint": "made"}

seconds = st.integers(1, 1000)
epochs = st.integers(0, WORK)


class Sweep:
    """A sweep whose drivers train one trial after the other."""

    def __init__(self, spec=SPEC, began=1_790_000_000_000):
        self.state, self.time_left, self.now, self.trained = SweepState(spec), TimeLeft(), began, 0

    @property
    def left(self):
        return self.time_left.left(self.state, self.now)

    def tell(self, event, **fields):
        told = {"event": event, "time": self.now, **fields}
        self.state.apply(told)
        self.time_left.apply(told, self.state)

    def begin(self):
        self.tell("begin", versions="made")

    def start(self, trial):
        about = {"number": trial, "stage": "search", "arm": "none", "seed": 0}
        self.tell("start", trial=str(trial), hyperparameters=HYPERPARAMETERS, **about)

    def train(self, n, each):
        for index in range(self.trained, self.trained + n):
            trial, epoch = index // EPOCHS, index % EPOCHS + 1
            if epoch == 1 or index == self.trained:
                self.start(trial)
            self.now += 1000 * each
            self.tell("epoch", trial=str(trial), epoch=epoch, metrics={"val_accuracy": 0.5}, tags=TAGS)
            if epoch == EPOCHS:
                self.end(trial, "finished")
        self.trained += n

    def end(self, trial, status):
        self.tell("end", trial=str(trial), status=status, reason="")


@given(epochs, seconds, st.integers(0, 10**6))
def test_the_time_left_is_unknown_until_the_current_driver_has_made_progress(earlier, each, waited):
    sweep = Sweep()
    assert sweep.left is None
    sweep.begin()
    assert sweep.left is None
    sweep.train(earlier, each)
    assert (sweep.left is None) == (earlier == 0)
    sweep.begin()
    sweep.now += 1000 * waited
    assert sweep.left is None


@given(epochs, epochs, seconds, seconds, st.integers(0, 10**6))
def test_only_the_current_driver_counts(earlier, now, then_each, each, between):
    earlier, now = min(earlier, WORK - 1), max(1, now)
    now = min(now, WORK - earlier)
    sweep = Sweep()
    sweep.begin()
    sweep.train(earlier, then_each)
    sweep.now += 1000 * between
    sweep.begin()
    sweep.train(now, each)
    assert sweep.left == timedelta(seconds=(WORK - earlier - now) * each)


@given(st.lists(st.tuples(epochs, seconds), min_size=1, max_size=4))
def test_nothing_is_left_at_the_end(drivers):
    sweep = Sweep()
    for n, each in drivers:
        sweep.begin()
        sweep.train(min(n, WORK - 1 - sweep.trained), each)
    sweep.train(WORK - sweep.trained, 1)
    assert sweep.state.complete
    assert done(sweep.state) == TRIALS
    assert sweep.left == timedelta(0)


@given(st.sampled_from(["stopped", "diverged", "failed"]), st.integers(1, EPOCHS - 1))
def test_a_trial_that_ended_early_is_done_and_an_interrupted_one_in_part(status, trained):
    sweep = Sweep()
    sweep.begin()
    sweep.train(trained, 8)
    assert done(sweep.state) == trained / EPOCHS
    sweep.end(0, "interrupted")
    assert done(sweep.state) == trained / EPOCHS
    sweep.end(0, status)
    assert done(sweep.state) == 1
    assert sweep.left == timedelta(seconds=(TRIALS - 1) * 8 * trained)


def test_a_clock_that_is_set_back_gives_no_negative_time():
    sweep = Sweep()
    sweep.begin()
    sweep.train(1, 60)
    sweep.now -= 3_600_000
    assert sweep.left == timedelta(0)


def test_a_budget_in_epochs_says_nothing_until_the_search_is_over():
    stages = {"search": {"epochs_per_arm": 8}, "confirm": {"seeds": 2}}
    compare = {"noise": ["none", "all"]}
    sigma = {"sigma": {"uniform": [0.1, 0.2], "when": {"noise": ["all"]}}}
    sweep = Sweep(load_spec(comparison(stages=stages, compare=compare, search=sigma)))
    sweep.begin()
    sweep.train(2 * EPOCHS, 10)
    assert sweep.left is None
    sweep.tell("select", points=[{"noise": "none"}, {"noise": "all", "sigma": 0.1}])
    assert sweep.left == timedelta(seconds=4 * EPOCHS * 10)  # two points on two seeds

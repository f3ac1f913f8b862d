"""Hyperband and the median rule: their decisions, computed in a second way, and what they cost."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweeps.search.configuration import OBJECTIVE
from sweeps.search.rules import brackets, scheduler_of
from sweeps.search.scheduler import Report, build_scheduler, rungs
from sweeps.spec.load import load_spec
from sweeps.spec.methods import Hyperband, Median
from tests.curves import CurveTraining, content
from tests.simulated import SimulatedDriver

pytestmark = pytest.mark.usefixtures("curves")
optuna.logging.set_verbosity(optuna.logging.WARNING)


def spec_of(scheduler, epochs=27, mode="max", **keys):
    metric = {"max": "val_accuracy", "min": "val_loss"}[mode]
    objective = {"metric": metric, "mode": mode}
    return load_spec(
        {
            "name": "study",
            "trainable": "digits",
            "search": {"lr": [0.1, 0.2]},
            "budget": {"trials": 9},
            "fixed": {"epochs": epochs, "sigma": 0.1},
            "scheduler": scheduler,
            "objective": objective,
            **keys,
        }
    )


def trial(name, noise="none"):
    """What a scheduler needs of a trial of Tune."""
    return SimpleNamespace(trial_id=str(name), config={"trial": str(name), "noise": noise})


# Hyperband.


@pytest.mark.parametrize(
    ("epochs", "grace", "factor", "graces"),
    [
        (81, 1, 3, [1, 3, 9, 27, 81]),
        (20, 2, 3, [2, 6, 20]),
        (10, 1, 3, [1, 3, 10]),
        (16, 1, 4, [1, 4, 16]),
        (6, 2, 3, [2, 6]),
    ],
)
def test_the_brackets_of_hyperband(epochs, grace, factor, graces):
    found = brackets(Hyperband(grace_epochs=grace, reduction_factor=factor), epochs)
    assert [each for each, _ in found] == graces
    assert sum(share for _, share in found) == pytest.approx(1)


def test_the_brackets_of_hyperband_cost_as_many_epochs():
    # One trial in three passes each rung, so that each of its rungs costs a bracket as many epochs.
    found = brackets(Hyperband(grace_epochs=1, reduction_factor=3), 81)
    costs = [share * grace * (len(found) - index) for index, (grace, share) in enumerate(found)]
    assert costs == pytest.approx([costs[0]] * len(found))


@given(st.integers(1, 100), st.sampled_from([(27, 3.0), (16, 2.0), (100, 1.8)]))
@settings(max_examples=25, deadline=None)
def test_brackets_have_their_shares_of_any_number_of_trials(n, epochs_and_factor):
    epochs, factor = epochs_and_factor
    spec = spec_of({"hyperband": {"reduction_factor": factor}}, epochs)
    scheduler = scheduler_of(spec, spec.early_stopping)
    for number in range(n):
        scheduler.on_trial_add(None, trial(number))
    shares = [share for _, share in brackets(spec.early_stopping, epochs)]
    counts = Counter(id(scheduler._asha_of[str(number)]) for number in range(n))
    for asha, share in zip(scheduler._ashas, shares, strict=True):
        assert abs(counts[id(asha)] - share * n) < 2


def test_the_last_bracket_stops_no_trial_and_the_first_is_asha():
    spec = spec_of({"hyperband": {}}, 9)
    scheduler = scheduler_of(spec, spec.early_stopping)
    trials = [trial(number) for number in range(40)]
    for each in trials:
        scheduler.on_trial_add(None, each)
    stopped = {index: Counter() for index in range(3)}
    # Every trial is worse than those before it.
    for number, each in enumerate(trials):
        index = scheduler._ashas.index(scheduler._asha_of[each.trial_id])
        for epoch in range(1, 10):
            result = {"epoch": epoch, OBJECTIVE: 1 / (1 + number)}
            if scheduler.on_trial_result(None, each, result) == "STOP":
                break
        stopped[index][epoch] += 1
    assert set(stopped[0]) == {1, 9}
    assert set(stopped[1]) == {3, 9}
    assert set(stopped[2]) == {9}
    # The first of each bracket has nobody to be behind.
    assert (stopped[0][9], stopped[1][9]) == (1, 1)


# The median rule.


def longhand(scores, order, grace, min_trials, mode):
    """The last epoch of each trial, for reports in an order of trials, by the rule as it is described."""
    sign = 1 if mode == "max" else -1
    told = {number: [] for number in range(len(scores))}
    ended = set()
    for number in order:
        if number in ended or len(told[number]) == len(scores[number]):
            continue
        told[number].append(sign * scores[number][len(told[number])])
        epoch = len(told[number])
        if epoch < grace:
            continue
        means = [
            np.mean(values[grace - 1 : epoch])
            for other, values in told.items()
            if other != number and len(values) >= epoch
        ]
        if len(means) >= min_trials and max(told[number][grace - 1 :]) < np.median(means):
            ended.add(number)
    return [len(values) for values in told.values()]


@given(
    scores=st.lists(st.lists(st.floats(0, 1), min_size=6, max_size=6), min_size=2, max_size=6),
    data=st.data(),
    grace=st.integers(1, 3),
    min_trials=st.integers(1, 3),
    mode=st.sampled_from(["max", "min"]),
)
@settings(max_examples=100, deadline=None)
def test_the_median_rule_is_the_longhand_rule(scores, data, grace, min_trials, mode):
    order = data.draw(st.permutations([number for number in range(len(scores)) for _ in range(6)]))
    spec = spec_of({"median": {"grace_epochs": grace, "min_trials": min_trials}}, 6, mode)
    scheduler, trials = build_scheduler(spec), [trial(number) for number in range(len(scores))]
    for each in trials:
        scheduler.on_trial_add(None, each)
    last, ended = [0] * len(scores), set()
    for number in order:
        if number in ended:
            continue
        last[number] += 1
        result = {"epoch": last[number], OBJECTIVE: scores[number][last[number] - 1]}
        if scheduler.on_trial_result(None, trials[number], result) == "STOP":
            scheduler.on_trial_complete(None, trials[number], result)
            ended.add(number)
    assert last == longhand(scores, order, grace, min_trials, mode)


def test_the_median_rule_takes_scores_of_diverged_trials(recwarn):
    spec = spec_of({"median": {"min_trials": 1}}, 4, mode="min")
    worst = np.finfo(float).max
    history = [Report(name, {"trial": name}, {"epoch": 1, OBJECTIVE: worst}) for name in "abcd"]
    scheduler = build_scheduler(spec, history)
    for name, score in (("good", 0.1), ("bad", worst)):
        result = {"epoch": 1, OBJECTIVE: score}
        assert scheduler.on_trial_result(None, trial(name), result) == "CONTINUE"
    assert not recwarn


# All of them.

RULES = [
    {"asha": {"grace_epochs": 2, "reduction_factor": 2}},
    {"hyperband": {"grace_epochs": 2, "reduction_factor": 2}},
    {"median": {"grace_epochs": 2, "min_trials": 1}},
]


def test_the_epochs_at_which_a_rule_decides():
    assert [sorted(rungs(spec_of(rule, 9))) for rule in RULES] == [[2, 4, 8], [2, 4, 8], list(range(2, 10))]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: next(iter(rule)))
@given(scores=st.lists(st.lists(st.floats(0, 1), min_size=9, max_size=9), min_size=2, max_size=6))
@settings(max_examples=25, deadline=None)
def test_a_rule_decides_at_its_rungs_as_it_would_at_every_epoch(rule, scores):
    spec = spec_of(rule, 9)

    def ends(epochs):
        scheduler, last = build_scheduler(spec), []
        for number, each in enumerate(scores):
            scheduler.on_trial_add(None, trial(number))
            for epoch in epochs:
                result = {"epoch": epoch, OBJECTIVE: each[epoch - 1]}
                if scheduler.on_trial_result(None, trial(number), result) == "STOP":
                    break
            last.append(epoch)
        return last

    assert ends(sorted({*rungs(spec), 9})) == ends(range(1, 10))


@pytest.mark.parametrize(
    ("scheduler", "most"),
    [("asha", 0.6), ("hyperband", 0.75), ("median", 0.8)],
)
@pytest.mark.parametrize("mode", ["max", "min"])
def test_bad_sigmas_are_stopped_and_the_best_trial_never(scheduler, most, mode):
    """A search over formulas, in which the penalty for sigma shows from the first epoch."""
    objective = {"metric": {"max": "val_accuracy", "min": "val_loss"}[mode], "mode": mode}
    search = {"noise": ["all"], "sigma": {"log_uniform": [1e-3, 0.9]}, "lr": {"uniform": [0.05, 0.1]}}
    spec = load_spec(
        content(
            search=search, scheduler=scheduler, sampler="random", objective=objective, budget={"trials": 40}
        )
    )

    def outcome(values, epoch):
        training = CurveTraining(values, seed=0, test=False)
        training.epoch = epoch
        return training.metrics()[objective["metric"]]

    trials = SimulatedDriver(spec, outcome).run().by_number()
    assert len(trials) == 40
    by_quality = sorted(trials, key=lambda each: outcome(spec.hyperparameters(each.hyperparameters), 9))
    by_quality = by_quality if mode == "min" else by_quality[::-1]
    assert by_quality[0].status == "finished"
    stopped = [each for each in trials if each.status == "stopped"]
    # All that were stopped are among the worse ones, and most of the worst were stopped.
    assert min(by_quality.index(each) for each in stopped) > 0
    assert sum(each.status == "stopped" for each in by_quality[-13:]) >= 8
    assert sum(len(each.epochs) for each in trials) < most * 9 * 40


def test_the_nth_trial_of_every_arm_is_in_the_same_bracket():
    stage = {"trials_per_arm": 9, "scheduler": "hyperband"}
    spec = spec_of("none", 9, compare={"noise": ["none", "all"]}, stages={"search": stage}, budget={})
    scheduler = build_scheduler(spec)
    for number in range(18):
        scheduler.on_trial_add(None, trial(f"{number:04d}", ["none", "all"][number % 2]))
    none, every = (
        [each._ashas.index(each._asha_of[name]) for name in sorted(each._asha_of)]
        for each in scheduler._schedulers
    )
    assert none == every
    assert set(none) == {0, 1, 2}


def test_names_stand_for_defaults():
    assert spec_of("hyperband").early_stopping == Hyperband()
    assert spec_of("median").early_stopping == Median()

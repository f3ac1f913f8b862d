"""The search: its space, the order of its suggestions, its learning, and early stopping by ASHA."""

import itertools
import math
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, TrialScheduler
from ray.tune.search import Searcher

from sweeps.record.state import SweepState
from sweeps.search.configuration import OBJECTIVE, TRIAL, worst
from sweeps.search.history import listed_trials
from sweeps.search.optuna import OptunaStudy, starting_points
from sweeps.search.scheduler import Report, build_scheduler, rungs
from sweeps.search.searcher import ArmSearcher, KnownTrial, build_searcher
from sweeps.spec.load import load_spec
from sweeps.spec.model import Spec
from sweeps.spec.space import (
    SearchSpace,
    budget_of,
    grid_points,
    in_order,
    n_trials,
    tuned_by,
    with_points_at,
)

optuna.logging.set_verbosity(optuna.logging.WARNING)
MODES = ["none", "all", "layer", "after_all", "after_layer"]


def spec_of(search, *, mode="max", **keys) -> Spec:
    metric = {"max": "val_accuracy", "min": "val_loss"}[mode]
    base = {"name": "study", "trainable": "digits", "objective": {"metric": metric, "mode": mode}}
    return load_spec({**base, "search": search, **keys})


def sampled(search, **keys) -> Spec:
    return spec_of(search, **{"budget": {"trials": 100}, **keys})


def compared(search=None, *, fixed=None, **stage) -> Spec:
    """A study of every noise mode, by default over sigma and the learning rate."""
    search = {name: MAIN[name] for name in ("sigma", "lr")} if search is None else search
    return spec_of(search, compare="noise", stages={"search": stage}, fixed=fixed or {})


MAIN = {
    "noise": MODES,
    "sigma": {"log_uniform": [1e-4, 0.3], "when": "noisy"},
    "lr": {"log_uniform": [1e-3, 0.1]},
}

# The space.

CHOICES = {
    "noise": MODES,
    "optimizer": ["sgd", "adam"],
    "model": ["wide", "deep"],
    "train_subset": [None, 9, 3],
}
RANGES = {
    "sigma": {"log_uniform": [1e-4, 0.3]},
    "lr": {"uniform": [0.1, 0.2]},
    "epochs": {"int_uniform": [2, 4]},
}


@st.composite
def conditional_searches(draw):
    """Dimensions whose conditions name dimensions before them, then put in any order."""
    search = {}
    for name in draw(st.permutations([*CHOICES, *RANGES])):
        dimension = {"choice": CHOICES[name]} if name in CHOICES else dict(RANGES[name])
        # A spec is refused if sigma applies to the mode none, or not to another mode.
        parents = [parent for parent in search if parent in CHOICES and (name, parent) != ("sigma", "noise")]
        chosen = draw(st.lists(st.sampled_from(parents), max_size=2, unique=True)) if parents else []
        if chosen:
            subsets = {p: st.lists(st.sampled_from(CHOICES[p]), min_size=1, unique=True) for p in chosen}
            dimension["when"] = {parent: draw(subset) for parent, subset in subsets.items()}
        if name == "sigma":
            dimension["when"] = {"noise": MODES[1:], **dimension.get("when", {})}
        search[name] = dimension
    return {name: search[name] for name in draw(st.permutations(list(search)))}


def value(spec, name, params):
    return params.get(name, spec.declaration.Hyperparameters.model_fields[name].default)


@settings(max_examples=60, deadline=None)
@given(conditional_searches(), st.integers(0, 9))
def test_dimensions_that_apply_are_suggested_and_no_others(search, seed):
    spec = sampled(search)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))
    for _ in range(5):
        trial = study.ask()
        assert SearchSpace(spec)(trial) == {"seed": 0}
        active = {
            name
            for name, dimension in search.items()
            if all(
                value(spec, p, trial.params) in allowed for p, allowed in dimension.get("when", {}).items()
            )
        }
        assert set(trial.params) == active
        for name, chosen in trial.params.items():
            (bounds,) = RANGES.get(name, {"": None}).values()
            assert chosen in CHOICES[name] if bounds is None else bounds[0] <= chosen <= bounds[1]
        # The trainable accepts the values and their types.
        spec.hyperparameters(trial.params)


def test_without_noise_there_is_no_sigma():
    searcher = build_searcher(sampled(MAIN))
    configurations = [searcher.suggest(str(number)) for number in range(40)]
    assert {c["noise"] for c in configurations} == set(MODES)
    assert all(("sigma" in c) == (c["noise"] != "none") for c in configurations)


def test_parents_come_first():
    search = sampled({name: MAIN[name] for name in ("sigma", "lr", "noise")}).search
    assert in_order(search) == ["noise", "sigma", "lr"]


# Grids.

GRID = {
    "sigma": {"grid": [0.1, 0.2], "when": {"noise": ["all"]}},
    "noise": {"grid": ["none", "all"]},
    "lr": {"grid": [0.1, 0.2, 0.3]},
}


def test_a_grid_is_full_factorial_where_its_dimensions_apply():
    none = [{"noise": "none", "lr": lr} for lr in (0.1, 0.2, 0.3)]
    every = [{"noise": "all", "sigma": sigma, "lr": lr} for sigma in (0.1, 0.2) for lr in (0.1, 0.2, 0.3)]
    assert grid_points(spec_of(GRID)) == none + every


def test_seeds_repeat_the_points_one_seed_after_another():
    spec = spec_of(GRID, seeds=3, seed=7)
    trials = [without_name(trial) for trial in listed_trials(SweepState(spec))]
    assert SweepState(spec).n_trials == len(trials) == 9 * 3
    assert [trial["seed"] for trial in trials] == [7] * 9 + [8] * 9 + [9] * 9
    # Each seed sees each point once.
    for first in range(0, 27, 9):
        points = [{key: v for key, v in t.items() if key != "seed"} for t in trials[first : first + 9]]
        assert points == grid_points(spec)


def test_nothing_to_search_is_one_trial_a_seed():
    trials = listed_trials(SweepState(spec_of({}, seeds=2)))
    assert [without_name(trial) for trial in trials] == [{"seed": 0}, {"seed": 1}]


# The searcher, driven one trial after another as with `concurrent: 1`.


def score(configuration):
    return 1 - abs(configuration["lr"] - 0.03) - configuration.get("sigma", 0.05)


def finish(searcher, trial_id, final):
    for epoch in (1, 2):
        result = {OBJECTIVE: final / (3 - epoch), "training_iteration": epoch, "epoch": epoch}
        searcher.on_trial_result(trial_id, result)
    searcher.on_trial_complete(trial_id, {OBJECTIVE: final, "training_iteration": 2})


def drive(searcher, numbers, outcome=score):
    """Suggest trials and tell their outcome; None is a failed one."""
    suggested = []
    for number in numbers:
        configuration = searcher.suggest(str(number))
        suggested.append(configuration)
        final = outcome(configuration)
        if final is None:
            searcher.on_trial_complete(str(number), error=True)
        else:
            finish(searcher, str(number), final)
    return suggested


@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_search_learns_from_diverged_trials(mode):
    spec = sampled(
        {"lr": {"uniform": [0.001, 1]}, "momentum": {"uniform": [0.1, 0.9]}}, mode=mode, budget={"trials": 60}
    )

    def diverges(configuration):
        return configuration["lr"] > 0.4

    def bad(told):
        def outcome(configuration):
            # All that converge have the same score, so that only divergence speaks against a large lr.
            return told if diverges(configuration) else 0.5

        return sum(map(diverges, drive(build_searcher(spec), range(60), outcome)[30:]))

    # These count diverging trials among the last 30 of 60; 60% of the range of lr diverges.
    assert bad(told=worst(spec)) <= 10
    assert bad(told=None) >= 15


@pytest.mark.parametrize(
    ("spec", "first"),
    [
        (lambda: sampled(MAIN, budget={"trials": 30}), 15),
        (lambda: compared(trials_per_arm=16), 50),
        (lambda: compared(epochs_per_arm=160), 50),
    ],
    ids=["joint", "trials", "epochs"],
)
def test_a_rebuilt_searcher_suggests_what_the_original_would_have_suggested(spec, first):
    spec = spec()
    searcher = build_searcher(spec)

    def sometimes_fails(configuration):
        return None if configuration["noise"] == "layer" else score(configuration)

    done = drive(searcher, range(first), sometimes_fails)
    pending = searcher.suggest("pending")
    known = [
        known_trial(spec, configuration, sometimes_fails(configuration), ended=configuration is not pending)
        for configuration in (*done, pending)
    ]
    resumed = build_searcher(spec, known)
    for each in (searcher, resumed):
        # The original has this trial running, and the rebuilt searcher resumes it first.
        assert each.suggest("pending") == pending
        finish(each, "pending", score(pending))
    more = range(first, first + 10)
    expected = drive(searcher, more, sometimes_fails)
    assert drive(resumed, more, sometimes_fails) == expected
    # A searcher that starts over, or has not learned, suggests others: the test can fail.
    assert drive(build_searcher(spec), more, sometimes_fails) != expected
    unlearned = build_searcher(spec, [replace(trial, score=0.5, ended=True) for trial in known])
    assert drive(unlearned, more, sometimes_fails) != expected


def known_trial(spec, configuration, final, *, ended):
    point = {name: value for name, value in configuration.items() if name not in {"trial", "seed"}}
    arm = spec.arms.index(point["noise"]) if spec.stages else 0
    return KnownTrial(
        configuration["trial"], arm, point, epochs=2 * (final is not None), ended=ended, score=final
    )


# A study for each arm.


def test_every_arm_gets_as_many_trials_in_turn():
    spec = compared(trials_per_arm=27)
    searcher = build_searcher(spec)
    budgets = dict(zip(MODES, [21, 27, 27, 27, 27], strict=True))
    # All trials are suggested before any ends.
    configurations = [searcher.suggest(str(number)) for number in range(129)]
    assert n_trials(spec) == 129 == sum(budgets.values())
    for end in range(130):
        counts = Counter(configuration["noise"] for configuration in configurations[:end])
        shares = [counts[mode] / budgets[mode] for mode in MODES]
        assert max(shares) - min(shares) <= 1 / 21 + 1e-9
    assert counts == budgets
    assert searcher.suggest("more") == Searcher.FINISHED
    # A second request for the same trial gets the same configuration.
    assert searcher.suggest("128") == configurations[-1]


@pytest.mark.parametrize(("trials", "of_none"), [(1, 1), (3, 3), (6, 5), (12, 9), (20, 15), (27, 21)])
def test_an_arm_without_sigma_has_fewer_trials(trials, of_none):
    spec = compared(trials_per_arm=trials)
    assert [budget_of(spec, tuned) for tuned in spec.tuned] == [of_none, *[trials] * 4]


def test_arms_that_search_as_much_have_the_same_budget():
    spec = compared({"lr": MAIN["lr"]}, fixed={"sigma": 0.1}, trials_per_arm=20)
    assert [budget_of(spec, tuned) for tuned in spec.tuned] == [20] * 5
    # With the seed of the search, all trials of an arm that searches nothing would be the same.
    spec = compared({"sigma": MAIN["sigma"]}, trials_per_arm=20)
    assert [budget_of(spec, tuned) for tuned in spec.tuned] == [1, 20, 20, 20, 20]


class Named:
    """A study that suggests its name."""

    def __init__(self, name):
        self.name = name

    def ask(self, trial, point=None):
        return {"arm": self.name}

    def tell(self, trial, score):
        pass


def spend(searcher, lengths, concurrent):
    """Run trials side by side, an epoch of each at a time, until the searcher has spent its budget.

    A trial of no epochs fails before its first. The result is the number of epochs charged to each arm.
    """
    running, charged = {}, Counter()
    for number in range(10_000):
        suggested = None
        while len(running) < concurrent:
            trial_id = f"{number}-{len(running)}"
            suggested = searcher.suggest(trial_id)
            if suggested in (None, Searcher.FINISHED):
                break
            arm = suggested["arm"]
            running[trial_id] = (arm, lengths[arm].pop(0) if lengths[arm] else 1, 0)
        if suggested == Searcher.FINISHED:
            assert not running
            return charged
        assert running, "waits for nothing"
        for trial_id, (arm, length, epoch) in list(running.items()):
            if epoch + 1 < length:
                searcher.on_trial_result(trial_id, {"epoch": epoch + 1})
                running[trial_id] = (arm, length, epoch + 1)
            else:
                # Tune passes the last epoch of a trial that ASHA stops only with its end.
                last = {"epoch": length, OBJECTIVE: 0.5} if length else None
                searcher.on_trial_complete(trial_id, last, error=length == 0)
                charged[arm] += max(1, length)
                del running[trial_id]
    raise AssertionError("never ends")


@settings(max_examples=60, deadline=None)
@given(
    st.fixed_dictionaries({arm: st.lists(st.integers(0, 9), max_size=40) for arm in "abc"}),
    st.integers(1, 6),
    st.integers(1, 50),
)
def test_a_budget_in_epochs_is_spent_by_every_arm_and_little_more(lengths, concurrent, budget):
    studies = [Named(arm) for arm in lengths]
    searcher = ArmSearcher(studies, [budget] * 3, longest=9)
    charged = spend(searcher, lengths, concurrent)
    assert set(charged) == set(lengths)
    assert all(budget <= spent < budget + 9 for spent in charged.values())


def test_an_arm_of_short_trials_is_not_starved():
    """Side by side, one arm's trials are stopped after an epoch; at any time it is at most a trial behind."""
    spec = compared({"lr": MAIN["lr"]}, fixed={"sigma": 0.1}, epochs_per_arm=40)
    searcher = build_searcher(spec)
    assert n_trials(spec) is None
    charged, number = Counter(), 0
    while (configuration := searcher.suggest(str(number))) != Searcher.FINISHED:
        length = 1 if configuration["noise"] == "layer" else 10
        for epoch in range(1, length + 1):
            result = {OBJECTIVE: 0.5, "training_iteration": epoch, "epoch": epoch}
            searcher.on_trial_result(str(number), result)
        searcher.on_trial_complete(str(number), result)
        charged[configuration["noise"]] += length
        number += 1
        assert max(charged.values()) - min(charged[mode] for mode in MODES) <= 10
    assert charged == dict.fromkeys(MODES, 40)


def without_name(configuration):
    return {name: value for name, value in configuration.items() if name != "trial"}


def of_arm(configurations, arm):
    return [configuration for configuration in configurations if configuration["noise"] == arm]


def test_each_arm_is_searched_as_if_it_were_alone():
    spec = compared(trials_per_arm=16)
    together = drive(build_searcher(spec), range(4 * 16 + 12))
    for arm in MODES:
        start = starting_points(spec, {"noise": arm})
        lone = OptunaStudy(spec, SearchSpace(spec, {"noise": arm}), start, random=len(start))
        alone = []
        for number in range(12 if arm == "none" else 16):
            alone.append(lone.ask(str(number)))
            lone.tell(str(number), score(alone[-1]))
        assert [without_name(configuration) for configuration in of_arm(together, arm)] == alone
    # TPE's choices depend on the scores that it is told, so scores of another arm would show.
    other = drive(build_searcher(spec), range(4 * 16 + 12), lambda configuration: 1 - score(configuration))
    assert of_arm(other, "all")[:4] == of_arm(together, "all")[:4]
    assert of_arm(other, "all")[4] != of_arm(together, "all")[4]


def level(point, name, levels):
    """The level of a value in its range of ``MAIN``."""
    low, high = MAIN[name]["log_uniform"]
    return int(levels * math.log(point[name] / low) / math.log(high / low))


@pytest.mark.parametrize(("trials", "levels"), [(12, 2), (20, 2), (27, 3), (75, 5)])
def test_starting_points_cross_sigma_and_the_learning_rate(trials, levels):
    spec = compared(trials_per_arm=trials)
    start = starting_points(spec, {"noise": "all"})
    assert len(start) == levels**2 <= trials / 3
    crossed = {(level(point, "sigma", levels), level(point, "lr", levels)) for point in start}
    assert len(crossed) == levels**2
    # Every other arm with sigma starts from the same points, and `none` from one at each learning rate.
    assert all(starting_points(spec, {"noise": mode}) == start for mode in MODES[2:])
    of_none = starting_points(spec, {"noise": "none"})
    assert sorted(level(point, "lr", levels) for point in of_none) == list(range(levels))
    assert all(point.keys() == {"lr"} and point["lr"] in [each["lr"] for each in start] for point in of_none)


def test_every_arm_tries_its_starting_points_and_then_learns():
    spec = compared(trials_per_arm=12)
    configurations = drive(build_searcher(spec), range(4 * 12 + 9))
    for tuned in spec.tuned:
        start = starting_points(spec, tuned)
        found = [without_name(configuration) for configuration in of_arm(configurations, tuned["noise"])]
        assert found[: len(start)] == [{**point, **tuned, "seed": 0} for point in start]
        assert len(found) >= 3 * len(start)


def test_starting_points_in_more_dimensions_than_can_be_crossed_are_a_latin_hypercube():
    search = {
        "sigma": MAIN["sigma"],
        "lr": MAIN["lr"],
        "momentum": {"uniform": [0.2, 0.7]},
        "epochs": {"int_uniform": [1, 5]},
        "optimizer": ["sgd", "adam"],
    }
    start = starting_points(compared(search, trials_per_arm=15), {"noise": "all"})
    assert sorted(int(5 * (point["momentum"] - 0.2) / 0.5) for point in start) == list(range(5))
    for name in ("sigma", "lr"):
        assert sorted(level(point, name, 5) for point in start) == list(range(5))
    assert sorted(point["epochs"] for point in start) == list(range(1, 6))
    assert Counter(point["optimizer"] for point in start).keys() == {"sgd", "adam"}
    orders = [[point[name] for point in start] for name in ("momentum", "sigma", "lr")]
    ranks = [[sorted(order).index(each) for each in order] for order in orders]
    # The points do not lie along the diagonal.
    assert len({tuple(rank) for rank in ranks}) == 3


def test_a_budget_of_few_trials_starts_from_few_points():
    for trials, points in ((1, 1), (2, 1), (3, 1), (6, 2), (11, 3)):
        start = starting_points(compared(trials_per_arm=trials), {"noise": "all"})
        assert len(start) == points
    assert sorted(level(point, "lr", 3) for point in start) == [0, 1, 2]
    assert starting_points(compared({}, fixed={"sigma": 0.1}, trials_per_arm=1), {"noise": "all"}) == []


# Strata, points of the confirm stage, and given configurations.


def test_every_arm_is_tuned_in_every_stratum():
    keys = {"compare": {"noise": ["none", "layer"]}, "across": {"model": ["shallow", "deep"]}}
    spec = spec_of({"lr": MAIN["lr"]}, fixed={"sigma": 0.1}, stages={"search": {"trials_per_arm": 4}}, **keys)
    assert n_trials(spec) == 16
    configurations = drive(build_searcher(spec), range(16))
    pairs = Counter((each["noise"], each["model"]) for each in configurations)
    assert pairs == dict.fromkeys(itertools.product(["none", "layer"], ["shallow", "deep"]), 4)
    # Each stratum has a study and an ASHA of its own.
    by_model = [
        [each["lr"] for each in configurations if (each["noise"], each["model"]) == ("layer", model)]
        for model in ("shallow", "deep")
    ]
    assert by_model[0] == by_model[1]
    assert [tuned_by(spec, each) for each in spec.tuned] == [0, 1, 2, 3]


AT = {"seeds": 2, "at": {"sigma": [0.01, 0.1], "sigma_schedule": ["constant", "cosine"]}}


def test_the_confirm_stage_also_trains_at_listed_values():
    spec = spec_of(
        {"sigma": MAIN["sigma"], "lr": MAIN["lr"]},
        compare={"noise": ["none", "layer"]},
        stages={"search": {"trials_per_arm": 3}, "confirm": AT},
    )
    none, layer = {"noise": "none", "lr": 0.1}, {"noise": "layer", "lr": 0.2, "sigma": 0.05}
    second = {"noise": "layer", "lr": 0.3, "sigma": 0.06}
    at = [
        {"noise": "layer", "lr": 0.2, "sigma": sigma, "sigma_schedule": schedule}
        for sigma in (0.01, 0.1)
        for schedule in ("constant", "cosine")
    ]
    # `none` has neither sigma nor a schedule, and only the first configuration of an arm is taken.
    assert with_points_at(spec, [none, layer, second]) == [none, layer, second, *at]
    # A point that the search has chosen is trained once.
    assert with_points_at(spec, [{**layer, "sigma": 0.01}])[1:] == at[1:]


def test_a_grid_can_list_values_for_each_arm():
    spec = load_spec(
        {
            "name": "study",
            "trainable": "digits",
            "mode": "grid",
            "compare": {"noise": ["none", "all", "layer"]},
            "search": {"sigma": {"grid_by_arm": {"all": [0.1, 0.3], "layer": [0.01]}}},
            "objective": {"metric": "val_accuracy", "mode": "max"},
        }
    )
    assert grid_points(spec) == [
        {"noise": "none"},
        {"noise": "all", "sigma": 0.1},
        {"noise": "all", "sigma": 0.3},
        {"noise": "layer", "sigma": 0.01},
    ]


# ASHA.


def side_by_side(scheduler, trials, curve, epochs):
    """Run trials, an epoch of each at a time, with the objective ``curve``; return their last epochs."""
    ran, going = {}, dict(trials)
    for epoch in epochs:
        for key, trial in list(going.items()):
            ran[key] = epoch
            result = {"epoch": epoch, OBJECTIVE: curve(key, epoch)}
            if scheduler.on_trial_result(None, trial, result) == TrialScheduler.STOP:
                scheduler.on_trial_complete(None, trial, result)
                del going[key]
    return ran


def stub(arm, key):
    return Trial("curve", config={"noise": arm, "trial": str(key)}, stub=True)


def added(scheduler, keys, arm_of=lambda key: "none"):
    trials = {key: stub(arm_of(key), key) for key in keys}
    for trial in trials.values():
        scheduler.on_trial_add(None, trial)
    return trials


def stopped_after(spec, qualities, epochs=27):
    """Return the epochs of each trial when all run side by side."""
    scheduler = build_scheduler(spec)

    def curve(quality, epoch):
        accuracy = quality * (1 - 0.9**epoch)
        return accuracy if spec.objective.mode == "max" else 1 - accuracy

    return side_by_side(scheduler, added(scheduler, qualities), curve, range(1, epochs + 1))


@pytest.mark.parametrize("mode", ["max", "min"])
def test_asha_stops_the_bad_and_none_before_its_grace(mode):
    asha = {"grace_epochs": 3, "reduction_factor": 3}
    spec = sampled({"lr": [0.1, 0.2]}, mode=mode, fixed={"epochs": 27}, scheduler={"asha": asha})
    # The qualities are k/27 for k from 1 to 27, in mixed order.
    qualities = [((7 * number) % 27 + 1) / 27 for number in range(27)]
    ran = stopped_after(spec, qualities)
    # Trials end only at the rungs.
    assert set(ran.values()) == {3, 9, 27}
    assert ran[max(qualities)] == 27
    worst_third = sorted(qualities)[:9]
    assert sum(ran[quality] == 3 for quality in worst_third) >= 7
    # ASHA saves more than half of the epochs.
    assert sum(ran.values()) < 0.5 * 27 * 27


def test_no_scheduler():
    assert build_scheduler(sampled({"lr": [0.1, 0.2]})) is None


@pytest.mark.parametrize(
    ("keys", "most"),
    [
        ({}, 10),
        ({"fixed": {"epochs": 5}}, 5),
        ({"search": {"epochs": {"int_uniform": [4, 8]}}}, 8),
        ({"search": {"epochs": {"choice": [6, 4], "when": {"noise": ["all"]}}, **MAIN}}, 10),
    ],
)
def test_asha_lets_the_longest_trial_finish(keys, most):
    search = keys.get("search", {"lr": [0.1, 0.2]})
    spec = sampled(search, fixed=keys.get("fixed", {}), scheduler={"asha": {"grace_epochs": 2}})
    # A single trial is never behind another.
    assert stopped_after(spec, [1.0], epochs=20) == {1.0: most}


# An ASHA for each arm.

ASHA_KEYS = {"grace_epochs": 3, "reduction_factor": 3}
KEYS = [(arm, (7 * number) % 27) for number in range(27) for arm in ("none", "all")]


def arm(key):
    return key[0]


def late_bloomer(key, epoch):
    """``all`` is behind the worst of ``none`` until the last third, and ahead of the best in the end."""
    name, quality = key
    return (1 + quality) / 100 * (1 - 0.9**epoch) + (0 if name == "none" else -1 if epoch < 20 else 1)


def schedulers():
    spec = compared(trials_per_arm=27, scheduler={"asha": ASHA_KEYS}, fixed={"epochs": 27})
    return build_scheduler(spec), ASHAScheduler(
        time_attr="epoch", metric=OBJECTIVE, mode="max", grace_period=3, reduction_factor=3, max_t=27
    )


def test_an_arm_that_learns_slowly_keeps_its_budget():
    apart, shared = schedulers()

    def epochs_of(scheduler):
        ran = side_by_side(scheduler, added(scheduler, KEYS, arm), late_bloomer, range(1, 28))
        return {name: [ran[name, quality] for _, quality in KEYS if _ == name] for name in ("none", "all")}

    fair, unfair = epochs_of(apart), epochs_of(shared)
    assert fair["none"] == fair["all"]
    assert max(fair["all"]) == 27
    # One ASHA for all arms stops the slow one before it blooms.
    assert max(unfair["all"]) < 20
    assert max(unfair["none"]) == 27


def test_each_arm_is_judged_as_if_it_were_alone():
    def curve(key, epoch):
        return key[1] * (1 - 0.9**epoch)

    apart, _ = schedulers()
    together = side_by_side(apart, added(apart, KEYS, arm), curve, range(1, 28))
    for name in ("none", "all"):
        _, lone = schedulers()
        keys = [key for key in KEYS if key[0] == name]
        assert {key: together[key] for key in keys} == side_by_side(
            lone, added(lone, keys), curve, range(1, 28)
        )


def test_a_rebuilt_scheduler_decides_as_the_original_would_have_decided():
    keys = [(name, quality) for name in ("none", "all") for quality in range(26, -1, -1)]
    asha = {"asha": {"grace_epochs": 1, "reduction_factor": 3}}
    spec = compared(fixed={"epochs": 27}, trials_per_arm=1, scheduler=asha)
    scheduler = build_scheduler(spec)
    trials = added(scheduler, keys, arm)
    history, decisions = [], []
    for epoch in (1, 2, 3):
        for key, trial in trials.items():
            result = {"epoch": epoch, OBJECTIVE: float(key[1] + epoch)}
            decisions.append(scheduler.on_trial_result(None, trial, result))
            history.append(Report(trial.config["trial"], trial.config, result))
    told = build_scheduler(spec, history)

    def decided(each):
        late = added(each, [(name, quality, "late") for name, quality in keys], arm)
        result = {"epoch": 1, OBJECTIVE: 5.0}
        return [each.on_trial_result(None, trial, result) for trial in late.values()]

    assert decided(told) == decided(scheduler)
    assert "STOP" in decided(told)
    assert decided(build_scheduler(spec))[0] != "STOP"
    # A repeated epoch gets its first decision although more is known by then; a trial continues after an
    # earlier epoch.
    again = [
        told.on_trial_result(None, trials[key], history[-len(keys) + n].result) for n, key in enumerate(keys)
    ]
    assert again == decisions[-len(keys) :]
    assert {"STOP", "CONTINUE"} == set(again)
    assert told.on_trial_result(None, trials[keys[-1]], {"epoch": 2, OBJECTIVE: 2.0}) == "CONTINUE"


def test_schedulers_take_trials_that_end_or_never_run():
    scheduler, _ = schedulers()
    trials = added(scheduler, KEYS[:4], arm)
    scheduler.on_trial_remove(None, trials[KEYS[0]])
    scheduler.on_trial_error(None, trials[KEYS[1]])
    assert scheduler.set_search_properties(None, None)
    assert side_by_side(scheduler, {KEYS[2]: trials[KEYS[2]]}, late_bloomer, range(1, 3)) == {KEYS[2]: 2}


def test_arms_without_a_scheduler():
    assert build_scheduler(compared(trials_per_arm=1)) is None


@given(
    asha=st.fixed_dictionaries(
        {"grace_epochs": st.integers(1, 5), "reduction_factor": st.sampled_from([1.5, 2.0, 3.0, 4.0])}
    ),
    scores=st.lists(st.lists(st.floats(0, 1), min_size=12, max_size=12), min_size=2, max_size=6),
)
@settings(max_examples=60, deadline=None)
def test_asha_decides_at_its_rungs_as_it_would_at_every_epoch(asha, scores):
    spec = sampled({"lr": [0.1, 0.2]}, fixed={"epochs": 12}, scheduler={"asha": asha})

    def ends(epochs):
        scheduler, last = build_scheduler(spec), []
        for number, each in enumerate(scores):
            trial = SimpleNamespace(trial_id=str(number), config={TRIAL: str(number)})
            scheduler.on_trial_add(None, trial)
            for epoch in epochs:
                result = {"epoch": epoch, OBJECTIVE: each[epoch - 1]}
                if scheduler.on_trial_result(None, trial, result) == "STOP":
                    break
            last.append(epoch)
        return last

    assert ends(sorted({*rungs(spec), 12})) == ends(range(1, 13))

"""What a study is told about its plan, and a report about its search."""

import math

import numpy as np
import pytest

from sweeps.analysis.advice import detectable_note, gradients_note, notes, search_remarks, too_few_seeds_note
from sweeps.analysis.stats import detectable
from sweeps.record.trials import CONFIRM
from sweeps.search.optuna import starting_points
from sweeps.spec.load import load_spec
from sweeps.spec.looks import share_out
from sweeps.spec.starting import design_size, fewest_to_cross, n_starting_points, third
from tests.made_sweeps import MadeSweep, comparison, curve, grid, joint

SIGMA = {"log_uniform": [1e-4, 0.1], "when": "noisy"}
LR = {"log_uniform": [1e-3, 0.1]}


def searched(trials=12, claims=(), search=None, sampler="tpe", **changes):
    stages = {
        "search": {"trials_per_arm": trials, "sampler": sampler},
        "confirm": {"seeds": 8},
    } | changes.pop("stages", {})
    arms = {"noise": ["none", "all", "layer"]}
    dimensions = {"sigma": SIGMA, "lr": LR} if search is None else search
    return comparison(*claims, compare=arms, search=dimensions, stages=stages, **changes)


def fall(**changes):
    return {"name": "falls", "metric": "val_accuracy", "drops": "all", **changes}


def order(**changes):
    return {"name": "sooner", "metric": "val_accuracy", "better": "all", "worse": "none", **changes}


# The plan


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (searched(), []),
        (searched(11), ["11 trials an arm are too few to cross sigma and lr: use at least 12"]),
        (searched(1), ["TPE never chooses: with 1 trial an arm, all are starting points; use at least 12"]),
        (
            searched(1, sampler="gp"),
            ["GP never chooses: with 1 trial an arm, all are starting points; use at least 12"],
        ),
        # A single dimension has nothing to cross.
        (searched(4, search={"sigma": SIGMA}), []),
        # Four dimensions take three levels, in nine points.
        (
            searched(26, search={"sigma": SIGMA, "lr": LR, "momentum": LR, "weight_decay": LR}),
            ["26 trials an arm are too few to cross sigma, lr, momentum and weight_decay: use at least 27"],
        ),
        (searched(27, search={"sigma": SIGMA, "lr": LR, "momentum": LR, "weight_decay": LR}), []),
        # 66 epochs are 11 trials of 6.
        (
            searched(stages={"search": {"epochs_per_arm": 66}}),
            ["11 trials an arm are too few to cross sigma and lr: use at least 12"],
        ),
        (searched(claims=[order(reach=0.8)]), []),
        (
            searched(claims=[order(reach="common"), order(name="b", reach="common"), order(name="c")]),
            [
                "reach: common is a score that the results set; a claim made in advance gives a number "
                "(sooner; b)"
            ],
        ),
        (grid(), []),
        (joint(), []),
    ],
)
def test_notes_say_what_the_plan_cannot_show(content, expected):
    # What the looks can detect has a test of its own.
    assert [note for note in notes(load_spec(content)) if "with power 0.8" not in note] == expected


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ({"weight_decay": [None, 0.0]}, ["training uses the default, 0.0005"]),
        (
            {"weight_decay": [None, 0.0], "optimizer": ["adamw", "sgd"]},
            ["training uses the default of each optimizer, such as 0.0005"],
        ),
        ({"weight_decay": [0.1, 0.0]}, []),
        ({"train_subset": [None, 100]}, []),
    ],
)
def test_notes_say_what_an_empty_value_means(search, expected):
    found = [note for note in notes(load_spec(searched(search={"sigma": SIGMA, **search}))) if "null" in note]
    assert [note.partition(", ")[2] for note in found] == expected


def test_notes_say_what_each_look_can_detect():
    claims = [order(name=name) for name in "abc"]
    content = searched(claims=claims)
    content["stages"]["confirm"] = {"looks": [13, 40]}
    # Shares of the square roots of 13 and 40, of which three claims share each.
    roots = [13**0.5, 40**0.5]
    found = [detectable(n, 0.05 * root / sum(roots) / 3) for n, root in zip((13, 40), roots, strict=True)]
    assert detectable_note(load_spec(content), share_out([13, 40])) in notes(load_spec(content))
    assert detectable_note(load_spec(content), share_out([13, 40])) == (
        f"smallest differences detected with power 0.8, by seeds, for 3 claims: {found[0]:.2g} at 13, "
        f"{found[1]:.2g} at 40 (in standard deviations of the paired differences)"
    )
    # Six seeds decide a claim, five do not.
    assert " at 6 (" in detectable_note(load_spec(comparison(order(), seeds=6)), share_out([6]))
    assert detectable_note(load_spec(comparison(order(), seeds=5)), share_out([5])) == ""
    assert detectable_note(load_spec(comparison(seeds=6)), share_out([6])) == ""


@pytest.mark.parametrize(
    ("seeds", "claims", "note"),
    [
        (5, [fall()], "with 5 seeds no result can decide a claim: use at least 6"),
        # One of six seeds chooses the epoch, and five cannot decide a claim.
        (
            6,
            [fall()],
            "with 6 seeds no result can decide drops, as 1 chooses the best epoch: use at least 7",
        ),
        (7, [fall()], ""),
        (6, [order()], ""),
    ],
)
def test_seeds_that_choose_the_best_epoch_do_not_decide_a_fall(seeds, claims, note):
    assert too_few_seeds_note(load_spec(comparison(*claims, seeds=seeds))) == note


@pytest.mark.parametrize("trials", [1, 3, 11, 12, 26, 27, 48, 75, 200])
@pytest.mark.parametrize("dimensions", [1, 2, 3, 4, 5])
def test_the_starting_points_cross_what_the_notes_say(trials, dimensions):
    names = ["sigma", "lr", "momentum", "weight_decay", "batch_size"][:dimensions]
    ranges = {"sigma": SIGMA, "batch_size": {"int_uniform": [8, 128]}}
    spec = load_spec(searched(trials, search={name: ranges.get(name, LR) for name in names}))
    _, levels = design_size(spec)
    assert bool(levels) == (dimensions > 1 and trials >= fewest_to_cross(dimensions))
    for arm in spec.tuned:
        points = starting_points(spec, arm)
        assert len(points) == n_starting_points(spec, arm) <= third(trials)
    if levels:
        # The pairs of levels of sigma and lr, each in the unit interval.
        units = [
            (math.log10(point["sigma"] / 1e-4) / 3, math.log10(point["lr"] / 1e-3) / 2) for point in points
        ]
        assert len({(int(levels * x), int(levels * y)) for x, y in units}) == levels**2


# The search


def tuned(*, sigma=0.01, lr=0.01, trials=12, seeds=8, lead=0.05, gain=0.001, **changes):
    """Make a comparison whose search chose these values for layer, which leads none by so much."""
    sweep = MadeSweep(searched(stages={"confirm": {"seeds": seeds}}, **changes))
    for index in range(trials):
        for arm in sweep.spec.tuned:
            own = {} if arm["noise"] == "none" else {"sigma": sigma if arm["noise"] == "layer" else 0.01}
            point = {**arm, **own, "lr": lr if arm["noise"] == "layer" else 0.01}
            sweep.trial(point, 0, curve(0.9 + gain * index))
    for point in sweep.select():
        for seed in sweep.spec.replicates:
            noise = 0.01 * np.sin(37 * seed)
            leads = {"none": 0.0, "all": 0.1, "layer": lead}
            score = 0.7 + leads[point["noise"]] + (noise if point["noise"] == "layer" else 0.0)
            sweep.trial(point, seed, curve(score, test_accuracy=score), stage=CONFIRM)
    return sweep.state


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"sigma": 1.3e-4}, ["layer: sigma 0.00013, which the search chose, is at the lower edge"]),
        ({"sigma": 1.5e-4}, []),
        ({"sigma": 0.08}, ["layer: sigma 0.08, which the search chose, is at the upper edge"]),
        ({"lr": 0.09}, ["layer: lr 0.09, which the search chose, is at the upper edge"]),
        # By the value itself, 0.003 would be in the lowest 5% of its range too.
        ({"lr": 0.003}, []),
        (
            {"lr": 0.003, "search": {"sigma": SIGMA, "lr": {"uniform": [1e-3, 0.1]}}},
            ["layer: lr 0.003, which the search chose, is at the lower edge"],
        ),
    ],
)
def test_a_choice_at_an_edge_of_its_range_is_told(changes, expected):
    found = search_remarks(tuned(**changes))
    assert len(found) == len(expected)
    assert all(text.startswith(start) for text, start in zip(found, expected, strict=True))
    assert all("edge of its range, 0.0001 to 0.1" in text for text in found if "sigma" in text)


def test_a_noisy_arm_that_is_like_none_may_have_been_switched_off():
    remark = (
        "layer cannot be told from none at sigma 0.00101, which the search chose: it may have switched the "
        "noise off"
    )
    assert search_remarks(tuned(sigma=0.00101, lead=0.0)) == [remark]
    # Five seeds could not tell any arm from none.
    assert search_remarks(tuned(sigma=0.00101, lead=0.0, seeds=5)) == []


SAMPLERS = [("tpe", "TPE"), ("random", "Random search"), ("cmaes", "CMA-ES"), ("qmc", "QMC"), ("gp", "GP")]


@pytest.mark.parametrize(("sampler", "name"), SAMPLERS)
def test_a_search_without_its_sampler_is_told(sampler, name):
    assert search_remarks(tuned(trials=4, sampler=sampler)) == [
        f"{name} never chose in these arms, as all of their trials are starting points: all, layer"
    ]
    assert search_remarks(tuned(trials=5, sampler=sampler)) == []


@pytest.mark.parametrize(("sampler", "name"), SAMPLERS)
def test_a_choice_that_the_sampler_did_not_better_is_told(sampler, name):
    assert search_remarks(tuned(gain=-0.001, sampler=sampler)) == [
        f"{name} found nothing better than a starting point in these arms: none, all, layer"
    ]


def test_before_the_search_is_complete_nothing_is_said_of_it():
    assert search_remarks(MadeSweep(searched()).state) == []
    assert search_remarks(MadeSweep(grid()).state) == []


def test_an_arm_is_named_with_its_stratum():
    across = {"across": {"model": ["shallow", "deep"]}}
    edge, switched_off = search_remarks(tuned(sigma=1.01e-4, lead=0.0, **across))
    both = "layer (model shallow), layer (model deep)"
    assert edge.startswith(f"{both}: sigma 0.000101, which the search chose")
    assert switched_off.startswith(f"{both} cannot be told from none")


# Modes that take two gradients a step


@pytest.mark.parametrize(
    ("modes", "budget", "expected"),
    [
        (["none", "all"], {}, ""),
        (["sam"], {}, ""),
        (
            ["none", "sam"],
            {},
            "sam takes 2 gradients a step and has as many gradients an epoch as the other modes, so half as "
            "many steps: a difference may come from that (budget: {equal: steps} gives all steps)",
        ),
        (
            ["none", "sam", "two_point"],
            {"equal": "steps"},
            "sam and two_point take 2 gradients a step and have as many steps an epoch as the other modes, "
            "so twice as many gradients",
        ),
    ],
)
def test_it_is_told_what_modes_with_two_gradients_get(modes, budget, expected):
    spec = load_spec(
        {
            "name": "study",
            "trainable": "digits",
            "mode": "grid",
            "search": {"noise": {"grid": modes}},
            "fixed": {"sigma": 0.1},
            "objective": {"metric": "val_accuracy", "mode": "max"},
            "budget": budget,
        }
    )
    assert gradients_note(spec) == expected
    assert [note for note in notes(spec) if note == expected] == ([expected] if expected else [])

"""Hyperparameters that may be empty: an empty value that is searched, compared or in a grid stays empty."""

import json
from types import NoneType
from typing import get_args

import optuna
import pytest
from pydantic import model_validator

from sweeps.analysis.arms import all_points_of, arms_of
from sweeps.record.rows import trial_rows
from sweeps.record.state import SweepState
from sweeps.record.trials import SEARCH
from sweeps.report.page import write_report
from sweeps.search.history import known_trials, listed_trials, not_ended
from sweeps.spec.load import load_spec
from sweeps.spec.model import declaration_of
from sweeps.spec.sections import Dimension, is_among
from sweeps.spec.space import grid_points
from tests.made_sweeps import MadeSweep, curve
from tests.simulated import SimulatedDriver
from trainables import registry
from trainables.declarations.base import Declaration
from trainables.declarations.hyperparameters import Hyperparameters

optuna.logging.set_verbosity(optuna.logging.WARNING)
VALUES = {float: [None, 0.0, 0.001], int: [None, 2, 3], str: [None, "a.csv", "b.csv"]}
WHEN_EMPTY = {"grid": [0.0, 0.9], "when": {"weight_decay": [None]}}
BUILT_IN = sorted(registry.BUILT_IN)


def optional(trainable):
    """The hyperparameters of a trainable that may be empty, each with values."""
    fields = declaration_of(trainable).Hyperparameters.model_fields.items()
    kinds = {name: get_args(field.annotation) for name, field in fields}
    return {name: VALUES[own[0]] for name, own in kinds.items() if NoneType in own}


def study(trainable, **changes):
    return load_spec(
        {
            "name": "empty",
            "trainable": trainable,
            "fixed": {"epochs": 4},
            "objective": {"metric": "val_loss", "mode": "min"},
            **changes,
        }
    )


def staged(trainable, **changes):
    return study(trainable, stages={"search": {"trials_per_arm": 6}, "confirm": {"seeds": 3}}, **changes)


def searched(trainable, name, values):
    search = {"lr": {"log_uniform": [0.001, 0.1]}, name: values}
    return staged(trainable, compare={"optimizer": ["sgd", "adam"]}, search=search)


def compared(trainable, name, values):
    return staged(trainable, compare={name: values}, search={"lr": {"log_uniform": [0.001, 0.1]}})


def across(trainable, name, values):
    return searched(trainable, "momentum", [0.0, 0.9]).model_copy(update={"across": {name: values}})


def grid(trainable, name, values):
    return study(
        trainable, mode="grid", compare={"optimizer": ["sgd", "adam"]}, search={name: values}, seeds=3
    )


def compared_grid(trainable, name, values):
    return study(trainable, mode="grid", compare={name: values}, search={"lr": [0.01, 0.1]}, seeds=3)


def at(trainable, name, values):
    spec = searched(trainable, "momentum", [0.0, 0.9])
    confirm = spec.confirm.model_copy(update={"at": {name: values}})
    return spec.model_copy(update={"stages": spec.stages.model_copy(update={"confirm": confirm})})


def given(trainable, name, values):
    confirm = {"seeds": 3, "configurations": {"sgd": {name: None}, "adam": {name: values[1]}}}
    return study(trainable, compare={"optimizer": ["sgd", "adam"]}, stages={"confirm": confirm})


def loss(values, epoch):
    """The default of the optimizer is best, so that an empty weight_decay is confirmed."""
    best = values.default_weight_decay[values.optimizer]
    return 1 / epoch + values.lr + values.momentum + 1000 * abs(values.weight_decay - best)


def run(spec):
    """Search with a driver that is replaced once, then train what is confirmed or in the grid."""
    sweep = MadeSweep(spec)
    if spec.search_stage:
        driver = SimulatedDriver(spec, loss)
        for _ in range(5):
            driver.step()
        driver = SimulatedDriver(spec, loss, driver.events)
        driver.run()
        sweep.add(*driver.events)
    if spec.confirms:
        sweep.select()
    state = sweep.state
    for listed in not_ended(state, listed_trials(state)):
        name, seed = listed.pop("trial"), listed.pop("seed")
        metrics = curve(0.5, 4, test_loss=0.5 + seed / 100, test_accuracy=0.5)
        sweep.trial(listed, seed, metrics, stage=state.looked_stage, name=name)
    return sweep


FORMS = [searched, compared, grid]
CASES = [(form, trainable, name) for form in FORMS for trainable in BUILT_IN for name in optional(trainable)]
CASES += [(form, "digits", "weight_decay") for form in (across, compared_grid, at, given)]


@pytest.mark.parametrize(("form", "trainable", "name"), CASES)
def test_an_empty_value_stays_empty_through_every_stage_and_a_resume(form, trainable, name):
    values = optional(trainable)[name]
    sweep = run(form(trainable, name, values))
    spec, state = sweep.spec, sweep.state
    assert state.complete
    seen = [trial.hyperparameters[name] for trial in state.by_number()]
    # Without a value from `at`, a trial has the default.
    unlisted = getattr(spec.hyperparameters({}), name)
    assert None in seen
    assert all(is_among(value, [*values, *([unlisted] if form is at else [])]) for value in seen)
    # A driver that starts now trains nothing again, and finds every trial in the tables.
    assert not not_ended(state, listed_trials(state))
    assert len(known_trials(state)) == len(state.of_stage(SEARCH))
    places = all_points_of(spec)
    shown = {trial.id for place in places for arm in arms_of(state, place) for trial in arm.trials}
    assert shown == {trial.id for trial in state.of_stage(state.looked_stage)}
    # What is used is written beside what is listed.
    for trial, row in zip(state.by_number(), trial_rows(state), strict=True):
        used = spec.hyperparameters({key: trial.hyperparameters[key] for key in spec.varied})
        assert trial.logged[name] == row.get(f"{name}_used", row[name]) == getattr(used, name)
        assert trial.logged.get(f"{name}_listed", trial.logged[name]) == row[name]


@pytest.mark.parametrize("form", FORMS)
def test_empty_values_are_in_the_report(form, tmp_path):
    sweep = run(form("digits", "weight_decay", [None, 0.0, 0.001]))
    text = write_report(sweep.write(tmp_path)).with_suffix(".md").read_text()
    row = {searched: "| sgd | lr=", compared: "| None | lr=", grid: "| sgd | weight_decay=None |"}[form]
    assert row in text
    assert ("weight_decay=None" in text) == (form is not compared)


@pytest.mark.parametrize("form", FORMS)
def test_what_an_earlier_version_recorded_for_an_empty_value_is_undone(form):
    spec = form("digits", "weight_decay", [None, 0.1, 0.001])
    events = json.loads(json.dumps(run(spec).events))
    earlier = [_as_recorded_earlier(spec, event) for event in events]
    assert earlier != events
    now, then = SweepState(spec, events), SweepState(spec, earlier)
    assert then.trials == now.trials
    assert then.selected == now.selected
    assert not not_ended(then, listed_trials(then))
    assert then.complete


def _as_recorded_earlier(spec, event):
    """What is used was in place of the empty value, in the arm and in what is confirmed too."""
    if event["event"] == "start":
        values = event["hyperparameters"] | event["used"]
        without = {name: value for name, value in event.items() if name != "used"}
        return without | {"hyperparameters": values, "arm": str(values[spec.compared])}
    if event["event"] == "select":
        return event | {"points": [{**point, **spec.used(point)} for point in event["points"]]}
    return event


def test_a_condition_on_an_empty_value_holds():
    spec = study("digits", search={"weight_decay": {"grid": [None, 0.1]}, "momentum": WHEN_EMPTY})
    assert grid_points(spec) == [
        {"weight_decay": None, "momentum": 0.0},
        {"weight_decay": None, "momentum": 0.9},
        {"weight_decay": 0.1},
    ]


def test_a_value_that_its_trainable_replaces_is_kept_too():
    class Doubling(Hyperparameters):
        width: int = 1

        @model_validator(mode="before")
        @classmethod
        def _even(cls, values):
            return {**values, "width": values["width"] * 2} if "width" in values else values

    class Declared(Declaration):
        name, Hyperparameters, scores = "doubling", Doubling, {"accuracy": "max"}

    spec = study("digits", mode="grid", search={"lr": [0.1]}).model_copy(
        update={"search": {"width": Dimension(grid=[1, 3])}}
    )
    spec.__dict__["declaration"] = Declared
    assert (spec.values({"width": 3})["width"], spec.used({"width": 3})) == (3, {"width": 6})

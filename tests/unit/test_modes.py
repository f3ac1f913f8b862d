"""The registry of noise modes, and what is derived from it."""

from io import StringIO
from itertools import product

import pytest
import yaml
from pydantic import ValidationError
from rich.console import Console

from sweeps.analysis.descriptions import progress_line
from sweeps.errors import SpecError
from sweeps.record.state import SweepState
from sweeps.report.png import _SYMBOLS
from sweeps.report.styles import Style, styles
from sweeps.spec.catalogue import print_catalogue
from sweeps.spec.load import load_spec
from sweeps.spec.model import Spec
from tests.cases import CASES
from trainables import NOISE_MODES, Hyperparameters, register
from trainables import registry as trainables
from trainables.noise import registry
from trainables.noise.modes.base import DASHES, SYMBOLS, NoiseMode
from trainables.plugins import PluginError
from trainables.testing import numbers, same_weights

GROUP = "noisesweep.noise_modes"


def test_the_modes_of_the_study_come_first():
    assert registry.STUDY_MODES == ("none", "all", "layer", "after_all", "after_layer")
    assert tuple(registry.names())[:5] == registry.STUDY_MODES
    assert tuple(registry.names()) == NOISE_MODES


@pytest.mark.parametrize("name", registry.BUILT_IN)
def test_a_mode_says_what_it_is(name):
    mode = registry.get(name)
    assert mode.name == name
    assert "Source: " in (mode.__doc__ or "") or name == "none"
    assert mode.symbol in _SYMBOLS
    # These are in the table of the site, which is generated.
    assert mode.noise
    assert mode.formula
    assert mode.source


def test_figures_know_the_symbols_and_dashes():
    assert set(SYMBOLS) == set(_SYMBOLS)
    for symbol, dash in product(SYMBOLS, DASHES):
        assert Style("#009E73", symbol, dash).scale > 0


def test_modes_can_be_told_apart():
    found = styles(list(registry.BUILT_IN))
    assert len({style.color for style in found.values()}) == len(found)
    assert len({(style.symbol, style.dash) for style in found.values()}) == len(found)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match=r"noise mode must be one of none, all, .*, got 'everywhere'"):
        registry.get("everywhere")


MINE = """
from trainables.noise.modes.all import All

class Mine(All):
    name = "mine"
"""


@pytest.fixture
def install(install_package):
    def install(package, code=MINE, name="mine"):
        install_package(package, code, name, group=GROUP)
        clear()

    yield install
    clear()


def clear():
    registry.installed_names.cache_clear()
    registry._provided.cache_clear()


def test_a_mode_of_an_installed_package_is_found(install):
    install("package-of-mine")
    assert registry.names()[-1] == "mine"
    assert registry.get("mine").__module__ == "package_of_mine"
    assert issubclass(registry.get("mine"), NoiseMode)


@pytest.mark.parametrize(
    ("code", "name", "message"),
    [
        (
            "1 / 0",
            "mine",
            r"package package-wrong: noise mode \'mine\' .* cannot be imported \(ZeroDivisionError",
        ),
        ("class Mine: name = 'mine'", "mine", "must be a subclass of NoiseMode with name = 'mine'"),
        (MINE.replace("mine", "sam"), "sam", "noise mode 'sam' is defined by several packages"),
        (
            f"{MINE}    color = 'green'",
            "mine",
            "noise mode 'mine' .* color must be such as #009E73, got 'green'",
        ),
        (f"{MINE}    symbol = 'heart'", "mine", "symbol must be one of circle, .*, got 'heart'"),
        (f"{MINE}    dash = 'wavy'", "mine", "dash must be one of solid, .*, got 'wavy'"),
        (MINE.replace("All", "NoiseMode").replace("modes.all", "modes.base"), "mine", "must define step"),
    ],
)
def test_a_package_whose_mode_cannot_be_used_is_named(install, code, name, message):
    install("package-wrong", code, name)
    with pytest.raises(PluginError, match=message):
        registry.get(name)


@pytest.mark.parametrize(
    ("study", "place"),
    [
        ({"compare": {"noise": ["none", "sam"]}, "fixed": {"sigma": 0.1}, "mode": "grid"}, "compare"),
        ({"search": {"noise": {"grid": ["none", "sam"]}}, "fixed": {"sigma": 0.1}}, "search.noise"),
        ({"search": {"lr": {"grid": [0.1]}}, "fixed": {"noise": "sam", "sigma": 0.1}}, "fixed.noise"),
    ],
)
def test_a_study_that_uses_such_a_mode_is_refused_in_a_line(install, study, place):
    install("package-sam", MINE.replace("mine", "sam"), "sam")
    content = {"name": "study", "trainable": "digits", "objective": {"metric": "val_loss", "mode": "min"}}
    with pytest.raises(SpecError, match=f"{place}: noise mode 'sam' is defined by several packages"):
        load_spec(content | study)


# Modes that a script registers


class Uphill(NoiseMode):
    name = "uphill"
    formula = "w - eta grad L(w + n)"
    gradients = 2
    color, symbol, dash = "#123456", "star", "dot"

    def step(self, step):
        step.backward()
        step.take_gradients()
        with step.at(step.noise()):
            step.backward()


@pytest.fixture
def uphill(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    return register(Uphill)


STUDY = {
    "name": "study",
    "trainable": "digits",
    "compare": {"noise": ["none", "all", "uphill"]},
    "mode": "grid",
    "search": {"sigma": {"grid": [0.1], "when": "noisy"}},
    "objective": {"metric": "val_loss", "mode": "min"},
}


def test_a_registered_mode_is_one_of_the_modes_in_this_process(uphill):
    assert registry.names()[-1] == "uphill"
    assert registry.get("uphill") is uphill
    assert trainables.registered("digits", ["all", "uphill"]) == [uphill]
    assert Hyperparameters(noise="uphill").noise == "uphill"
    assert styles(["uphill"])["uphill"] == Style("#123456", "star", "dot")
    assert "uphill" in Hyperparameters.model_json_schema()["properties"]["noise"]["enum"]
    spec = load_spec(STUDY)
    assert "when: noisy" in spec.resolved
    assert "uphill" in spec.search["sigma"].when["noise"]
    console = Console(file=StringIO(), width=200)
    print_catalogue(console)
    assert "w - eta grad L(w + n)" in console.file.getvalue()
    with pytest.raises(SpecError, match="'uphil' is not known; did you mean 'uphill'"):
        load_spec({**STUDY, "compare": {"noise": ["none", "uphil"]}})


def test_a_registered_mode_trains(uphill):
    training = CASES["digits"](None).noisy("uphill", equal="steps")
    same = CASES["digits"](None).noisy("all", equal="steps")
    assert numbers(training) == numbers(same)


def test_a_mode_that_is_not_registered_is_named(uphill, monkeypatch):
    resolved = load_spec(STUDY).resolved
    monkeypatch.setattr(registry, "_registered", {})
    spec = Spec.model_validate(yaml.safe_load(resolved))
    assert spec.missing == "the noise mode uphill is not registered here"
    state = SweepState(spec)
    assert progress_line(state, running=True) == "running, 0 trials ended: none yet"
    assert progress_line(state, running=False) == "not running, 0 trials ended: none yet"
    for recorded, told in (("finished", "complete"), ("failed", "failed"), ("interrupted", "interrupted")):
        state.apply({"event": "finish", "status": recorded})
        assert progress_line(state, running=False).startswith(f"{told}, ")
    state.apply({"event": "begin", "versions": ""})
    assert progress_line(state, running=True).startswith("running, ")
    with pytest.raises(SpecError, match="'uphill' is not known"):
        load_spec(STUDY)
    with pytest.raises(ValidationError, match="must be the name of a noise mode"):
        Hyperparameters(noise="uphill")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ({"name": ""}, 'Wrong: a noise mode must have a name, such as name = "uphill"'),
        ({"name": "sam"}, "Wrong: the noise mode 'sam' is built in; give yours another name"),
        ({"name": "wrong", "dash": "wavy"}, "noise mode 'wrong': dash must be one of solid, "),
        ({"name": "wrong", "step": NoiseMode.step}, "noise mode 'wrong': must define step"),
    ],
)
def test_a_mode_that_cannot_be_used_is_not_registered(attributes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        register(type("Wrong", (NoiseMode,), {"step": Uphill.step, **attributes}))
    assert "wrong" not in registry.names()


# Equal gradients


@pytest.mark.parametrize(
    ("examples", "epochs", "steps"),
    # Nine batches in three epochs have five steps; an epoch of a single batch is a step.
    [(96, 3, 5), (32, 3, 3)],
)
def test_steps_alternate_over_the_epochs(examples, epochs, steps):
    case = CASES["digits"](None, train_subset=examples, epochs=epochs)
    training = case.noisy("sam")
    seen = [training._noise.steps for _ in training]
    assert seen[-1] == steps
    assert training.lr == pytest.approx(0.0, abs=1e-12)
    resumed, interrupted = case.noisy("sam"), case.noisy("sam")
    next(iter(interrupted))
    resumed.load_state_dict(interrupted.state_dict())
    list(resumed)
    assert same_weights(resumed, training)

"""The registry of noise modes, and what is derived from it."""

from itertools import product

import pytest

from sweeps.errors import SpecError
from sweeps.report.png import _SYMBOLS
from sweeps.report.styles import Style, styles
from sweeps.spec.load import load_spec
from tests.cases import CASES
from trainables import NOISE_MODES
from trainables.noise import registry
from trainables.noise.modes.base import DASHES, SYMBOLS, NoiseMode
from trainables.plugins import PluginError
from trainables.testing import same_weights

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
        registry.get.cache_clear()

    yield install
    registry.get.cache_clear()


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

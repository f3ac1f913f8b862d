"""The registry of noise modes, and what is derived from it."""

from pathlib import Path

import pytest

from sweeps.report.png import _SYMBOLS
from sweeps.report.styles import styles
from trainables import NOISE_MODES
from trainables.noise import registry
from trainables.noise.modes.base import NoiseMode
from trainables.plugins import PluginError

README = Path(__file__).parents[2] / "README.md"
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
    (row,) = [
        line for line in README.read_text().splitlines() if line.startswith(f"| `{name}` | {mode.noise}")
    ]
    assert row == f"| `{name}` | {mode.noise} | {mode.formula} | {mode.gradients} | {mode.source} |"


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
    ],
)
def test_a_package_whose_mode_cannot_be_used_is_named(install, code, name, message):
    install("package-wrong", code, name)
    with pytest.raises(PluginError, match=message):
        registry.get(name)

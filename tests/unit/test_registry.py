"""The registry: built-in names, classes registered in the process, and entry points of installed packages."""

import pytest

from sweeps.errors import SpecError, SweepError
from sweeps.spec.load import load_spec
from sweeps.spec.schema import json_schema
from trainables import Trainable, get, names, register, registry
from trainables.digits import Digits
from trainables.plugins import PluginError
from trainables.registry import BUILT_IN, _registered

MINE = """
from trainables.digits import Digits

class Mine(Digits):
    name = "mine"
"""


@pytest.fixture
def install(install_package):
    def install(package, code=MINE, name="mine"):
        install_package(package, code, name, group="noisesweep.trainables")

    return install


def error_of(name):
    with pytest.raises(PluginError) as caught:
        get(name)
    return str(caught.value)


def test_built_in_names_are_those_of_their_classes():
    assert set(BUILT_IN) <= set(names())
    assert [get(name).name for name in BUILT_IN] == list(BUILT_IN)
    with pytest.raises(KeyError, match="fashion"):
        get("fashion")


def test_a_registered_trainable_is_found(monkeypatch):
    class Mine(Digits):
        name = "mine"

    monkeypatch.setitem(_registered, "mine", None)
    assert register(Mine) is get("mine") is Mine
    assert "mine" in names()


@pytest.mark.parametrize("added", [3, int, Digits()], ids=["number", "type", "instance"])
def test_only_classes_of_trainables_and_modes_can_be_registered(added):
    with pytest.raises(TypeError, match="register takes a subclass of Trainable or NoiseMode, got "):
        register(added)


def test_a_trainable_needs_a_name_of_its_own(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    with pytest.raises(
        ValueError, match="Again: the trainable 'digits' is built in; give yours another name"
    ):
        register(type("Again", (Digits,), {}))
    with pytest.raises(ValueError, match="Nameless: a trainable must have a name, such as"):
        register(type("Nameless", (Trainable,), {}))
    # A notebook executes its cells again.
    for _ in range(2):
        again = register(type("Again", (Digits,), {"name": "mine"}))
    assert get("mine") is again


def test_a_trainable_of_an_installed_package_is_found(install):
    assert "mine" not in names()
    install("package-of-mine")
    assert "mine" in names()
    assert get("mine").__module__ == "package_of_mine"
    spec = {
        "name": "study",
        "trainable": "mine",
        "mode": "grid",
        "search": {"lr": {"grid": [0.1]}},
        "objective": {"metric": "val_accuracy", "mode": "max"},
    }
    assert load_spec(spec).declaration is get("mine")


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("import not_there", "ModuleNotFoundError: No module named 'not_there'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(2)", "SystemExit: 2"),
        ("", "AttributeError: module 'package_broken' has no attribute 'Mine'"),
    ],
)
def test_a_package_that_cannot_be_imported_is_named(install, code, reason):
    install("package-broken", code)
    message = (
        f"package package-broken: trainable 'mine' (package_broken:Mine) cannot be imported ({reason}); "
        "fix or uninstall the package"
    )
    assert error_of("mine") == message


@pytest.mark.parametrize(
    "code",
    [
        "Mine = 3",
        "class Mine: name = 'mine'",
        MINE.replace("mine", "yours"),
        "from trainables import Trainable as Mine",
    ],
)
def test_an_entry_point_that_is_no_trainable_of_its_name_is_refused(install, code):
    install("package-wrong", code)
    place = "package package-wrong: trainable 'mine' (package_wrong:Mine)"
    assert error_of("mine") == f"{place} must be a subclass of Trainable with name = 'mine'"


def test_a_package_that_takes_a_built_in_name_is_named(install):
    install("package-digits", MINE.replace("mine", "digits"), name="digits")
    assert error_of("digits") == (
        "trainable 'digits' is defined by several packages (package-digits, noisesweep); "
        "rename it in package-digits, or uninstall that package"
    )
    assert get("mnist").name == "mnist"


def test_two_packages_with_one_name_are_named(install):
    for package in ("package-two", "package-one"):
        install(package)
    assert error_of("mine").startswith(
        "trainable 'mine' is defined by several packages (package-one, package-two); rename it in package-one"
    )


def test_a_sweep_or_schema_with_a_broken_package_says_so_in_a_line(install):
    install("broken", "import missing_module")
    reason = "package broken: trainable 'mine' .* cannot be imported"
    spec = {"name": "study", "trainable": "mine", "objective": {"metric": "val_loss", "mode": "min"}}
    with pytest.raises(SpecError, match=f"trainable: {reason}"):
        load_spec(spec)
    with pytest.raises(SweepError, match=reason):
        json_schema()

"""Modules of the user that register trainables and noise modes, as ``--import`` gives them."""

import re
import sys

import pytest

from sweeps.record.storage import command
from trainables import imports, registry
from trainables.imports import import_user_module, imported
from trainables.noise import registry as modes
from trainables.plugins import PluginError

MODULE = """
import trainables

class Mine(trainables.NoiseMode):
    name = "{name}"
    def step(self, step):
        step.backward()

trainables.register(Mine)
"""


EXITS = 'cannot be imported: it calls sys.exit; put that below `if __name__ == "__main__":`'


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of the user's, in a process that has imported nothing of it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "modules", {**sys.modules})
    monkeypatch.setattr(imports, "_imported", [])
    before = dict(modes._registered)
    yield tmp_path
    modes._registered.clear()
    modes._registered.update(before)


@pytest.mark.parametrize("given", ["imported_mode", "imported_mode.py", "./imported_mode.py"])
def test_a_module_of_the_current_folder_is_imported(folder, given):
    (folder / "imported_mode.py").write_text(MODULE.format(name="by-import"))
    import_user_module(given)
    assert "by-import" in modes.names()
    assert imported() == (given,)
    import_user_module(given)
    assert imported() == (given,)
    words = command("resume", "mine", storage=folder / "runs").split()
    assert words[1:] == ["resume", "mine", f"--import={given}"]
    assert "--import" not in command("ui", "mine", storage=folder / "runs")


@pytest.mark.parametrize("given", ["lib/imported_mode.py", "{}/lib/imported_mode.py"])
def test_a_file_of_another_folder_finds_its_neighbours(folder, given):
    (folder / "lib").mkdir()
    (folder / "lib/neighbour.py").write_text(MODULE.format(name="of-a-neighbour"))
    (folder / "lib/imported_mode.py").write_text("import neighbour\n")
    import_user_module(given.format(folder))
    assert "of-a-neighbour" in modes.names()


@pytest.mark.parametrize(
    ("given", "text", "message"),
    [
        ("nowhere", None, "nowhere: cannot be imported: ModuleNotFoundError: No module named 'nowhere'"),
        ("nowhere.py", None, "nowhere.py: no such file"),
        ("broken", "import nothing_like_it", "broken: cannot be imported: ModuleNotFoundError: No module"),
        ("broken.py", "x = (", "broken.py: cannot be imported: SyntaxError: '(' was never closed"),
        ("failing", "1 / 0", "failing: cannot be imported: ZeroDivisionError: division by zero"),
        ("leaving", "import sys\nsys.exit(0)", f"leaving: {EXITS}"),
        ("leaving.py", "raise SystemExit", f"leaving.py: {EXITS}"),
        ("json.py", "", "json.py: another module is called json; rename the file"),
        ("taken", MODULE.format(name="layer"), "taken: cannot be imported: ValueError: Mine: the noise mode"),
    ],
)
def test_what_cannot_be_imported_is_one_line(folder, given, text, message):
    if text is not None:
        (folder / f"{given.removesuffix('.py')}.py").write_text(text)
    with pytest.raises(PluginError, match=re.escape(message)) as caught:
        import_user_module(given)
    assert "\n" not in str(caught.value)
    assert imported() == ()
    assert "nowhere" not in registry.names()

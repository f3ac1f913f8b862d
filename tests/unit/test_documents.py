"""What pages say about the code, and how tests read pages."""

import ast
import importlib
import re
import tomllib
from functools import cache
from types import SimpleNamespace

import pytest
import yaml

from sweeps import load_spec
from sweeps.analysis.advice import check_first_look
from sweeps.spec.model import Spec
from tests.documents import ROOT, Block, blocks, check_part, check_shown, commands, recipe
from trainables import registry

PAGE = """
```yaml title="a.yaml"
name: a
```

- a list

  ```console
  $ noisesweep run a.yaml \\
      --new                  # a comment
  3 trials
  ...
  best: 0.5
  $ ls
  ```

```python
# own.py
x = 1
```

```bash
not run
```
"""


def test_the_blocks_of_a_page_are_read_in_order(tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE)
    study, console, own = blocks(page)
    assert study == Block("yaml", "a.yaml", "name: a\n")
    assert (own.language, own.file) == ("python", "own.py")
    assert list(commands(console.text)) == [
        ("noisesweep run a.yaml \\\n    --new                  # a comment", "3 trials\n...\nbest: 0.5\n"),
        ("ls", ""),
    ]


@pytest.mark.parametrize(
    ("shown", "printed"),
    [
        ("3 of 3 trials in 0:01:10", "12 of 12 trials in 0:00:09"),
        ("p = 0.00781 <= 0.05", "p = 1e-05 <= 0.05"),
        ("Report: .../report.html", "Report: /tmp/x/report.html"),
        ("first\n...\nlast", "first\na\nb\nlast"),
        ("...\nlast", "last"),
        ("a   b", "  a b"),
    ],
)
def test_numbers_and_dots_stand_for_others(shown, printed):
    check_shown(shown, printed)


@pytest.mark.parametrize(
    ("shown", "printed"),
    [("supported", "refuted"), ("a\nb", "a\nc\nb"), ("3 trials", "x trials"), ("a", "a\nb"), ("...\na", "b")],
)
def test_what_differs_is_found(shown, printed):
    with pytest.raises(AssertionError, match="the page shows"):
        check_shown(shown, printed)


def test_a_part_is_enough_for_what_a_script_prints():
    check_part("b 1\n...\nd", "a\nb 2\nc\nd\ne\n")
    with pytest.raises(AssertionError, match="the page shows"):
        check_part("b\nd", "a\nb\nc\nd\n")


def test_a_recipe_is_what_make_runs():
    assert recipe("sweep") == ["noisesweep run sweeps/studies/sparse-regression.yaml --new"]


@cache
def texts():
    """All texts in the code; adjacent ones are one, and an f-string has one for each part."""
    return "\n".join(
        node.value
        for room in ("sweeps", "cluster", "trainables")
        for path in sorted((ROOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


TROUBLES = (ROOT / "docs" / "troubleshooting.md").read_text()
MESSAGES = [
    message
    for row in re.findall(r"^\| (.+?) \| ", TROUBLES, re.MULTILINE)
    for message in re.findall(r"`([^`]+)`", row)
]


@pytest.mark.parametrize("message", MESSAGES)
def test_a_message_in_troubleshooting_is_one_of_the_code(message):
    # The operating system writes this one.
    if message != "No space left on device":
        parts = [part.strip() for part in message.split("...")]
        assert [part for part in parts if part not in texts()] == []


def test_troubleshooting_has_many_messages():
    assert len(MESSAGES) > 40


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_of_pages_at_the_root_lead_to_files(page):
    # The build of the site checks those of the pages in docs.
    links = re.findall(r"\]\((?!https?:|#)([^)#\s]+)", (ROOT / page).read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


STUDIES = [
    (page.stem, text)
    for page in sorted((ROOT / "docs" / "how-to").glob("*.md"))
    for text in re.findall(r"```yaml\n(name: .*?)```", page.read_text(), re.DOTALL)
]


@pytest.mark.parametrize("text", [text for _, text in STUDIES], ids=[page for page, _ in STUDIES])
def test_a_study_in_a_page_is_valid(text):
    spec = load_spec(yaml.safe_load(text))
    check_first_look(spec)


@pytest.fixture
def generated(monkeypatch):
    """Import what fills the reference pages in, as MkDocs does."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module("generated")


def test_every_section_and_key_of_the_yaml_is_described(generated):
    described = {model.__name__ for _, model in generated.SECTIONS}
    assert described == set(Spec.model_json_schema()["$defs"])
    keys = generated.yaml_keys()
    assert [name for name in Spec.model_fields if f"| `{name}` |" not in keys] == []
    rows = [line.split(" | ") for line in keys.splitlines() if line.startswith("| `")]
    assert [row[0] for row in rows if not row[-1].strip(" |")] == []


def test_a_key_is_described_with_what_it_takes_and_its_default(generated):
    keys = generated.yaml_keys()
    assert "| `top` | integer ≥ 1 and ≤ 100000 | `1` | configurations retrained in each arm |" in keys
    assert "| `by` | number > 0 |  | the smallest advantage that matters" in keys
    assert "such as `{none: {lr: 0.1}}` |" in keys


def test_hyperparameters_are_described_once(generated):
    text = generated.hyperparameters()
    assert text.count("| `sigma` |") == 1
    assert text.count("| `label_noise` |") == 2
    assert [name for name in registry.names() if f"## `{name}`" not in text] == []


def test_the_nav_takes_the_pages_of_a_folder_that_it_does_not_list(generated, tmp_path):
    for name in ("how-to/b.md", "how-to/a.md", "how-to/listed.md", "index.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("# A page")
    nav = [{"Home": "index.md"}, {"How to": ["how-to/listed.md", "how-to/*"]}]
    config = SimpleNamespace(docs_dir=str(tmp_path), nav=nav)
    importlib.import_module("hooks").on_config(config)
    assert config.nav[1] == {"How to": ["how-to/listed.md", "how-to/a.md", "how-to/b.md"]}


def test_the_citation_has_the_version_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])


def test_the_picture_of_the_rooms_has_the_layers_of_the_contract_in_their_order():
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    (layers,) = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    rooms = [room for layer in layers for room in re.split(r" \| ", layer)]
    drawn = re.findall(r'class="name"[^>]*>([^<]*)<', (ROOT / "docs/explanation/rooms.svg").read_text())
    shown = [room for text in drawn for room in text.split(", ")]
    assert shown[: len(rooms)] == rooms

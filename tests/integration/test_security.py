"""What who hands over a sweep, a checkpoint or an address cannot do.

The page docs/how-to/security.md says what is left.
"""

import html
import io
import os
import pickle
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import tracemalloc
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
import requests
import torch
import yaml
from rich.console import Console

from sweeps.console.tables import arms_table
from sweeps.errors import SpecError, SweepError, refuse_credentials
from sweeps.record.checkpoints import Checkpoints
from sweeps.record.folder import create_sweep
from sweeps.report.labels import slug_at
from sweeps.report.page import write_report
from sweeps.spec.load import load_spec
from sweeps.tracking.remote import fetched
from sweeps.tracking.store import connect
from sweeps.worker.serialization import from_bytes, to_bytes
from tests.integration.test_cli import noisesweep as noisesweep
from tests.made_sweeps import made_comparison
from trainables.data.arrays import read_array

ROOT = Path(__file__).parents[2]
SWEEP = """\
name: study
trainable: digits
fixed: {epochs: 4}
search:
  lr: {uniform: [0.1, 0.2]}
objective: {metric: val_accuracy, mode: max}
budget: {trials: 3}
"""
GRID = """\
name: study
trainable: digits
mode: grid
search:
  lr: {grid: [0.1]}
objective: {metric: val_accuracy, mode: max}
"""
MEMORY = 50 * 2**20  # bytes that refusing a file may take
ESCAPE = "\x1b[31mred"
NAME_RULE = "must be a name of the study: letters, digits, and - _ . inside, at most 64"


@contextmanager
def little_memory():
    """Fail if the objects made inside take more than ``MEMORY`` at once."""
    tracemalloc.start()
    try:
        yield
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MEMORY


def test_much_memory_is_noticed():
    with pytest.raises(AssertionError), little_memory():
        bytes(MEMORY)


def refused(tmp_path, text, *overrides, profile=None):
    """The one line that refuses it, without the folder, and without much memory."""
    file = tmp_path / "sweep.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with little_memory(), pytest.raises(SpecError) as caught:
        load_spec(file, overrides, profile)
    (line,) = str(caught.value).replace(f"{file}:", "").splitlines()
    assert line.isprintable()
    assert len(line) < 500
    return line.strip()


# YAML


def tags(marker):
    touch = f"touch {marker}"
    return {
        "apply": f"!!python/object/apply:os.system ['{touch}']",
        "new": f"!!python/object/new:os.system ['{touch}']",
        "name": "!!python/name:os.system",
        "module": "!!python/module:os",
        "tuple": "!!python/tuple [1, 2]",
        "object": "!!python/object:trainables.digits.Digits {}",
        "own": "!include /etc/passwd",
        "verbatim": f"!<tag:yaml.org,2002:python/object/apply:os.system> ['{touch}']",
    }


@pytest.mark.parametrize("kind", tags(""))
def test_a_tag_is_refused_and_nothing_runs(kind, tmp_path):
    marker = tmp_path / "it-ran"
    text = tags(marker)[kind]
    line = refused(tmp_path, SWEEP.replace("{epochs: 4}", text))
    assert line == (
        "3: is not valid YAML: tags (such as !name) are not allowed; text that starts with ! needs quotes"
    )
    assert re.fullmatch(r"--set: fixed: .* is not a YAML value", refused(tmp_path, SWEEP, f"fixed={text}"))
    assert not marker.exists()


def test_the_tag_would_have_run_something(tmp_path):
    marker = tmp_path / "it-ran"
    yaml.unsafe_load(tags(marker)["apply"])
    assert marker.exists()


def lists(levels, width=9):
    """Lists of lists of lists, by aliases."""
    return ["&a0 [x, x]", *(f"&a{n + 1} [{', '.join([f'*a{n}'] * width)}]" for n in range(levels))]


def mappings(levels, width=9):
    inner = (", ".join(f"k{index}: *a{n}" for index in range(width)) for n in range(levels))
    return ["&a0 {x: 1}", *(f"&a{n + 1} {{{each}}}" for n, each in enumerate(inner))]


def merges(levels, width=9):
    inner = (", ".join([f"*a{n}"] * width) for n in range(levels))
    return ["&a0 {x: 1}", *(f"&a{n + 1} {{<<: [{each}]}}" for n, each in enumerate(inner))]


@pytest.mark.parametrize("make", [lists, mappings, merges])
def test_aliases_of_aliases_are_counted_and_not_made(make, tmp_path):
    text = "".join(f"b{n}: {value}\n" for n, value in enumerate(make(30)))
    line = refused(tmp_path, text + SWEEP)
    rule = "is too much: a sweep has at most 10,000 keys and values, aliases counted"
    assert re.fullmatch(rf"5: b4\S+: {rule}", line)
    line = refused(tmp_path, SWEEP, f"fixed.lr=[{', '.join(make(30))}]")
    assert re.fullmatch(rf"--set: fixed\.lr\[4\]\S+: {rule}", line)


def test_one_anchor_may_be_merged_often_but_not_without_end(tmp_path):
    wide = "{" + ", ".join(f"k{index}: 1" for index in range(100)) + "}"
    line = refused(tmp_path, f"a: &a {wide}\nb: {{<<: [{', '.join(['*a'] * 5000)}]}}\n{SWEEP}")
    assert line.startswith("2: b.<<[")
    assert "is too much" in line


@pytest.mark.parametrize("text", ["&a [*a]", "&a {x: *a}", "&a {<<: *a}", "&a [{<<: [*a]}]"])
def test_an_alias_inside_its_own_anchor(text, tmp_path):
    rule = "an alias (*) must not stand inside its own anchor (&)"
    assert refused(tmp_path, f"{SWEEP}profiles: {text}\n").endswith(rule)
    assert refused(tmp_path, SWEEP, f"search={text}").endswith(rule)


@pytest.mark.parametrize("text", ["[" * 5000, "{a: " * 5000, "[" * 5000 + "]" * 5000, "? " * 5000])
def test_deep_nesting(text, tmp_path):
    rule = r"is nested too deeply: at most 20 levels"
    assert re.search(
        rf"^1: \S*{rule}|^1: a\S*: {rule}", refused(tmp_path, f"a: {text}" if text[0] != "?" else text)
    )
    assert re.search(rf"^--set: fixed\.lr\S*: {rule}", refused(tmp_path, SWEEP, f"fixed.lr={text}"))


@pytest.mark.parametrize(
    "text", [SWEEP + "# comment\n" * 200_000, f"question: {'x' * 2**21}\n{SWEEP}", f"a: [{'1, ' * 10**6}]\n"]
)
def test_a_large_file(text, tmp_path):
    assert refused(tmp_path, text) == "is too large for a sweep: at most 1 MiB"


def test_a_file_without_end():
    with pytest.raises(SpecError, match=r"^/dev/zero: is too large for a sweep: at most 1 MiB$"):
        load_spec("/dev/zero")


def test_a_large_override(tmp_path):
    line = refused(tmp_path, SWEEP, f"fixed.lr=[{'1, ' * 10**6}]")
    assert line == "--set: fixed.lr: is too large: at most 1 MiB"
    line = refused(tmp_path, SWEEP, f"{'a.' * 5000}b=1")
    assert line.endswith("... is not key=value, such as fixed.epochs=3")


MANY = ", ".join(f"0.{index:06d}" for index in range(1, 2001))
SEEDS = "stages: {search: {trials_per_arm: 1000}, confirm: {seeds: 1000, top: 1000}}\ncompare: noise\n"
DIMENSIONS = ["batch_size", "curvature_examples", "curvature_draws", "epochs", "sigma_epochs", "train_subset"]
TENFOLD = "".join(f"  {name}: {{grid: {[*range(2, 102)]}}}\n" for name in DIMENSIONS)


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        (
            "epochs: 4",
            "epochs: 1000000000",
            "3: fixed.epochs: must be less than or equal to 99999, got 1000000000",
        ),
        ("epochs: 4", "batch_size: 1.0e+30", "3: fixed.batch_size: must be a whole number, got 1e+30"),
        (
            "epochs: 4",
            f"epochs: {10**30}",
            f"3: is not valid YAML: '{10**30}' is too large; a whole number has at most 63 bits",
        ),
        (
            "epochs: 4",
            f"epochs: 0x{'f' * 4000}",
            f"3: is not valid YAML: '0x{'f' * 54}... is too large; a whole number has at most 63 bits",
        ),
        (
            "epochs: 4",
            f"epochs: 0{'7' * 4900}",
            f"3: is not valid YAML: '0{'7' * 55}... is too large; a whole number has at most 63 bits",
        ),
        (
            "epochs: 4",
            f"epochs: {':'.join(['59'] * 900)}",
            f"3: is not valid YAML: '{'59:' * 18}59... is too large; a whole number has at most 63 bits",
        ),
        (
            "epochs: 4",
            f"epochs: {'9' * 4900}",
            f"3: is not valid YAML: '{'9' * 56}... is not a valid int; write it in quotes if it is text",
        ),
        (
            "epochs: 4",
            f"lr: {'9' * 10**5}",
            "3: fixed.lr: a text must have at most 5,000 characters, got 100,000",
        ),
        (
            "{epochs: 4}",
            "{" + f"? {'x' * 300}\n : 1" + "}",
            "3: fixed: a key must have at most 200 characters, got 300",
        ),
        (
            "trials: 3",
            "trials: 1000000000",
            "7: budget.trials: must be less than or equal to 100000, got 1000000000",
        ),
        (
            "trials: 3",
            "trials: 3, concurrent: 1000000000",
            "7: budget.concurrent: must be less than or equal to 100000, got 1000000000",
        ),
        (
            "name: study",
            f"name: {'x' * 65}",
            f"1: name: {NAME_RULE}, got '{'x' * 56}...",
        ),
        (
            "name: study",
            f"name: {'x' * 10**5}",
            "1: name: a text must have at most 5,000 characters, got 100,000",
        ),
        (
            "name: study",
            f"name: study\nquestion: {'why ' * 2000}",
            "2: question: a text must have at most 5,000 characters, got 7,999",
        ),
        (
            "{uniform: [0.1, 0.2]}",
            f"[{MANY}]",
            "5: search.lr: must have at most 1,000 values, got 2,000",
        ),
        (
            "{uniform: [0.1, 0.2]}",
            f"[{', '.join(['0.1'] * 20_000)}]",
            "5: search.lr[9990]: is too much: a sweep has at most 10,000 keys and values, aliases counted",
        ),
        (
            "budget: {trials: 3}",
            "budget: {trials: 3}\nresources: {cpu: 1.0e+300}",
            "8: resources.cpu: must be less than or equal to 10000, got 1e+300",
        ),
        (
            "budget: {trials: 3}",
            "budget: {trials: 3}\nmax_failures: 1000000",
            "8: max_failures: must be less than or equal to 1000, got 1000000",
        ),
        (
            "budget: {trials: 3}",
            "budget: {trials: 3}\nscheduler: {asha: {reduction_factor: 1.0000001}}",
            "8: scheduler.asha.reduction_factor: must be greater than or equal to 1.1, got 1.0000001",
        ),
        (
            "budget: {trials: 3}",
            SEEDS + "  ",
            "7: stages.confirm: must give at most 100,000 trials, got 5 x 1,000 x 1,000",
        ),
    ],
)
def test_an_absurd_size(old, new, line, tmp_path):
    text = SWEEP.replace("fixed: {epochs: 4}", "fixed: {epochs: 4, sigma: 0.1}") if "stages" in new else SWEEP
    assert refused(tmp_path, text.replace(old, new)) == line


@pytest.mark.parametrize(
    ("new", "line"),
    [
        ("seeds: 1000000000\n", "7: seeds: must be less than or equal to 100000, got 1000000000"),
        (
            TENFOLD,
            "4: search: must give at most 100,000 trials, got 1 x 100 x 100 x 100 x 100 x 100 x 100 x 1",
        ),
        ("seeds: 60000\n", "4: search: must give at most 100,000 trials, got 2 x 60,000"),
    ],
)
def test_an_absurd_grid(new, line, tmp_path):
    text = GRID.replace("[0.1]", "[0.1, 0.2]") if "60000" in new else GRID
    text = text.replace("objective", f"{new}objective") if new == TENFOLD else text + new
    assert refused(tmp_path, text) == line


def test_an_absurd_size_on_the_command_line(tmp_path):
    line = "--set: {}: must be less than or equal to {}, got 1000000000"
    for key, most in (("fixed.epochs", 99999), ("budget.trials", 100000)):
        assert refused(tmp_path, SWEEP, f"{key}=1000000000") == line.format(key, most)


# Names and words


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "..", ".", ".hidden", "a/b", "x\\n", "-x", "", "a b", "é"]
)
def test_a_name_that_leads_elsewhere(name, tmp_path):
    assert refused(tmp_path, SWEEP.replace("name: study", f'name: "{name}"')).startswith(
        f"1: name: {NAME_RULE}"
    )
    assert refused(tmp_path, SWEEP, f'name="{name}"').startswith(f"--set: name: {NAME_RULE}")
    rule = "a profile's name has letters, digits, and - _ . inside, at most 64"
    assert rule in refused(tmp_path, f'{SWEEP}profiles: {{"{name}": {{seed: 1}}}}\n')
    assert "--profile: " in refused(tmp_path, f"{SWEEP}profiles: {{q: {{seed: 1}}}}\n", profile=name)


@pytest.mark.parametrize("name", ["../../etc/passwd", "os:system", "trainables.digits:Digits", "__main__"])
def test_a_trainable_is_one_that_is_registered(name, tmp_path):
    line = refused(tmp_path, SWEEP.replace("digits", f'"{name}"'))
    assert line.startswith(f"2: trainable: '{name}' is not known; ")


@pytest.mark.parametrize("command", ["status", "report", "resume"])
@pytest.mark.parametrize("name", ["../x", "../../x", "/etc/x", "..", ".", "x/001", "", "x\n", ESCAPE])
def test_a_name_on_the_command_line_does_not_leave_the_storage(command, name, noisesweep, tmp_path):
    create_sweep(tmp_path, load_spec(yaml.safe_load(SWEEP) | {"name": "x"}))  # beside the storage
    before = sorted(tmp_path.rglob("*"))
    code, output, errors = noisesweep(command, name, "--storage", tmp_path / "runs")
    assert code == 1
    assert output == ""
    if command == "resume" and "/" in name:
        assert re.match(r"\S+: (no such file|is a folder)", errors)
    else:
        assert errors == f"noisesweep: {tmp_path / 'runs'}: no sweep named {name!r}; there is none yet"
    assert sorted(tmp_path.rglob("*")) == before


def test_a_tracking_server_does_not_choose_where_a_record_is_written(tmp_path):
    uri = os.environ["MLFLOW_TRACKING_URI"]
    client = connect(uri)
    experiment = client.create_experiment("elsewhere", artifact_location=(tmp_path / "artifacts").as_uri())
    run = client.create_run(experiment, tags={"sweep": "../../../elsewhere"})
    client.log_text(run.info.run_id, "here", "resolved.yaml")
    with (
        pytest.raises(SweepError, match=r"is not a sweep: its number is '../../../elsewhere'"),
        fetched(uri, "elsewhere"),
    ):
        pass


@pytest.mark.parametrize("text", [r"\e[31mred", r"\x9b31m", r"a\rb", r"\a", r"\0", r"\ud800"])
def test_control_characters(text, tmp_path):
    for key, sweep in (
        ("question", f'{SWEEP}question: "{text}"\n'),
        ("claims[0].name", f'{SWEEP}claims: [{{name: "{text}"}}]\n'),
        ("search.vectors[1]", SWEEP.replace("lr: {uniform: [0.1, 0.2]}", f'vectors: [train, "{text}"]')),
    ):
        line = refused(tmp_path, sweep)
        assert re.fullmatch(rf"\d: {re.escape(key)}: must not have the control character '\\.*'", line)
    assert "must not have the control character" in refused(tmp_path, SWEEP, f'question="{text}"')
    assert "must not have the control character" in refused(tmp_path, f'{SWEEP}"{text}": 1\n')


HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(1)> [red]x[/red] [/nope]"


def test_words_are_words_in_the_report(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "sweeps.report.page.save", lambda chart, path: path.write_bytes(b"\x89PNG")
    )  # takes seconds
    claim = {"name": HOSTILE, "metric": "test_accuracy", "better": "layer", "worse": "none"}
    folder = made_comparison(claim, question=HOSTILE, name="hostile").write(tmp_path)
    page = write_report(folder)
    outside = re.sub(r"<script>.*?</script>", "", page.read_text(), flags=re.DOTALL)
    for text in (outside, page.with_suffix(".md").read_text().split("```yaml")[0]):
        assert "alert(1)" in html.unescape(text)
        assert "<script>alert" not in text
        assert "<img src=x" not in text


def test_a_figure_named_after_a_value_stays_in_the_folder(tmp_path):
    for value in ("../../x", "/etc/<b>", "..", "x\n"):
        name = slug_at("scores", f"vectors {value}")
        assert Path(tmp_path, f"{name}.png").resolve().parent == tmp_path
        assert re.fullmatch(r"scores-vectors[\w.-]*", name)


def test_values_are_no_markup_and_no_control_characters_in_the_terminal():
    values = ["[bold]x[/bold]", "[/nope]", f"a{ESCAPE}"]  # as of a server, whose YAML is not checked again
    state = made_comparison().state
    for trial, value in zip(state.trials.values(), values, strict=False):
        trial.arm = value
    console = Console(file=io.StringIO(), width=160)
    console.print(arms_table(state))
    output = console.file.getvalue()
    assert "[bold]x[/bold]" in output
    assert "[/nope]" in output
    assert "\x1b" not in output


# Pickles


class Harmful:
    """Writes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path, capsys):
    marker = tmp_path / "it-ran"
    checkpoints = Checkpoints(str(tmp_path / "checkpoints"), "t00001")
    checkpoints.save(1, to_bytes({"epoch": 1}))
    for index, content in enumerate((Harmful(marker), {"training": Harmful(marker)}, [Harmful(marker)])):
        torch.save(content, f"{checkpoints.folder}/epoch-{index + 10:05d}.pt")
        torch.save(
            content, f"{checkpoints.folder}/epoch-{index + 20:05d}.pt", _use_new_zipfile_serialization=False
        )
    torch.load(f"{checkpoints.folder}/epoch-00010.pt", weights_only=False)
    assert marker.exists()  # it would have run
    marker.unlink()
    assert checkpoints.load(from_bytes) == {"epoch": 1}
    assert not marker.exists()
    assert capsys.readouterr().err.count("cannot be read, so the one before it is used") == 6


def test_an_array_in_the_cache_that_would_run_code_is_refused(tmp_path):
    marker = tmp_path / "it-ran"
    np.save(tmp_path / "x.npy", np.array([Harmful(marker)], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="can't be memory-mapped"):
        read_array(tmp_path, "x")
    (tmp_path / "x.npy").write_bytes(pickle.dumps(Harmful(marker)))
    with pytest.raises(ValueError, match="pickle"):
        read_array(tmp_path, "x")
    assert not marker.exists()


def test_no_file_is_unpickled_but_those_that_are_known():
    # What is here is in docs/how-to/security.md.
    found = {
        (str(path.relative_to(ROOT)), call)
        for folder in ("sweeps", "trainables", "cluster")
        for path in (ROOT / folder).rglob("*.py")
        for call in re.findall(
            r"(?<!`)(?:pickle|joblib|dill|torch|np|numpy|KeyedVectors|yaml)\.\w*load\w*\(.*", path.read_text()
        )
    }
    assert {(path, call.partition("(")[0]) for path, call in found} == {
        (
            "sweeps/engine/callbacks.py",
            "pickle.loads",
        ),  # cloudpickle: what a worker of this sweep raised, from Tune
        ("sweeps/worker/serialization.py", "torch.load"),
        (
            "sweeps/tracking/publisher_main.py",
            "pickle.loads",
        ),  # cloudpickle: the trainable, by its own driver through a pipe
        ("trainables/data/arrays.py", "np.load"),
        ("trainables/data/vector_files.py", "KeyedVectors.load_word2vec_format"),
        ("trainables/testing.py", "torch.load"),
    }
    assert all("weights_only=True" in call for _, call in found if call.startswith("torch.load"))


# Credentials

PASSWORD = "hunter2"
ADDRESSES = [
    f"http://user:{PASSWORD}@mlflow:5000",
    f"http://user:a/{PASSWORD}@mlflow:5000",
    f"http://user:a#{PASSWORD}@mlflow:5000",
    f"https://mlflow:5000?password={PASSWORD}",
    f"https://mlflow:5000/?user=me&access_token={PASSWORD}",
    f"postgresql://user:{PASSWORD}@db/mlflow",
    f"postgresql://db/mlflow?user=me&password={PASSWORD}",
    f"s3://key:{PASSWORD}@bucket/sweeps",
    f"s3://bucket/sweeps?secret_key={PASSWORD}",
    f"user:{PASSWORD}@mlflow:5000",
    f"http://[user:{PASSWORD}@mlflow",
    f"https://{PASSWORD}@mlflow",
    f"https://mlflow:5000/?auth={PASSWORD}",
    f"https://mlflow:5000/#token={PASSWORD}",
]


@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize(
    ("words", "variable"),
    [
        (["run", "{file}", "--tracking-uri={}"], None),
        (["run", "{file}"], "MLFLOW_TRACKING_URI"),
        (["run", "{file}", "--storage={}"], None),
        (["status", "study"], "NOISESWEEP_STORAGE"),
        (["status", "study", "--tracking-uri={}"], None),
        (["resume", "study", "--storage={}"], None),
        (["report", "study", "--storage={}"], None),
        (["ui", "--tracking-uri={}"], None),
        (["ui"], "MLFLOW_TRACKING_URI"),
        (["submit", "{file}", "--tracking-uri={}"], None),
        (["submit", "{file}", "--storage={}"], None),
        (["jobs", "--address={}"], None),
        (["jobs"], "RAY_API_SERVER_ADDRESS"),
    ],
    ids=lambda value: value if value is None or isinstance(value, str) else value[0] + value[-1][:6],
)
def test_an_address_with_a_password_is_refused_and_not_repeated(
    address, words, variable, noisesweep, tmp_path, monkeypatch
):
    file = tmp_path / "sweep.yaml"
    file.write_text(SWEEP)
    if variable:
        monkeypatch.setenv(variable, address)
    code, output, errors = noisesweep(*(word.format(address, file=file) for word in words))
    assert code == 1
    assert re.search("must not have a password|is not an address", errors)
    assert len(errors.splitlines()) == 1
    assert PASSWORD not in output + errors
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert all(PASSWORD.encode() not in path.read_bytes() and PASSWORD not in str(path) for path in written)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:5000",
        "http://[::1]:5000",
        "postgresql://mlflow@db:5432/mlflow",
        "postgresql+psycopg2:///mlflow",
        "sqlite:////tmp/a:b@c/mlflow.db",
        "s3://bucket/sweeps?region=eu-west-1&endpoint_override=127.0.0.1%3A9000",
        "abfs://container@account.dfs.core.windows.net/sweeps",
        "file:///tmp/a:b@c",
        "/tmp/a:b@c",
        "runs",
    ],
)
def test_an_address_without_a_password_is_taken(address):
    refuse_credentials("storage", address)


SECRETS = {
    name: f"secret-{index}-of-the-environment"
    for index, name in enumerate(
        (
            "AWS_ACCESS_KEY_ID",
            "AWS_SECRET_ACCESS_KEY",
            "AWS_SESSION_TOKEN",
            "MLFLOW_TRACKING_USERNAME",
            "MLFLOW_TRACKING_PASSWORD",
            "MLFLOW_TRACKING_TOKEN",
            "PGPASSWORD",
            "RAY_AUTH_TOKEN",
            "HF_TOKEN",
        )
    )
}
RUN = """
import sys
import psutil
from sweeps import run
from sweeps.engine import ray_session
from tests.curves import Curves
from tests.curves import content
from trainables import register

register(Curves)
# Ray is to be there after the sweep.
ray_session._shut_down = lambda: None
trouble = {"trouble": {"grid": ["none", "raise"]}}
spec = content(search=trouble, fixed={"epochs": 2}, budget={"concurrent": 1}, max_failures=0)
run(spec, storage="runs", log="json")
for process in psutil.Process().children(recursive=True):
    for connection in process.net_connections("inet"):
        if connection.status == psutil.CONN_LISTEN:
            print("listens", connection.laddr.ip)
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Run sweeps with secrets in the environment; gives the folder, and what was printed."""
    folder = tmp_path_factory.mktemp("ran")
    logs = tempfile.mkdtemp(dir="/tmp")  # paths of Ray's sockets must be short
    env = {**os.environ, **SECRETS, "RAY_TMPDIR": logs, "PYTHONPATH": str(ROOT)}
    env.pop("MLFLOW_TRACKING_URI")
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=folder, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    shutil.copytree(
        logs,
        folder / "ray",
        symlinks=True,
        ignore=lambda at, names: [n for n in names if Path(at, n).is_socket()],
    )
    shutil.rmtree(logs)
    return folder, done.stdout, done.stderr


def test_no_secret_of_the_environment_is_written_down(ran):
    folder, output, errors = ran
    files = [path for path in folder.rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"journal.jsonl", "resolved.yaml", "mlflow.db", "report.html", "report.md", "results.csv"} <= names
    assert {"gcs_server.out", "raylet.out"} <= names
    for name, secret in SECRETS.items():
        assert secret not in output + errors, name
        assert [path for path in files if secret.encode() in path.read_bytes()] == [], name


def test_ray_on_this_machine_listens_on_loopback_alone(ran):
    listens = re.findall("^listens (.*)$", ran[1], flags=re.MULTILINE)
    assert len(listens) >= 4
    assert {address.removeprefix("::ffff:") for address in listens} == {"127.0.0.1"}


def test_the_ui_is_one_process_on_loopback_that_serves_studies_and_reports(ran):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    storage, address = ran[0] / "runs", f"http://127.0.0.1:{port}"
    words = ["from sweeps.cli import main; main()", "ui", "--storage", str(storage), "--port", str(port)]
    env = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    ui = subprocess.Popen(
        [sys.executable, "-c", *words], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        links = {
            "runs:": f"{address}/study/test-curves",
            "report:": f"{address}/report/test-curves/report.html",
        }
        uri, workflow = f"sqlite:///{storage}/mlflow.db", "workflowType=machine_learning"
        assert list(iter(ui.stdout.readline, "Stop it with Ctrl-C.\n")) == [
            f"MLflow's UI of {uri}: {address}/#/experiments?{workflow}\n",
            "test-curves 001\n",
            f"  runs:   {links['runs:']}\n",
            f"  report: {links['report:']}\n",
        ]
        assert requests.get(f"{address}/health", timeout=60).ok
        (experiment,) = re.findall(
            r"/#/experiments/(\d+)/runs", requests.get(links["runs:"], timeout=60).text
        )
        found = requests.get(
            f"{address}/api/2.0/mlflow/experiments/get?experiment_id={experiment}", timeout=60
        ).json()
        assert found["experiment"]["name"] == "test-curves"
        report = requests.get(links["report:"], timeout=60)
        assert report.content == (storage / "test-curves" / "001" / "report" / "report.html").read_bytes()
        # Its scripts are kept from MLflow's API, and nothing beside it is served.
        assert report.headers["Content-Security-Policy"].startswith("sandbox")
        for path in (
            "test-curves/..%2Fjournal.jsonl",
            "test-curves/../journal.jsonl",
            "..%2f/mlflow.db",
            "x/y",
        ):
            request = requests.Request("GET", f"{address}/report/").prepare()
            request.url += path
            assert requests.Session().send(request, timeout=60).status_code == 404, path
        for page in links.values():
            assert requests.get(page, headers={"Host": "evil.example"}, timeout=60).status_code == 403
        process = psutil.Process(ui.pid)
        assert process.children(recursive=True) == []
        listens = {
            connection.laddr
            for connection in process.net_connections("inet")
            if connection.status == psutil.CONN_LISTEN
        }
        assert listens == {("127.0.0.1", port)}
    finally:
        ui.kill()
        ui.wait()

"""The command line as a user types it."""

import json
import os
import socket
import subprocess
import sys

import pytest
import yaml

from cluster import jobs as cluster_jobs
from sweeps import SweepError, cli, load_spec, runner
from sweeps.cli import job_commands
from sweeps.record.folder import create_sweep
from sweeps.spec.catalogue import STUDIES
from sweeps.spec.model import REGISTER
from tests.curves import Curves, content
from tests.made_sweeps import TRUTH, MadeSweep, comparison, made_comparison, train_round
from tests.made_sweeps import search as made_search
from trainables import imports, register, registry

WHERE = "data_dir {}/nowhere: no such folder (from the YAML or NOISESWEEP_DATA_DIR)"


@pytest.fixture
def noisesweep(monkeypatch, capsys, tmp_path):
    """Call the command line; returns its exit status, output and errors."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NOISESWEEP_STORAGE", raising=False)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)

    def call(*arguments):
        monkeypatch.setattr(sys, "argv", ["noisesweep", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        code = exit_.value.code
        captured = capsys.readouterr()
        errors = captured.err + (code if isinstance(code, str) else "")
        return (1 if isinstance(code, str) else code or 0), captured.out, errors

    return call


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(content(fixed={"epochs": 1}, budget={"trials": 2}), sort_keys=False))
    return path


def test_help_imports_no_large_library():
    code = (
        "import sys\nsys.argv = ['noisesweep', '--help']\nfrom sweeps import cli\ntry: cli.main()\nfinally: "
    )
    code += "print([name for name in ('torch', 'mlflow', 'ray', 'optuna', 'pandas') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "run" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("closed", ["<&-", "<&- >&-", "<&- >&- 2>&-"])
def test_standard_streams_may_be_closed(closed, tmp_path):
    """As by a scheduler of jobs: a child must not get a file of ours in place of one."""
    code = (
        "import os, subprocess, sys\nsys.argv = ['noisesweep', '--version']\nfrom sweeps import cli\n"
        "os._exit = lambda code: None\ncli.script()\n"
        "subprocess.run(['sh', '-c', 'echo to-stdout; echo to-stderr >&2; cat'], check=True)"
    )
    command = f'exec "$0" -c "$1" {closed}'
    done = subprocess.run(["sh", "-c", command, sys.executable, code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", ["run", "validate"])
def test_mistakes_are_lines_not_tracebacks(noisesweep, tmp_path, command):
    path = tmp_path / "wrong.yaml"
    path.write_text(
        "name: x\ntrainable: fmnst\nobjective: {metric: val_accuracy, mode: max}\nbudgt: {trials: 1}\n"
    )
    code, output, errors = noisesweep(command, path)
    assert code == 1
    assert output == ""
    assert errors.splitlines()[0].startswith(
        f"{path}:2: trainable: 'fmnst' is not known; did you mean 'fmnist'?"
    )
    assert errors.splitlines()[1].startswith(f"{path}:4: budgt: 'budgt' is not known; did you mean 'budget'?")
    assert errors.splitlines()[-1] == "2 mistakes; nothing was run"
    assert not (tmp_path / "runs").exists()


def test_validate_prints_the_sweep_with_every_default(noisesweep, curves, file):
    code, output, errors = noisesweep("validate", file, "--set", "fixed.epochs=4")
    assert code == 0
    resolved = yaml.safe_load(output)
    assert resolved["fixed"]["epochs"] == 4
    assert resolved["fixed"]["momentum"] == 0.9
    assert (resolved["sampler"], resolved["scheduler"]) == ("tpe", "none")
    assert "2 trials of curves, at most 4 epochs each" in errors


def test_what_validate_prints_is_valid(noisesweep, curves, file, tmp_path):
    _, output, _ = noisesweep("validate", file)
    printed = tmp_path / "printed.yaml"
    printed.write_text(output)
    assert noisesweep("validate", printed)[:2] == (0, output)


STAGED = {
    "compare": {"noise": ["none", "all"]},
    "fixed": {"epochs": 2},
    "search": {"sigma": {"uniform": [0.1, 0.2], "when": {"noise": ["all"]}}, "lr": {"uniform": [0.01, 0.1]}},
    "stages": {"search": {"trials_per_arm": 9}, "confirm": {"seeds": 5}},
    "claims": [{"name": "none is best", "metric": "test_accuracy", "better": "none", "worse": "all"}],
    "budget": {"concurrent": 2},
}
PLAN = "2 arms of noise, {}, then {} seeds of the best of each; curves, at most 2 epochs each"


@pytest.fixture
def staged(tmp_path, curves):
    path = tmp_path / "staged.yaml"
    path.write_text(yaml.safe_dump(content(**STAGED), sort_keys=False))
    return path


def test_validate_prints_the_plan_of_stages_and_whether_claims_can_be_decided(noisesweep, staged):
    code, output, errors = noisesweep("validate", staged)
    assert code == 0
    confirm = yaml.safe_load(output)["stages"]["confirm"]
    assert confirm == {
        "seeds": 5,
        "top": 1,
        "at": {},
        "configurations": {},
        "curvature": "never",
        "weight_noise": [],
    }
    assert errors.splitlines() == [
        f"{staged}: valid; {PLAN.format('9 trials each (7 of none)', 5)}",
        f"{staged}: with 5 seeds no result can decide a claim: use at least 6",
        f"{staged}: 9 trials an arm are too few to cross sigma and lr: use at least 12",
    ]
    enough = ("stages.confirm.seeds=6", "stages.search.trials_per_arm=12")
    _, _, errors = noisesweep("validate", staged, *(part for text in enough for part in ("--set", text)))
    valid, detected = errors.splitlines()
    assert valid == f"{staged}: valid; {PLAN.format('12 trials each (9 of none)', 6)}"
    assert detected.startswith(
        f"{staged}: smallest differences detected with power 0.8, by seeds, for a claim:"
    )


def test_nothing_to_report(noisesweep, staged, tmp_path):
    create_sweep(tmp_path / "runs", load_spec(staged))
    code, output, errors = noisesweep("report", "test-curves")
    rule = "nothing to report yet, no trial has finished an epoch"
    assert (code, output) == (1, "")
    assert errors == f"noisesweep: {tmp_path}/runs/test-curves/001: {rule}"
    code, _, errors = noisesweep("report", "nothing")
    assert code == 1
    assert errors == "noisesweep: runs: no sweep named 'nothing'; the storage has: test-curves"
    for arguments in ((), ("test-curves", "--all")):
        code, _, errors = noisesweep("report", *arguments)
        assert code == 2
        assert "give either the NAME of a study or --all" in errors
    code, output, errors = noisesweep("report", "--all")
    assert (code, output) == (1, "")
    assert len(errors.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("some", "--format", "pdf,pfd"), "'pfd' is not known; did you mean 'pdf'?"),
        (("--all", "--format", "svg"), "'svg' is for figures, which --all has not"),
    ],
)
def test_an_unknown_format_is_named(noisesweep, arguments, reason):
    code, output, errors = noisesweep("report", *arguments)
    assert (code, output) == (2, "")
    assert reason in errors


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["validate"], 0, "{}: valid; "),
        (["resume"], 1, "noisesweep: runs: no sweep named 'test-curves'; there is none yet"),
        (["run", "--trials", "2", "--set", "fixed.lr=x"], 1, "--set: fixed.lr: must be a number, got 'x'"),
    ],
)
def test_a_yaml_from_a_pipe_is_read_once(arguments, code, message, noisesweep, curves):
    text = yaml.safe_dump(content(profiles={"quick": {"fixed.epochs": 1}}))
    reading, writing = os.pipe()
    os.write(writing, text.encode())
    os.close(writing)
    try:
        file = f"/dev/fd/{reading}"
        got, _, err = noisesweep(arguments[0], file, *arguments[1:])
    finally:
        os.close(reading)
    assert got == code
    assert err.startswith(message.format(file))


@pytest.mark.parametrize("arguments", [["validate", "ü☃.yaml"], ["status", "ü☃"], ["run", "ü☃.yaml"]])
def test_a_terminal_that_cannot_show_a_character_gets_another_one(arguments, tmp_path):
    (tmp_path / "ü☃.yaml").write_text("name: study\nquestion: Größe?\ntrainable: digits\nzzz: 1\n")
    done = subprocess.run(
        [sys.executable, "-c", "from sweeps.cli import script; script()", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONIOENCODING": "ascii:strict"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "??" in done.stderr
    assert "Traceback" not in done.stderr


def test_init_in_a_folder_that_is_not_there(noisesweep):
    code, _, err = noisesweep("init", "digits", "a/b/c.yaml")
    assert (code, err) == (1, "noisesweep: a/b/c.yaml: there is no folder a/b; create it first")


def test_two_studies_are_compared(noisesweep, tmp_path):
    claim = {"name": "layer wins", "metric": "test_accuracy", "better": "layer", "worse": "none"}
    made_comparison(claim).write(tmp_path / "runs")
    made_comparison(claim, name="other", seeds=12).write(tmp_path / "runs")
    code, output, _ = noisesweep("compare", "made-comparison", "other")
    assert code == 0
    lines = [line.split() for line in output.splitlines()]
    assert ["A:", "made-comparison,", "sweep", "001"] in lines
    assert ["stages.confirm.seeds", "10", "12"] in lines
    assert ["layer", "wins", "supported"] in [line[:3] for line in lines]
    (layer,) = [line for line in lines if line[:1] == ["layer"] and line[1] == "10,"]
    # Seeds, two means, two differences and their difference, each with its interval.
    assert len(layer) == 1 + 2 + 5 * 3
    made_comparison(name="losses", objective={"metric": "val_loss", "mode": "min"}).write(tmp_path / "runs")
    code, _, errors = noisesweep("compare", "other", "losses")
    assert code == 1
    assert errors.startswith(
        "noisesweep: other and losses share no metric: one compares arms by test_accuracy"
    )


def test_status_and_resume_of_an_unknown_name(noisesweep):
    for command in ("status", "resume"):
        code, _, errors = noisesweep(command, "nothing")
        assert code == 1
        assert "no sweep named 'nothing'; there is none yet" in errors


@pytest.mark.parametrize(
    "command", [["run", "digits"], ["resume", "digits"], ["extend", "digits", "--looks=2"]]
)
def test_every_command_that_runs_a_sweep_can_be_verbose(noisesweep, monkeypatch, command):
    told = []

    def called(*arguments, verbose, **options):
        told.append(verbose)
        raise SweepError("nothing is run")

    monkeypatch.setattr(runner, command[0], called)
    for options in ([], ["--verbose"], ["-v"]):
        assert noisesweep(*command, *options)[2] == "noisesweep: nothing is run"
    assert told == [False, True, True]


def test_trials_of_a_driver_that_was_killed_are_interrupted(noisesweep, curves, file, tmp_path):
    journal = create_sweep(tmp_path / "runs", load_spec(file)).journal
    journal.append("begin", versions="torch 2")
    hyperparameters = load_spec(file).hyperparameters({"noise": "none"}).model_dump()
    about = {"number": 1, "arm": "none", "seed": 0, "hyperparameters": hyperparameters}
    journal.append("start", trial="t1", **about)
    code, output, _ = noisesweep("status", "test-curves")
    assert code == 0
    assert "interrupted, 0 of 2 trials ended: 1 interrupted" in output
    assert "running" not in output


def test_ui_without_a_store(noisesweep, tmp_path):
    code, _, errors = noisesweep("ui")
    assert code == 1
    assert f"{tmp_path}/runs/mlflow.db: no tracking store; run a sweep first" in errors


def test_ui_of_a_server_names_it(noisesweep):
    code, output, _ = noisesweep("ui", "--tracking-uri", "http://mlflow.example:5000")
    assert (code, output) == (0, "the tracking store is a server; open: http://mlflow.example:5000\n")


def test_ui_on_a_port_in_use_is_one_line(noisesweep, tmp_path):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "mlflow.db").touch()
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, _, errors = noisesweep("ui", "--port", str(port))
    remedy = "choose another with --port"
    assert (code, errors) == (
        1,
        f"noisesweep: port {port}: cannot be used (Address already in use); {remedy}",
    )


def test_ui_of_an_unknown_study_is_one_line(noisesweep):
    code, _, errors = noisesweep("ui", "nope")
    assert (code, errors) == (1, "noisesweep: runs: no sweep named 'nope'; there is none yet")


def test_schema_is_json(noisesweep):
    code, output, _ = noisesweep("schema")
    assert code == 0
    assert json.loads(output)["properties"]["trainable"]["enum"] == registry.names()


def test_list_names_every_trainable_hyperparameter_and_study(noisesweep):
    code, output, _ = noisesweep("list")
    assert code == 0
    for name in registry.names():
        trainable = registry.get(name)
        assert name in output
        for key in (*trainable.metrics(), *trainable.Hyperparameters.model_fields):
            assert key in output
    for study in STUDIES.glob("*.yaml"):
        assert str(study) in output


def test_unreachable_data_is_one_line(noisesweep, tmp_path):
    path = tmp_path / "mnist.yaml"
    (tmp_path / "empty").mkdir()
    spec = {
        "name": "no-data",
        "trainable": "mnist",
        "data_dir": str(tmp_path / "empty"),
        "objective": {"metric": "val_accuracy", "mode": "max"},
    }
    path.write_text(yaml.safe_dump(spec))
    code, _, errors = noisesweep("run", path)
    assert code == 1
    assert errors.startswith("noisesweep: ylecun/mnist: cannot be loaded from the Hugging Face hub")
    assert "put mnist/ into" in errors
    assert len(errors.strip().splitlines()) == 1
    assert not (tmp_path / "runs" / "no-data").exists()
    code, _, errors = noisesweep("run", path, "--set", f"data_dir={tmp_path}/nowhere")
    assert (code, errors) == (1, f"noisesweep: {WHERE.format(tmp_path)}")


def test_what_the_data_cannot_give_names_file_line_and_key(noisesweep, tmp_path):
    file = tmp_path / "sweep.yaml"
    fixed = {"epochs": 1, "train_subset": 5000}
    file.write_text(yaml.safe_dump(content(trainable="digits", fixed=fixed, budget={"trials": 1})))
    rule = "must be at most the 1212 training examples, got 5000"
    line = file.read_text().splitlines().index("  train_subset: 5000") + 1
    code, _, errors = noisesweep("run", file)
    assert (code, errors) == (1, f"{file}:{line}: fixed.train_subset: {rule}\n1 mistake; nothing was run")
    code, _, errors = noisesweep("run", file, "--set", "fixed.train_subset=4000")
    rule = rule.replace("5000", "4000")
    assert (code, errors) == (1, f"--set: fixed.train_subset: {rule}\n1 mistake; nothing was run")
    assert not (tmp_path / "runs").exists()


def test_resources_are_checked_before_any_data_is_read(noisesweep, tmp_path):
    path, damaged = tmp_path / "sweep.yaml", tmp_path / "data" / "mnist"
    damaged.mkdir(parents=True)
    (damaged / "train.parquet").touch()
    resources = {"resources": {"gpu": 64}, "data_dir": str(damaged.parent)}
    path.write_text(yaml.safe_dump(content(trainable="mnist", budget={"trials": 1}, **resources)))
    code, _, errors = noisesweep("run", path)
    assert code == 1
    assert errors.startswith("noisesweep: resources: a trial asks for 1 cpu and 64 gpu on one node; ")


COMPARED = {key: STAGED[key] for key in ("compare", "search", "stages", "budget")}


@pytest.mark.parametrize("changes", [{"budget": {"trials": 1}}, COMPARED], ids=["joint", "stages"])
def test_a_sweep_of_a_trainable_not_known_here_can_be_looked_at(changes, noisesweep, tmp_path, curves):
    spec = load_spec(content(name="mine", trainable="curves", fixed={"model": "line"}, **changes))
    create_sweep(tmp_path / "runs", spec)
    registry._registered.pop("curves")
    code, output, _ = noisesweep("status", "mine")
    assert code == 0
    assert (
        f"its arms are not shown, because the trainable curves is not registered here; {REGISTER}" in output
    )
    code, _, errors = noisesweep("resume", "mine")
    assert code == 1
    assert f"{REGISTER}, register it in a script that calls sweeps.resume('mine')" in errors
    register(Curves)


OWN = """
import trainables
from tests.curves import Curves


@trainables.register
class Own(Curves):
    name = "own"
"""
UNREGISTERED = "own is not registered here; add --import MODULE with the module that registers it"
COMMANDS = [
    ("status mine", UNREGISTERED, "6 of"),
    ("report mine", UNREGISTERED, "report.html"),
    ("report --all", UNREGISTERED, "overview.html"),
    ("compare mine mine", UNREGISTERED, "B minus A"),
    ("validate mine.yaml", "trainable: 'own' is not known", "mine.yaml: valid"),
    ("init own new.yaml", "own", "new.yaml is written"),
    ("list", "imdb", "\nown  "),
    ("schema", '"imdb"', '"own"'),
]


@pytest.mark.parametrize(("line", "without", "imported"), COMMANDS)
def test_commands_import_what_a_script_registers(line, without, imported, noisesweep, tmp_path, monkeypatch):
    """Without the option, each names what is not registered, or lacks it."""
    (tmp_path / "own_module.py").write_text(OWN)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(imports, "_imported", [])
    monkeypatch.delitem(sys.modules, "own_module", raising=False)
    study = comparison(name="mine", trainable="own", compare={"noise": ["none", "all"]}, seeds=3)
    try:
        registry.register(type("Own", (Curves,), {"name": "own"}))
        sweep = MadeSweep(study)
        made_search(sweep, TRUTH)
        sweep.select()
        train_round(sweep, TRUTH)
        sweep.write(tmp_path / "runs")
        registry._registered.pop("own")
        (tmp_path / "mine.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
        _, output, errors = noisesweep(*line.split())
        assert without in output + errors
        assert imported not in output + errors
        code, output, errors = noisesweep(*line.split(), "--import", "own_module")
        assert code == 0
        assert "not registered" not in output + errors
        assert imported in output + errors
    finally:
        registry._registered.pop("own", None)


def test_a_module_that_cannot_be_imported_is_one_line(noisesweep):
    code, output, errors = noisesweep("list", "--import", "nowhere_at_all")
    text = (
        "--import nowhere_at_all: cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'"
    )
    assert (code, output, errors) == (1, "", f"noisesweep: {text}")


def test_a_job_retries_what_failed_only_when_it_resumes(noisesweep, curves, file):
    code, _, errors = noisesweep("submit", file, "--retry-failed")
    assert code == 2
    # The message is in a frame, where lines break.
    assert "--retry-failed is about a sweep that exists" in " ".join(errors.split())


def test_a_job_imports_modules_of_the_folder_that_is_uploaded(
    noisesweep, curves, file, tmp_path, monkeypatch
):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(imports, "_imported", [])
    outside = tmp_path.parent / f"{tmp_path.name}_outside.py"
    outside.write_text("")
    code, _, errors = noisesweep("submit", file, "--import", outside)
    assert code == 1
    rule = "must be in the folder that is uploaded; submit from its folder, not from:"
    assert errors == f"noisesweep: --import {outside}: {rule} {tmp_path}"
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/inside.py").write_text("")
    given = ["some_module", str(tmp_path / "lib/inside.py")]
    assert job_commands._import_options(given) == ["--import=some_module", "--import=lib/inside.py"]


def test_a_job_that_was_stopped_is_resumed_without_a_second_retry():
    entrypoint = "noisesweep resume mine.yaml --import=my_module --retry-failed --verbose"
    words = ["submit", "mine.yaml", "--resume", "--import=my_module", "--verbose"]
    assert cluster_jobs._resume_command(entrypoint) == words

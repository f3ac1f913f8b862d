"""Changes to the YAML of a sweep: which are harmless, and which are refused."""

import json
import time
from pathlib import Path

import pytest
import ray
import yaml

from sweeps import SweepError, load_spec, resume
from sweeps.record.folder import create_sweep
from sweeps.spec.changes import changes, missing_claims, new_claims
from tests.curves import Curves, CurveTraining, content
from tests.integration.test_cli import noisesweep as noisesweep
from tests.made_sweeps import comparison, grid, joint
from trainables import register, registry


def found(before, after):
    return {change.key: (change.before, change.after) for change in changes(before, after)}


# Two specs


def test_equal_specs_have_no_changes_however_they_are_written(tmp_path):
    for study in (comparison(), grid(), joint()):
        spec = load_spec(study)
        assert changes(spec, spec) == []
        folder = create_sweep(tmp_path, spec)
        assert changes(folder.spec(), load_spec({**study, "seed": 0, "resources": {"cpu": 1}})) == []


def test_every_key_that_differs_has_both_values():
    before = load_spec(comparison(resources={"cpu": 2, "custom": {"disk": 1}}))
    fixed = {"epochs": 7, "momentum": 0.5}
    after = load_spec(comparison(fixed=fixed, seed=3, data_dir="/data", resources={"gpu": 0.5}))
    expected = {
        "fixed.epochs": (6, 7),
        "fixed.momentum": (None, 0.5),
        "resources.cpu": (2, 1),
        "resources.gpu": (0, 0.5),
        "resources.custom.disk": (1, None),
        "seed": (0, 3),
        "data_dir": (None, "/data"),
    }
    assert found(before, after) == expected
    assert found(after, before) == {key: (new, old) for key, (old, new) in expected.items()}


def test_a_change_is_one_line_with_the_values_as_yaml_has_them():
    before, after = load_spec(joint(question="Why?")), load_spec(joint(data_dir="/data", seed=1))
    assert [str(change) for change in changes(before, after)] == [
        "question: 'Why?' in the sweep, '' now",
        "seed: 0 in the sweep, 1 now",
        "data_dir: nothing in the sweep, '/data' now",
    ]


def test_claims_change_no_trial():
    claim = {"name": "all is ahead", "metric": "test_accuracy", "better": "all", "worse": "none"}
    other = {**claim, "worse": "layer"}
    ours, theirs = load_spec(comparison(claim)), load_spec(comparison(other))
    assert changes(ours, theirs) == []
    assert new_claims(ours.claims, theirs) == theirs.claims
    assert missing_claims(ours.claims, theirs) == ours.claims
    # What counts is what a claim says, not its words.
    renamed = load_spec(comparison({**claim, "name": "all wins", "published": "all wins"}))
    assert new_claims(ours.claims, renamed) == missing_claims(ours.claims, renamed) == []
    assert new_claims(ours.claims, load_spec(comparison({**claim, "by": 0.01})))


HARMLESS = {
    "question": {"question": "Why?"},
    "resources.cpu": {"resources": {"cpu": 2}},
    "resources.memory": {"resources": {"memory": 1}},
    "resources.custom.disk": {"resources": {"custom": {"disk": 1}}},
    "budget.concurrent": {"budget": {"trials": 20, "concurrent": 3}},
    "max_failures": {"max_failures": 9},
    "data_dir": {"data_dir": "/data"},
}
HARMFUL = {
    "trainable": {"trainable": "mnist"},
    "fixed.epochs": {"fixed": {"epochs": 7}},
    "search.lr.log_uniform": {"search": {**joint()["search"], "lr": {"log_uniform": [1e-4, 0.1]}}},
    "budget.trials": {"budget": {"trials": 21}},
    "objective.metric": {"objective": {"metric": "val_loss", "mode": "min"}},
    "resources.gpu": {"resources": {"gpu": 1}},
    "seed": {"seed": 1},
}


@pytest.mark.parametrize("key", [*HARMLESS, *HARMFUL])
def test_which_changes_are_harmless(key):
    after = load_spec(joint(**{**HARMLESS, **HARMFUL}[key]))
    by_key = {change.key: change for change in changes(load_spec(joint()), after)}
    assert by_key[key].harmless == (key in HARMLESS)


@pytest.mark.parametrize(("before", "after", "harmless"), [(0, 0.5, False), (1, 0, False), (1, 0.5, True)])
def test_a_gpu_is_another_device_and_a_share_of_one_is_not(before, after, harmless):
    specs = (load_spec(joint(resources={"gpu": gpu})) for gpu in (before, after))
    (change,) = changes(*specs)
    assert (change.key, change.harmless) == ("resources.gpu", harmless)


# A study that has a sweep


GRID = {
    "name": "test-changes",
    "trainable": "curves",
    "mode": "grid",
    "compare": {"noise": ["none", "all"]},
    "fixed": {"epochs": 1},
    "search": {"lr": {"grid": [0.1, 0.2]}, "sigma": {"grid": [0.1], "when": {"noise": ["all"]}}},
    "seeds": 2,
    "objective": {"metric": "val_accuracy", "mode": "max"},
    "resources": {"gpu": 0},
}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(GRID, sort_keys=False))
    return path


@pytest.fixture
def folder(curves, file, tmp_path, monkeypatch):
    """A sweep that was killed before its first trial."""
    # The variable would count as a change of data_dir.
    monkeypatch.delenv("NOISESWEEP_DATA_DIR", raising=False)
    return create_sweep(tmp_path / "runs", load_spec(file))


def on_disk(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}


def changed(*overrides):
    return [word for override in overrides for word in ("--set", override)]


def test_run_shows_what_the_yaml_has_changed_and_how_to_go_on(noisesweep, folder, file, tmp_path):
    before = on_disk(tmp_path)
    code, output, errors = noisesweep("run", file, *changed("seeds=3", "resources.cpu=2", "fixed.epochs=4"))
    assert (code, output) == (1, "")
    advice = "resume it (noisesweep resume test-changes) or start another (run with --new)"
    assert errors.splitlines() == [
        f"noisesweep: {folder.path}: the study 'test-changes' has a sweep; {advice}",
        "  fixed.epochs: 1 in the sweep, 4 now",
        "  resources.cpu: 1.0 in the sweep, 2.0 now",
        "  seeds: 2 in the sweep, 3 now",
    ]
    assert noisesweep("run", file)[2].splitlines() == errors.splitlines()[:1]
    assert on_disk(tmp_path) == before


COMPARE = ("compare={noise: [none, layer]}", "search.sigma.when.noise=[layer]")
REFUSED = [
    (("fixed.epochs=2",), ["fixed.epochs: 1 in the sweep, 2 now"]),
    (("search.lr.grid=[0.1]",), ["search.lr.grid: [0.1, 0.2] in the sweep, [0.1] now"]),
    (("seeds=1",), ["seeds: 2 in the sweep, 1 now"]),
    (("seed=5",), ["seed: 0 in the sweep, 5 now"]),
    (
        COMPARE,
        [
            "compare.noise: ['none', 'all'] in the sweep, ['none', 'layer'] now",
            "search.sigma.when.noise: ['all'] in the sweep, ['layer'] now",
        ],
    ),
    (("resources.gpu=1", "question=Why?"), ["resources.gpu: 0.0 in the sweep, 1.0 now"]),
]


@pytest.mark.parametrize(("overrides", "shown"), REFUSED, ids=[overrides[0] for overrides, _ in REFUSED])
def test_resume_refuses_changes_that_make_trials_incomparable(
    overrides, shown, noisesweep, folder, file, tmp_path
):
    before = on_disk(tmp_path)
    code, output, errors = noisesweep("resume", file, *changed(*overrides))
    first, *lines = errors.splitlines()
    assert (code, output) == (1, "")
    advice = "revert these changes, or start another sweep (run with --new):"
    assert (
        first == f"noisesweep: {folder.path}: new trials would not be comparable with existing ones; {advice}"
    )
    assert lines == [f"  {line}" for line in shown]
    assert on_disk(tmp_path) == before


def test_resume_takes_a_shipped_study_by_its_name_with_changes(noisesweep, tmp_path):
    create_sweep(tmp_path / "runs", load_spec("digits"))
    code, output, errors = noisesweep("resume", "digits", *changed("fixed.epochs=4"))
    assert (code, output) == (1, "")
    assert errors.splitlines()[1:] == ["  fixed.epochs: 10 in the sweep, 4 now"]


def test_without_a_gpu_is_not_compared_with_one(noisesweep, curves, file, tmp_path):
    create_sweep(tmp_path / "runs", load_spec(file, ["resources.gpu=1"]))
    _, _, errors = noisesweep("resume", file)
    assert errors.splitlines()[1:] == ["  resources.gpu: 1.0 in the sweep, 0.0 now"]


class Placed(Curves):
    """A trainable that records the resources it got from Ray."""

    name = "placed"

    def start(self, hyperparameters, *, seed, device="cpu", test=False, equal="gradients"):
        given = ray.get_runtime_context().get_assigned_resources()
        Path(self.data_dir, f"given-{time.time_ns()}.json").write_text(json.dumps(given))
        return CurveTraining(hyperparameters, seed, test)


def test_resume_accepts_and_records_harmless_changes(ray_session, tmp_path, monkeypatch):
    file, here = tmp_path / "sweep.yaml", tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(tmp_path)
    register(Placed)
    fixed = {"epochs": 2, "trouble": "raise"}
    study = content(trainable="placed", fixed=fixed, search={"lr": [0.1]}, max_failures=0)
    study["budget"] = {"trials": 1, "concurrent": 1}
    folder = create_sweep(tmp_path / "runs", load_spec(study))
    question = {"question": "Why?", "max_failures": 1, "data_dir": "here", "resources": {"cpu": 0.5}}
    file.write_text(yaml.safe_dump({**study, **question, "budget": {"trials": 1, "concurrent": 2}}))
    try:
        result = resume(load_spec(file), storage=tmp_path / "runs")
    finally:
        registry._registered.pop("placed")
    assert result.complete
    resolved = yaml.safe_load((folder.path / "resolved.yaml").read_text())
    assert resolved["question"] == "Why?"
    assert resolved["resources"]["cpu"] == 0.5
    assert resolved["budget"] == {"trials": 1, "concurrent": 2, "equal": "gradients"}
    assert resolved["max_failures"] == 1
    assert resolved["data_dir"] == str(here)
    given = [json.loads(path.read_text()) for path in here.iterdir()]
    assert given == 2 * [{"CPU": 0.5}], "the trial fails once, and is retried"


def test_resources_that_no_node_has_are_not_recorded(ray_session, folder, file, tmp_path):
    before = on_disk(tmp_path)
    with pytest.raises(SweepError, match="a trial asks for 64 cpu on one node; nodes have at most 1 cpu"):
        resume(load_spec(file, ["resources.cpu=64"]), storage=tmp_path / "runs")
    assert on_disk(tmp_path) == before


def test_a_running_sweep_is_not_changed(ray_session, folder, file, tmp_path):
    before = on_disk(tmp_path)
    with folder.lock(), pytest.raises(SweepError, match="this sweep is running already"):
        resume(load_spec(file, ["question=Why?"]), storage=tmp_path / "runs")
    assert on_disk(tmp_path) == before

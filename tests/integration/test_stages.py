"""Studies of arms in stages, on real Ray, Optuna and MLflow; formulas stand in for training."""

import json
import shutil
import signal
from collections import Counter

import pytest
from mlflow import MlflowClient

from sweeps import resume, run
from sweeps.engine import stages, stopping
from sweeps.record.correctness import unpacked
from sweeps.record.folder import latest_sweep
from sweeps.record.trials import CONFIRM, ENDED, SEARCH
from sweeps.worker.serialization import from_bytes
from tests.curves import Curves
from tests.interrupted import ARMS, Interrupter, killed
from tests.runs import children, history
from tests.threaded import publish_in_a_thread
from trainables import register

MODES = ["none", "all", "layer"]
ASHA = {"asha": {"grace_epochs": 1, "reduction_factor": 2}}
TEST_METRICS = {"test_loss", "test_accuracy"}
TIMING = {"epoch_seconds", "examples_per_second"}

pytestmark = pytest.mark.usefixtures("curves")


def study(**changes):
    base = {
        "name": "test-arms",
        "trainable": "curves",
        "compare": {"noise": MODES},
        "fixed": {"epochs": 4},
        "search": {
            "sigma": {"log_uniform": [1e-4, 0.3], "when": {"noise": MODES[1:]}},
            "lr": {"log_uniform": [1e-3, 0.1]},
        },
        "stages": {"search": {"trials_per_arm": 4, "scheduler": ASHA}, "confirm": {"seeds": 2}},
        "objective": {"metric": "val_accuracy", "mode": "max"},
        "budget": {"concurrent": 2},
    }
    return base | changes


@pytest.fixture(scope="module")
def confirmed(ray_session, tmp_path_factory):
    """A study from start to end: the two best of each of three arms, on two seeds."""
    register(Curves)
    stages = {
        "search": {"trials_per_arm": 4, "scheduler": ASHA},
        "confirm": {"seeds": 2, "top": 2, "curvature": "end", "weight_noise": [0.01, 1]},
    }
    claims = [{"name": "none wins", "metric": "test_accuracy", "better": "none", "worse": ["all", "layer"]}]
    spec = study(stages=stages, claims=claims, seed=5)
    with pytest.MonkeyPatch.context() as patch:
        publish_in_a_thread(patch)
        return run(spec, storage=tmp_path_factory.mktemp("runs"))


def test_search_is_followed_by_confirm(confirmed):
    state = confirmed.state
    assert confirmed.complete
    assert confirmed.undelivered == 0
    assert [trial.stage for trial in state.trials.values()] == 11 * [SEARCH] + 12 * [CONFIRM]
    # `none` has no sigma to search.
    assert Counter(trial.arm for trial in state.of_stage(SEARCH)) == {"none": 3, "all": 4, "layer": 4}
    assert Counter(trial.status for trial in state.of_stage(SEARCH)).keys() == {"finished", "stopped"}
    assert {trial.seed for trial in state.of_stage(SEARCH)} == {5}
    for first in range(0, 9, 3):  # in turn
        assert {trial.arm for trial in state.of_stage(SEARCH)[first : first + 3]} == set(MODES)
    (judged,) = confirmed.claims
    assert judged.differences[0].n == 2  # seeds


def test_the_best_of_each_arm_are_trained_in_full_on_seeds_that_all_share(confirmed):
    state = confirmed.state
    by_score = sorted(state.of_stage(SEARCH), key=state.score, reverse=True)
    for mode in MODES:
        best = [trial.hyperparameters for trial in by_score if trial.arm == mode][:2]
        points = [point for point in state.selected if point["noise"] == mode]
        assert points == [{name: hp[name] for name in ("noise", "sigma", "lr")} for hp in best]
    trials = state.of_stage(CONFIRM)
    runs = Counter((trial.seed, *state.spec.searched_of(trial.hyperparameters).values()) for trial in trials)
    assert runs == Counter((seed, *point.values()) for seed in (6, 7) for point in state.selected)
    assert [trial.seed for trial in trials] == 6 * [6] + 6 * [7]  # a partial run is balanced
    assert {(trial.status, len(trial.epochs)) for trial in trials} == {("finished", 4)}
    assert {trial.hyperparameters["curvature"] for trial in trials} == {"end"}
    assert {trial.hyperparameters["curvature"] for trial in state.of_stage(SEARCH)} == {"never"}
    assert {tuple(trial.hyperparameters["weight_noise"]) for trial in trials} == {(0.01, 1.0)}
    assert {tuple(trial.hyperparameters["weight_noise"]) for trial in state.of_stage(SEARCH)} == {()}


def test_the_test_split_is_read_once_after_the_last_epoch_of_confirm(confirmed):
    runs = children(confirmed)
    for trial in confirmed.state.trials.values():
        have = {epoch for epoch, metrics in trial.epochs.items() if TEST_METRICS & metrics.keys()}
        assert have == ({4} if trial.stage == CONFIRM else set())
        run_id = runs[trial.id].info.run_id
        for metric in TEST_METRICS:
            logged = {epoch: trial.epochs[epoch][metric] for epoch in have}
            assert history(confirmed, run_id, metric) == logged


def test_mlflow_tells_the_stages_apart_and_has_the_report(confirmed):
    runs = children(confirmed)
    assert runs.keys() == confirmed.state.trials.keys()
    for trial in confirmed.state.trials.values():
        tags = runs[trial.id].data.tags
        assert (tags["stage"], tags["seed"]) == (trial.stage, str(trial.seed))
        assert tags["mlflow.runName"].endswith(f"-seed{trial.seed}") == (trial.stage == CONFIRM)
    client = MlflowClient(confirmed.tracking_uri)
    paths = [file.path for file in client.list_artifacts(confirmed.run_id, "report")]
    assert {"report/report.html", "report/report.md"} < set(paths)
    assert any(path.endswith(".png") for path in paths)
    parent = client.get_run(confirmed.run_id)
    assert parent.data.tags["best_trial"] == confirmed.best.trial.id
    assert parent.data.tags["best_arm"] == confirmed.best.standing.text == "no arm can be told from none"
    assert confirmed.best.trial.stage == CONFIRM


def test_an_arm_that_always_diverges_is_left_out(ray_session, tmp_path):
    spec = study(
        compare={"trouble": ["none", "diverge"]},
        search={"lr": {"uniform": [0.01, 0.1]}},
        stages={"search": {"trials_per_arm": 2}, "confirm": {"seeds": 2}},
    )
    result = run(spec, storage=tmp_path)
    assert result.complete
    assert Counter((trial.stage, trial.arm, trial.status) for trial in result.state.trials.values()) == {
        (SEARCH, "none", "finished"): 2,
        (SEARCH, "diverge", "diverged"): 2,
        (CONFIRM, "none", "finished"): 2,
    }
    assert (result.path / "report" / "report.html").exists()


def test_nothing_to_confirm_ends_the_sweep(ray_session, tmp_path, capsys):
    spec = study(
        compare={"trouble": ["diverge", "raise"]},
        search={"lr": {"uniform": [0.01, 0.1]}},
        stages={"search": {"trials_per_arm": 1}, "confirm": {"seeds": 2}},
        max_failures=0,
    )
    result = run(spec, storage=tmp_path)
    assert result.complete
    assert result.best is None
    assert result.state.of_stage(CONFIRM) == []
    output = capsys.readouterr().out
    assert "failed, 2 of 2 trials ended: 1 diverged, 1 failed" in output
    assert "the report failed" not in output


def test_an_empty_value_is_kept_in_every_place(ray_session, tmp_path):
    stages = {"search": {"trials_per_arm": 2}, "confirm": {"seeds": 2}}
    compare, search = {"weight_decay": [None, 0.001]}, {"optimizer": ["sgd"], "lr": {"uniform": [0.1, 0.2]}}
    result = run(study(compare=compare, search=search, stages=stages), storage=tmp_path)
    assert result.complete
    arms = Counter((trial.stage, trial.arm) for trial in result.state.trials.values())
    assert arms == {(stage, arm): 2 for stage in (SEARCH, CONFIRM) for arm in ("None", "0.001")}
    assert {trial.hyperparameters["weight_decay"] for trial in result.state.trials.values()} == {None, 0.001}
    params = [run.data.params for run in children(result).values()]
    used = Counter((each["weight_decay"], each.get("weight_decay_listed")) for each in params)
    assert used == {("0.0005", "None"): 4, ("0.001", None): 4}
    assert {*result.frame["weight_decay_used"].dropna()} == {5e-4}
    assert "| None |" in (latest_sweep(tmp_path, "test-arms").report / "report.md").read_text()
    # Nothing is left to train.
    assert resume("test-arms", storage=tmp_path).state.trials == result.state.trials


def test_a_budget_in_epochs(ray_session, tmp_path, capsys):
    spec = study(stages={"search": {"epochs_per_arm": 10, "scheduler": ASHA}})
    result = run(spec, storage=tmp_path)
    spent = Counter()
    for trial in result.state.trials.values():
        spent[trial.arm] += len(trial.epochs)
    assert result.complete
    assert 8 <= spent.pop("none") < 12
    assert all(10 <= epochs < 14 for epochs in spent.values())
    output = capsys.readouterr().out
    n = len(result.state.trials)
    assert (
        "test-arms: 3 arms of noise, 10 epochs each (8 of none); curves, at most 4 epochs each, in " in output
    )
    assert f"[{n}/?] " in output
    assert f"complete, {n} trials ended: " in output


def test_a_grid_compares_arms_at_every_point(ray_session, tmp_path):
    search = {"sigma": {"grid": [0.1, 0.2], "when": {"noise": ["all", "layer"]}}}
    claim = {"name": "all", "metric": "val_accuracy", "better": "none", "worse": "all"}
    spec = study(mode="grid", search=search, seeds=2, claims=[{**claim, "where": {"sigma": 0.2}}])
    del spec["stages"]
    result = run(spec, storage=tmp_path)
    runs = [(trial.arm, trial.hyperparameters["sigma"], trial.seed) for trial in result.state.trials.values()]
    points = [("none", 0), *((mode, sigma) for mode in ("all", "layer") for sigma in (0.1, 0.2))]
    assert sorted(runs) == sorted((*point, seed) for point in points for seed in (0, 1))
    (judged,) = result.claims
    assert judged.differences[0].mean == pytest.approx(0.2 * (1 - 0.5**4))


def test_arms_that_share_a_seed_share_weights_and_batches(ray_session, tmp_path):
    """Real training: noise of sigma 0 is no noise, bit for bit."""
    spec = study(
        name="test-paired",
        trainable="digits",
        compare={"noise": ["none", "all", "after_layer"]},
        fixed={"epochs": 2, "train_subset": 200, "sigma": 0.0, "lr": 0.05},
        search={},
        stages={"search": {"trials_per_arm": 1}, "confirm": {"seeds": 2}},
    )
    result = run(spec, storage=tmp_path)
    by_seed = {}
    # The journal has which test examples are right, of trials that read them.
    assert {trial.correct for trial in result.state.of_stage(SEARCH)} == {None}
    for trial in result.state.of_stage(CONFIRM):
        assert unpacked(trial.correct).mean() == trial.last["test_accuracy"]
        metrics = [{k: v for k, v in epoch.items() if k not in TIMING} for epoch in trial.epochs.values()]
        by_seed.setdefault(trial.seed, []).append(metrics)
    assert by_seed.keys() == {1, 2}
    for none, *others in by_seed.values():
        assert "test_accuracy" in none[-1]
        assert others == [none, none]
    assert by_seed[1][0] != by_seed[2][0]


# Interrupted, and resumed.


def assert_confirmed(state, seeds=(1, 2, 3, 4)):
    """Every arm's best has one finished trial a seed."""
    assert state.complete
    assert [point["noise"] for point in state.selected] == ["none", "all"]
    for point in state.selected:
        assert [trial.seed for trial in state.confirmed(point)] == list(seeds)
        assert {trial.status for trial in state.confirmed(point)} == {"finished"}
    assert len(state.of_stage(CONFIRM)) == 2 * len(seeds)
    assert sum(state.counts().values()) == state.n_trials


def selections(folder):
    return [event["points"] for event, _ in folder.journal.read() if event["event"] == "select"]


def assert_resumed(folder, before):
    """Resume what was interrupted: nothing is done again, nothing is left out."""
    assert not before.complete
    result = resume("interrupted", storage=folder.storage)
    state = result.state
    assert_confirmed(state)
    assert selections(folder) == [state.select()]
    assert before.selected in (None, state.selected)
    searched = Counter(trial.arm for trial in state.of_stage(SEARCH) if trial.status in ENDED)
    assert searched == {"none": 3, "all": 4}
    assert len(state.trials) == 7 + 8
    seen = [
        (event["trial"], event["epoch"]) for event, _ in folder.journal.read() if event["event"] == "epoch"
    ]
    assert len(set(seen)) == len(seen)
    parent, runs = MlflowClient(result.tracking_uri).get_run(result.run_id), children(result)
    assert sorted(runs) == sorted(state.trials)
    assert {run.info.status for run in (parent, *runs.values())} == {"FINISHED"}
    assert folder.checkpoints(result.best.trial.id).load(from_bytes)["training"]["epoch"] == 3


def test_interrupted_in_search(ray_session, tmp_path, monkeypatch, capsys):
    spec = {**ARMS, "stages": {"search": {"epochs_per_arm": 12}, "confirm": {"seeds": 4}}}
    with monkeypatch.context() as patch:
        patch.setenv("INTERRUPT_WITH", str(int(signal.SIGINT)))
        patch.setenv("INTERRUPT_AT", "search:3")
        patch.setattr(stages, "SweepCallback", Interrupter)
        patch.setattr(stopping, "_PATIENCE_SECONDS", 300)  # after that it would end this process
        before = run(spec, storage=tmp_path).state
    assert f"Resume with: noisesweep resume interrupted --storage {tmp_path}" in capsys.readouterr().out
    assert (before.selected, before.of_stage(CONFIRM)) == (None, [])
    assert_resumed(latest_sweep(tmp_path, "interrupted"), before)


def test_killed_in_confirm(ray_session, tmp_path):
    driver = killed(tmp_path, "confirm:3")
    assert driver.returncode == -signal.SIGKILL, driver.stderr
    folder = latest_sweep(tmp_path, "interrupted")
    before = folder.state()
    assert before.selected
    assert before.of_stage(CONFIRM)
    assert_resumed(folder, before)


def test_killed_between_the_stages(confirmed, tmp_path):
    """Cut back to after the selection."""
    storage = shutil.copytree(confirmed.path.parents[1], tmp_path / "runs")
    folder = latest_sweep(storage, "test-arms")
    lines = folder.journal.path.read_text().splitlines(keepends=True)
    last = next(number for number, line in enumerate(lines) if json.loads(line)["event"] == "select")
    folder.journal.path.write_text("".join(lines[: last + 1]))
    folder.bookmark.unlink()
    cut = folder.state()
    assert (cut.searched, cut.complete, cut.of_stage(CONFIRM)) == (True, False, [])
    state = resume("test-arms", storage=storage).state
    assert state.complete
    assert state.selected == confirmed.state.selected
    again, before = (
        [(trial.arm, trial.seed, trial.last["test_accuracy"]) for trial in each.of_stage(CONFIRM)]
        for each in (state, confirmed.state)
    )
    assert again == before

"""Which networks a sweep keeps while it runs, and which one it exports."""

import pytest

from sweeps.analysis.best import best_of
from sweeps.engine.networks import Networks, drop_all_but, to_export
from sweeps.record.trials import CONFIRM
from tests.made_sweeps import MadeSweep, comparison, curve, grid, joint

LOST = {"train_loss": 1.0, "val_loss": 1.0, "val_accuracy": float("nan")}


class Run:
    """A made sweep whose trials save a checkpoint and end one after the other, as under Ray."""

    def __init__(self, sweep, storage):
        self.sweep, self.folder = sweep, sweep.write(storage)
        self.written = len(sweep.events)
        self.begin()

    def begin(self):
        """Begin a stage, or begin again after an interruption."""
        self.state = self.folder.state()
        self.networks = Networks(self.folder, self.state)

    def end(self, point, seed, score, **trial):
        """Train a trial to its end, and return its ID."""
        epochs, status = ([LOST], "diverged") if score is None else (curve(score), "finished")
        name = self.sweep.trial(point, seed, epochs, status=status, **trial)
        self.folder.checkpoints(name).save(6, b"weights")
        self.record()
        self.networks.ended(self.state.trials[name])
        return name

    def record(self):
        """Write the events that the journal does not have."""
        for event in self.folder.journal.extend(self.sweep.events[self.written :]):
            self.state.apply(event)
        self.written = len(self.sweep.events)

    @property
    def kept(self):
        return self.folder.saved_trials()


@pytest.fixture
def confirming(tmp_path):
    """A study of two arms that has searched; the networks of a search are of no use later."""
    content = comparison(
        compare={"noise": ["none", "all"]}, seeds=3, search={}, fixed={"epochs": 6, "sigma": 0.1}
    )
    stages = {**content["stages"], "search": {"trials_per_arm": 1}}
    run = Run(MadeSweep({**content, "stages": stages}), tmp_path)
    for arm in ("none", "all"):
        run.end({"noise": arm}, 0, 0.5)
    run.sweep.select()
    run.record()
    run.begin()
    return run


def confirm(run, arm, seed, score):
    return run.end({"noise": arm}, seed, score, stage=CONFIRM)


def test_a_search_keeps_the_best_trial_alone(tmp_path):
    run = Run(MadeSweep(joint()), tmp_path)
    first = run.end({"noise": "none", "lr": 0.1}, 0, 0.8)
    run.end({"noise": "none", "lr": 0.2}, 0, 0.7)
    run.end({"noise": "none", "lr": 0.3}, 0, None)
    assert run.kept == {first}
    better = run.end({"noise": "all", "lr": 0.1, "sigma": 0.1}, 0, 0.9)
    assert run.kept == {better}


def test_of_every_configuration_the_best_seed_is_kept_until_the_mean_is_known(confirming):
    (searched,) = confirming.kept
    none = [confirm(confirming, "none", seed, 0.80 + seed / 100) for seed in (1, 2)]
    lucky = confirm(confirming, "all", 1, 0.99)
    confirm(confirming, "all", 2, 0.6)
    assert confirming.kept == {searched, none[1], lucky}
    # The next driver knows what was kept.
    confirming.begin()
    confirm(confirming, "all", 3, None)
    assert to_export(confirming.folder) is None
    last = confirm(confirming, "none", 3, 0.83)
    assert confirming.kept == {searched, last, lucky}
    best = to_export(confirming.folder)
    assert best.id == best_of(confirming.state).trial.id == last
    drop_all_but(confirming.folder, best)
    assert confirming.kept == {last}


def test_a_failed_trial_keeps_its_checkpoints_for_a_retry(confirming):
    failed = confirming.sweep.trial({"noise": "all"}, 1, curve(0.9)[:3], stage=CONFIRM, status="failed")
    confirming.folder.checkpoints(failed).save(3, b"weights")
    confirming.record()
    best = confirm(confirming, "none", 1, 0.8)
    drop_all_but(confirming.folder, confirming.state.trials[best])
    assert confirming.kept == {best, failed}


def test_a_network_that_has_been_exported_is_not_exported_again(confirming):
    ids = [confirm(confirming, arm, seed, 0.8) for seed in (1, 2, 3) for arm in ("none", "all")]
    best = to_export(confirming.folder)
    assert best.id in ids
    confirming.folder.journal.append("model", best=best.id)
    assert to_export(confirming.folder) is None


def test_the_best_seed_whose_network_was_kept_is_exported(confirming):
    """Those of an earlier version, or of a sweep that was complete before, may be gone."""
    best = confirm(confirming, "none", 1, 0.9)
    confirming.folder.checkpoints(best).drop()
    confirming.begin()
    second = confirm(confirming, "none", 2, 0.8)
    confirm(confirming, "none", 3, 0.7)
    for seed in (1, 2, 3):
        confirm(confirming, "all", seed, 0.5)
    assert best_of(confirming.state).trial.id == best
    assert to_export(confirming.folder).id == second


def test_a_grid_with_seeds_keeps_one_network_a_point(tmp_path):
    run = Run(MadeSweep(grid(seeds=2)), tmp_path)
    kept = []
    for sigma in (0.01, 0.1):
        run.end({"noise": "layer", "sigma": sigma}, 0, 0.7)
        kept.append(run.end({"noise": "layer", "sigma": sigma}, 1, 0.8))
    assert run.kept == set(kept)

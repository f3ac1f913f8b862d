"""Sweeps that were never run: journal events with a known truth, as the driver would have written them."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sweeps.analysis.claims import closing_event
from sweeps.record.folder import SweepFolder, create_sweep
from sweeps.record.state import SweepState
from sweeps.record.trials import CONFIRM, SEARCH
from sweeps.search.configuration import split_config, trial_id
from sweeps.search.history import listed_trials, not_ended
from sweeps.spec.load import load_spec
from sweeps.spec.model import Spec
from trainables.declarations.hyperparameters import Hyperparameters

MODES = ["none", "all", "layer", "after_all", "after_layer"]
NOISY = MODES[1:]
TRUTH = {"none": 0.90, "all": 0.90, "layer": 0.91, "after_all": 0.87, "after_layer": 0.88}
SIGMA = {"when": "noisy"}
# Standard deviations of what a seed adds to the scores of all arms alike, and to those of each arm.
SHARED, PAIRED = 0.01, 0.003
_START = 1_790_000_000_000  # ms


def comparison(*claims: Mapping[str, Any], seeds: int = 10, top: int = 1, **changes: Any) -> dict[str, Any]:
    """Return the content of a study with a search and a confirm stage."""
    base = {
        "name": "made-comparison",
        "question": "Which noise helps?",
        "trainable": "digits",
        "compare": "noise",
        "fixed": {"epochs": 6},
        "search": {"sigma": {"log_uniform": [1e-4, 0.3], **SIGMA}, "lr": {"log_uniform": [1e-3, 0.1]}},
        "stages": {
            "search": {
                "trials_per_arm": 5,
                "scheduler": {"asha": {"grace_epochs": 2, "reduction_factor": 2}},
            },
            "confirm": {"seeds": seeds, "top": top, "curvature": "end"},
        },
        "objective": {"metric": "val_accuracy", "mode": "max"},
        "claims": list(claims),
    }
    return base | changes


def scored_under(*sigmas: float, **confirm: Any) -> dict[str, Any]:
    """Return the ``stages`` of a comparison whose confirmed networks are scored under weight noise."""
    stages = comparison()["stages"]
    return {**stages, "confirm": {**stages["confirm"], "weight_noise": [*sigmas], **confirm}}


def grid(*claims: Mapping[str, Any], seeds: int = 10, **changes: Any) -> dict[str, Any]:
    """Return the content of a grid over two sigmas."""
    base = {
        "name": "made-grid",
        "trainable": "digits",
        "mode": "grid",
        "compare": "noise",
        "fixed": {"epochs": 6},
        "search": {"sigma": {"grid": [0.01, 0.1], **SIGMA}},
        "seeds": seeds,
        "objective": {"metric": "val_accuracy", "mode": "max"},
        "claims": list(claims),
    }
    return base | changes


def joint(**changes: Any) -> dict[str, Any]:
    """Return the content of a search without stages."""
    base = {
        "name": "made-joint",
        "trainable": "digits",
        "fixed": {"epochs": 6},
        "search": {
            "noise": MODES,
            "sigma": {"log_uniform": [1e-4, 0.3], **SIGMA},
            "lr": {"log_uniform": [1e-3, 0.1]},
        },
        "objective": {"metric": "val_accuracy", "mode": "max"},
        "budget": {"trials": 20},
    }
    return base | changes


def curve(score: float, epochs: int = 6, **last: float) -> list[dict[str, float]]:
    """Return metrics by epoch: accuracy rises to a score, in steps that halve from epoch to epoch."""
    metrics = []
    for epoch in range(1, epochs + 1):
        accuracy = score * (1 - 0.5**epoch) / (1 - 0.5**epochs)
        metrics.append({"train_loss": 1 - accuracy, "val_loss": 1 - accuracy, "val_accuracy": accuracy})
    metrics[-1] |= last
    return metrics


class MadeSweep:
    """The journal events of a sweep, added trial by trial."""

    def __init__(self, content: Mapping[str, Any] | Spec) -> None:
        self.spec = content if isinstance(content, Spec) else load_spec(content)
        self.events: list[dict[str, Any]] = []
        self._trials = 0
        self._write("begin", versions="python 3.11, torch 2", git_commit=None)

    def trial(
        self,
        searched: Mapping[str, Any],
        seed: int,
        epochs: Sequence[Mapping[str, float]],
        *,
        stage: str = SEARCH,
        status: str = "finished",
        hyperparameters: dict[str, Any] | None = None,
        name: str | None = None,
    ) -> str:
        """Add a trial with its metrics by epoch; one that is ``running`` has not ended."""
        self._trials += 1
        name = name or trial_id(self._trials)
        values = hyperparameters or self.spec.values(searched)
        about = {"stage": stage, "arm": str(values[self.spec.compared]), "seed": seed}
        used = self.spec.used(searched)
        self._write("start", trial=name, number=int(name), hyperparameters=values, used=used, **about)
        for index, metrics in enumerate(epochs):
            tags = {"host": "made", "data_fingerprint": "made"}
            self._write("epoch", trial=name, epoch=index + 1, metrics=dict(metrics), tags=tags)
        if status != "running":
            self._write("end", trial=name, status=status, reason="")
        return name

    def select(self) -> list[dict[str, Any]]:
        """End the search: select the configurations to confirm, as the driver does."""
        points = self.state.select()
        self._write("select", points=points)
        return points

    def close_look(self) -> bool:
        """Close a look as the driver does; return whether another one follows."""
        event = closing_event(self.state)
        if event is not None:
            self.add(event)
        return not self.state.complete

    def add(self, *events: Mapping[str, Any]) -> None:
        """Add events, such as those of an extension."""
        for event in events:
            self._write(**event)

    def _write(self, event: str, **fields: Any) -> None:
        self.events.append({"event": event, "time": _START + 1000 * len(self.events), **fields})

    @property
    def state(self) -> SweepState:
        """The state after these events, which have passed through JSON as in a journal."""
        return SweepState(self.spec, json.loads(json.dumps(self.events)))

    def write(self, storage: Path) -> SweepFolder:
        """Write the sweep to a storage, where ``noisesweep report`` finds it."""
        folder = create_sweep(storage, self.spec)
        folder.journal.extend(self.events)
        return folder


def draws(arms: Sequence[str], seeds: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Draw what each seed adds to the score of each arm; a part of it is the same for all arms."""
    shared = SHARED * rng.standard_normal(seeds)
    return {arm: shared + PAIRED * rng.standard_normal(seeds) for arm in arms}


def search(sweep: MadeSweep, truth: Mapping[str, float], seed: int = 0, left_out: Sequence[str] = ()) -> None:
    """Add a search: two of an arm's five trials are stopped; in arms left out, all diverge at once."""
    rng = np.random.default_rng(seed)
    n = sweep.spec.stages.search.trials_per_arm if sweep.spec.stages else 4
    for index in range(n or 5):
        for arm in sweep.spec.arms:
            point = {sweep.spec.compared: arm, "lr": float(10 ** rng.uniform(-3, -1))}
            if point.get("noise") in NOISY:
                point["sigma"] = float(10 ** rng.uniform(-4, -0.6))
            score = truth[str(arm)] - 0.1 * abs(np.log10(point["lr"]) + 2)
            if str(arm) in left_out:
                lost = {"train_loss": float("nan"), "val_loss": float("nan"), "val_accuracy": float("nan")}
                sweep.trial(point, sweep.spec.seed, [lost], status="diverged")
            elif index in (1, 3):
                sweep.trial(point, sweep.spec.seed, curve(score)[: 1 + index], status="stopped")
            else:
                sweep.trial(point, sweep.spec.seed, curve(score))


def confirm(
    sweep: MadeSweep,
    truth: Mapping[str, float],
    seed: int = 1,
    *,
    only: int | None = None,
    diverged: Mapping[str, Sequence[int]] | None = None,
) -> None:
    """Add a confirm stage with these scores on the test split; those on validation are 0.01 higher."""
    seeds = sweep.spec.replicates
    drawn = draws([str(arm) for arm in sweep.spec.arms], len(seeds), np.random.default_rng(seed))
    for index, trial_seed in list(enumerate(seeds))[:only]:
        for point in sweep.state.selected or []:
            arm = str(point[sweep.spec.compared])
            known = {name: value for name, value in point.items() if name in sweep.spec.space}
            if trial_seed in (diverged or {}).get(arm, ()):
                lost = {"train_loss": float("nan"), "val_loss": float("nan"), "val_accuracy": 0.1}
                sweep.trial(known, trial_seed, [*curve(0.5)[:2], lost], stage=CONFIRM, status="diverged")
                continue
            score = float(truth[arm] + drawn[arm][index])
            last = {"test_accuracy": score, "test_loss": 1 - score, "hessian_trace": 50 + 1000 * (1 - score)}
            # Under weight noise, every network loses the same part of its score.
            last |= {f"test_accuracy_under_{s:g}": score * (1 - s) for s in sweep.spec.weight_noise}
            sweep.trial(known, trial_seed, curve(score + 0.01, **last), stage=CONFIRM)


def take_looks(sweep: MadeSweep, truth: Mapping[str, float], *, looks: int | None = None) -> MadeSweep:
    """Train and close looks as the driver does, until the sweep is complete or so many are closed.

    What a seed adds to an arm depends on nothing but the two.
    """
    closed = 0
    while not sweep.state.complete and closed != looks:
        train_round(sweep, truth)
        sweep.close_look()
        closed += 1
    return sweep


def train_round(sweep: MadeSweep, truth: Mapping[str, float], *, only: int | None = None) -> None:
    """Train what the looks that have begun still lack; ``only`` so many trials."""
    state = sweep.state
    for configuration in not_ended(state, listed_trials(state))[:only]:
        name, point, seed = split_config(configuration)
        searched = {key: value for key, value in point.items() if key in sweep.spec.space}
        arm = str(point[sweep.spec.compared])
        shared, own = (np.random.default_rng(key).standard_normal() for key in ([seed], [seed, len(arm)]))
        score = float(truth[arm] + SHARED * shared + PAIRED * own)
        metrics = curve(score, test_accuracy=score, test_loss=1 - score)
        stage = state.looked_stage or SEARCH
        sweep.trial(searched, seed, metrics, stage=stage, name=name)


def made_comparison(
    *claims: Mapping[str, Any],
    truth: Mapping[str, float] = TRUTH,
    diverged: Mapping[str, Sequence[int]] | None = None,
    left_out: Sequence[str] = (),
    only: int | None = None,
    **changes: Any,
) -> MadeSweep:
    """Make a comparison whose arms have known scores; ``only`` is the number of seeds confirmed so far."""
    sweep = MadeSweep(comparison(*claims, **changes))
    search(sweep, truth, left_out=left_out)
    sweep.select()
    confirm(sweep, truth, diverged=diverged, only=only)
    return sweep


def made_grid(
    *claims: Mapping[str, Any],
    truth: Mapping[float | None, Mapping[str, float]] | None = None,
    **changes: Any,
) -> MadeSweep:
    """Make a grid with known scores by sigma and arm; those of ``none`` are at sigma None."""
    truth = truth or {None: TRUTH, 0.01: TRUTH, 0.1: {arm: score - 0.05 for arm, score in TRUTH.items()}}
    sweep = MadeSweep(grid(*claims, **changes))
    rng = np.random.default_rng(2)
    points = [(None, "none"), *((sigma, arm) for sigma in truth if sigma is not None for arm in NOISY)]
    shared = SHARED * rng.standard_normal(sweep.spec.seeds)
    for seed in range(sweep.spec.seeds):
        for sigma, arm in points:
            searched = {"noise": arm} if sigma is None else {"noise": arm, "sigma": sigma}
            score = truth[sigma][arm] + float(shared[seed] + PAIRED * rng.standard_normal())
            sweep.trial(searched, sweep.spec.seed + seed, curve(score))
    return sweep


def confirm_at(
    sweep: MadeSweep,
    score: Callable[[Hyperparameters], float],
    *,
    diverged: Callable[[Hyperparameters, int], bool] = lambda hyperparameters, seed: False,
) -> MadeSweep:
    """Select, and confirm also at the points of ``at``; scores have what a seed adds to all arms alike."""
    sweep.select()
    seeds = sweep.spec.replicates
    rng = np.random.default_rng(3)
    shared = dict(zip(seeds, SHARED * rng.standard_normal(len(seeds)), strict=True))
    for point in sweep.state.to_confirm:
        hyperparameters = sweep.spec.hyperparameters(point)
        for seed in seeds:
            if diverged(hyperparameters, seed):
                lost = {"train_loss": float("nan"), "val_loss": float("nan"), "val_accuracy": 0.1}
                sweep.trial(point, seed, [lost], stage=CONFIRM, status="diverged")
                continue
            value = score(hyperparameters) + shared[seed] + PAIRED * rng.standard_normal()
            last = {"test_accuracy": value, "test_loss": 1 - value, "sharpness": 2 - value}
            sweep.trial(point, seed, curve(value + 0.01, **last), stage=CONFIRM)
    return sweep

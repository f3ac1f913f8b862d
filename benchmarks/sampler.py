"""Optuna's sampler at thousands of trials: time of a suggestion with our settings and its defaults."""

from functools import partial
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, RandomSampler

from benchmarks.measure import Results, interleaved, ratios, seconds
from sweeps.search.optuna import OptunaStudy
from sweeps.spec.load import load_spec
from sweeps.spec.model import Spec
from sweeps.spec.space import SearchSpace

_ROUNDS = 5
# Suggestions per timing.
_ASKED = 32
_EARLIER = (128, 512, 2048)
NOISY = ["layer", "all", "after_layer", "after_all"]
SPACES: dict[str, dict[str, Any]] = {
    "lr": {"lr": {"log_uniform": [1e-4, 1.0]}},
    "joint": {
        "noise": {"choice": ["none", *NOISY]},
        "sigma": {"log_uniform": [1e-4, 0.1], "when": {"noise": NOISY}},
        "lr": {"log_uniform": [1e-4, 1.0]},
        "momentum": {"uniform": [0.0, 0.9]},
    },
}
NAMES = tuple(SPACES)


def spec_of(name: str) -> Spec:
    return load_spec(
        {
            "name": "sampler",
            "trainable": "fmnist",
            "search": SPACES[name],
            "budget": {"trials": 1},
            "objective": {"metric": "val_loss", "mode": "min"},
        }
    )


class Ours:
    """The study of a joint search."""

    def __init__(self, spec: Spec) -> None:
        self._study = OptunaStudy(spec, SearchSpace(spec), random=10)
        self._n = 0

    def trial(self, score: float, point: dict[str, Any] | None = None) -> dict[str, Any]:
        """Ask and tell; a known point is used as it is, as when a sweep is resumed."""
        self._n += 1
        found = self._study.ask(f"{self._n}", point)
        self._study.tell(f"{self._n}", score)
        return found


class Plain:
    """A study with Optuna's default sampler, or another one."""

    def __init__(self, spec: Spec, sampler: BaseSampler | None = None) -> None:
        self._space = SearchSpace(spec)
        self._study = optuna.create_study(sampler=sampler)

    def trial(self, score: float, point: dict[str, Any] | None = None) -> dict[str, Any]:
        if point is not None:
            self._study.enqueue_trial(point)
        trial = self._study.ask()
        self._space(trial)
        self._study.tell(trial, score)
        return trial.params


def told(study: Ours | Plain, points: list[dict[str, Any]], scores: list[float]) -> None:
    """Fill a study with known trials."""
    for point, score in zip(points, scores, strict=True):
        study.trial(score, point)


def asked(study: Ours | Plain, scores: list[float]) -> float:
    """Milliseconds to suggest a trial and record its score, on average."""
    return 1000 * seconds(lambda: [study.trial(score) for score in scores]) / len(scores)


def run(names: list[str] | None = None) -> Results:
    results = Results("sampler")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    scores = np.random.default_rng(0).random(max(_EARLIER)).tolist()
    for name in names or NAMES:
        spec = spec_of(name)
        at_random = Plain(spec, RandomSampler(seed=0))
        points = [at_random.trial(score) for score in scores]
        for n in _EARLIER:
            ours, plain = Ours(spec), Plain(spec)
            taken = seconds(partial(told, ours, points[:n], scores[:n]))
            told(plain, points[:n], scores[:n])
            contenders = {
                "ours": partial(asked, ours, scores[:_ASKED]),
                "Optuna's defaults": partial(asked, plain, scores[:_ASKED]),
            }
            given = interleaved(contenders, _ROUNDS)
            case = f"{name}: {n} earlier trials"
            for label, times in given.items():
                results.add(case, f"{label}, ms a suggestion", times)
            results.add(case, "ours / Optuna's defaults", ratios(*given.values()))
            results.add(case, "all told again, seconds", [taken])
    return results

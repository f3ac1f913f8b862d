"""What a sweep costs: its time and gradient evaluations, from what a few steps of each program take."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sweeps.analysis.work import Program, Work
from sweeps.record.trials import CONFIRM, SEARCH
from sweeps.spec.model import Spec, mode_of
from trainables.declarations.hyperparameters import WEIGHT_NOISE_DRAWS, Equal

# Seconds between two trials, in which a worker waits for the driver: twice those of each of 512 trials that
# do nothing, two at a time (``make bench BENCH=control_plane``).
BETWEEN = 0.1


@dataclass(frozen=True)
class Cost:
    """What a program costs, measured in a worker.

    Attributes:
        start: Seconds before the first epoch.
        train: Seconds of training an epoch.
        evaluate: Seconds of each epoch for the rest: the validation split and what is reported.
        curvature: Seconds of each measurement of curvature; 0 if the sweep has none.
        test: Seconds of reading the test split once; 0 if the sweep does not.
        batches: Batches of an epoch.
        steps: Batches of the measured part of an epoch.
        memory: Peak memory in bytes above that of an idle worker; on a GPU, that of the GPU.
    """

    start: float
    train: float
    evaluate: float
    curvature: float
    test: float
    batches: int
    steps: int
    memory: int

    @property
    def epoch(self) -> float:
        """Seconds of an epoch without measurements of curvature."""
        return self.train + self.evaluate

    def seconds(self, work: Work, trials: float, epochs: float) -> float:
        """Return the seconds of so many trials of a kind of work, which have so many epochs together."""
        hp = work.hyperparameters
        measured = {"never": 0.0, "end": trials, "epoch": epochs}[hp.curvature]
        read = self.test if work.test else self.evaluate if hp.weight_noise else 0.0
        ends = read * (work.test + WEIGHT_NOISE_DRAWS * len(hp.weight_noise))
        return trials * (self.start + ends) + epochs * self.epoch + measured * self.curvature


def gradients(work: Work, epochs: float, batches: int, equal: Equal) -> float:
    """Count the gradient evaluations of so many epochs of so many batches.

    A mode that takes several gradients a step takes fewer steps, unless all modes take equally many.
    """
    each = mode_of(work.hyperparameters.noise).gradients
    every = min(batches, each) if equal == "gradients" else 1
    return epochs * batches / every * each


@dataclass(frozen=True)
class Total:
    """What trials cost together; ``gradients`` and ``seconds`` are None if their programs are not measured.

    ``seconds`` is the time that passes while as many trials as fit run side by side, stage after stage.
    """

    trials: float
    epochs: float
    gradients: float | None
    seconds: float | None


def total(
    spec: Spec, works: Iterable[Work], costs: Mapping[Program, Cost], slots: int, *, at_most: bool
) -> Total:
    """Add up the costs of trials.

    Args:
        spec: The sweep.
        works: Its work, or that of one stage.
        costs: What each program costs.
        slots: Number of trials at a time.
        at_most: Whether to count up to the last look, with no trial stopped early.
    """
    amounts = [
        _Amount(w, w.most, w.most_epochs) if at_most else _Amount(w, w.trials, w.epochs) for w in works
    ]
    trials, epochs = sum(each.trials for each in amounts), sum(each.epochs for each in amounts)
    if any(each.work.program not in costs for each in amounts):
        return Total(trials, epochs, None, None)
    taken = sum(
        gradients(each.work, each.epochs, costs[each.work.program].batches, spec.budget.equal)
        for each in amounts
    )
    stages = ([each for each in amounts if each.work.stage == stage] for stage in (SEARCH, CONFIRM))
    return Total(trials, epochs, taken, sum(_elapsed(own, costs, slots) for own in stages))


class _Amount(NamedTuple):
    """So many trials of one kind of work, with so many epochs together."""

    work: Work
    trials: float
    epochs: float

    def seconds(self, costs: Mapping[Program, Cost]) -> float:
        return costs[self.work.program].seconds(*self) + self.trials * BETWEEN


def _elapsed(amounts: Sequence[_Amount], costs: Mapping[Program, Cost], slots: int) -> float:
    """Return how long trials take side by side: at least as long as the longest of them."""
    longest = max((each.seconds(costs) / max(each.trials, 1.0) for each in amounts), default=0.0)
    return max(sum(each.seconds(costs) for each in amounts) / slots, longest)

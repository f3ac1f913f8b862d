"""What a sweep runs, counted before it starts: trials and epochs, by what a step costs."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweeps.record.state import SweepState
from sweeps.record.trials import CONFIRM, SEARCH
from sweeps.spec.model import MEASURING, Spec
from sweeps.spec.sections import Dimension, Scalar
from sweeps.spec.space import budget_of, grid_points, in_order, is_active, with_points_at
from trainables.declarations.hyperparameters import Hyperparameters

# These have values that are no numbers with a point, but change no step's cost.
_FREE = ("epochs", "lr_schedule", "sigma_schedule", "sigma_epochs", "split", *MEASURING)
Program = tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Work:
    """Trials of a stage that cost the same, as far as that is known before the sweep.

    Attributes:
        stage: ``search``, also of a grid, or ``confirm``.
        program: The hyperparameters that differ between trials and change what a step costs.
        hyperparameters: Those of one of the trials.
        test: Whether the trials read the test split.
        trials: Number of trials up to the first look; a mean if the sampler chooses.
        most: Number of trials up to the last look, if no claim is decided before.
        epochs: Expected number of epochs of all these trials up to the first look.
        most_epochs: Number of epochs up to the last look, if no trial is stopped early.
    """

    stage: str
    program: Program
    hyperparameters: Hyperparameters
    test: bool
    trials: float
    most: float
    epochs: float
    most_epochs: float


def works_of(spec: Spec, expected: Sequence[float]) -> list[Work]:
    """List the work of a sweep.

    Args:
        spec: The sweep.
        expected: The mean share of its epochs that a trial of the search or grid has, for each of
            ``spec.tuned``; 1 without early stopping. A search without stages has one for all.
    """
    if spec.is_grid:
        return _grid_works(spec, expected[0])
    if not spec.stages:
        points = _points(spec, {})
        return [_searched(spec, point, spec.budget.trials or 0, len(points), expected[0]) for point in points]
    return [*_search_works(spec, expected), *_confirm_works(spec)]


def representatives(works: Iterable[Work]) -> dict[Program, tuple[Hyperparameters, bool]]:
    """Return for each program what to measure: hyperparameters, and whether to read the test split.

    It includes everything that any trial of the program does.
    """
    found: dict[Program, tuple[Hyperparameters, bool]] = {}
    for work in works:
        known, test = found.get(work.program, (work.hyperparameters, False))
        if work.hyperparameters.curvature != "never":
            known = work.hyperparameters
        found[work.program] = known, test or work.test
    return found


def _grid_works(spec: Spec, expected: float) -> list[Work]:
    counts, of_program = Counter[Program](), dict[Program, Hyperparameters]()
    epochs = Counter[Program]()
    for point in grid_points(spec):
        hp = spec.hyperparameters(point)
        program = _program(spec, hp)
        counts[program] += 1
        epochs[program] += hp.epochs
        of_program[program] = hp
    first, last = spec.n_seeds[0], spec.n_seeds[-1]
    return [
        Work(
            SEARCH,
            program,
            of_program[program],
            spec.test,
            trials=n * first,
            most=n * last,
            epochs=epochs[program] * first * expected,
            most_epochs=epochs[program] * last,
        )
        for program, n in counts.items()
    ]


def _search_works(spec: Spec, expected: Sequence[float]) -> Iterator[Work]:
    if spec.search_stage is None:
        return
    for tuned, share in zip(spec.tuned, expected, strict=True):
        budget: float = budget_of(spec, tuned)
        points = _points(spec, tuned)
        if spec.search_stage.epochs_per_arm and budget > 1:
            # The last trial that starts may exceed the budget.
            budget /= share * spec.max_epochs
        for point in points:
            yield _searched(spec, point, budget, len(points), share)


def _searched(spec: Spec, point: Mapping[str, Any], trials: float, points: int, share: float) -> Work:
    """Return the work of one of several points among which the sampler divides trials."""
    hp, n = spec.hyperparameters(point), trials / points
    return Work(SEARCH, _program(spec, hp), hp, False, n, n, n * hp.epochs * share, n * hp.epochs)


def _confirm_works(spec: Spec) -> Iterator[Work]:
    confirm = spec.confirm
    if confirm is None:
        return
    chosen = SweepState(spec).select() if confirm.configurations else spec.tuned
    measuring = {name: getattr(confirm, name) for name in MEASURING if name not in spec.fixed}
    for index, point in enumerate(with_points_at(spec, chosen)):
        completed = _points(spec, point)
        for each in completed:
            hp = spec.hyperparameters({**each, **measuring})
            n = (confirm.top if index < len(chosen) else 1) / len(completed)
            first, last = n * spec.n_seeds[0], n * spec.n_seeds[-1]
            work = Work(
                CONFIRM, _program(spec, hp), hp, True, first, last, first * hp.epochs, last * hp.epochs
            )
            yield work


def _points(spec: Spec, start: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Complete a point by what is searched: once for each combination of values that change its cost."""
    points = [dict(start)]
    for name in in_order(spec.search):
        dimension, shorter, points = spec.search[name], points, []
        for point in shorter:
            if name in point or not is_active(spec, dimension, point):
                points.append(point)
            else:
                points += [{**point, name: value} for value in _values(name, dimension)]
    return points


def _values(name: str, dimension: Dimension) -> list[Scalar]:
    """Return what to measure: the ends of whole numbers, every word, and one of other numbers."""
    values: list[Any] = [*(dimension.values or dimension.bounds)]
    is_number = [isinstance(value, int | float) and not isinstance(value, bool) for value in values]
    if name in _FREE or any(isinstance(value, float) for value in values):
        return values[:1]
    return sorted({min(values), max(values)}) if all(is_number) else values


def _program(spec: Spec, hyperparameters: Hyperparameters) -> Program:
    named = {name: getattr(hyperparameters, name) for name in spec.varied if name not in _FREE}
    return tuple((name, value) for name, value in named.items() if not isinstance(value, float))

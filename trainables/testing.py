"""The contract that every trainable keeps, as tests to inherit.

For a trainable of your own, give one fixture and inherit the rest::

    import pytest
    from trainables.testing import TrainableCase, TrainableContract

    class TestMine(TrainableContract):
        @pytest.fixture
        def case(self):
            return TrainableCase(Mine(), Mine.Hyperparameters(epochs=3, batch_size=32, train_subset=200))

Choose steps an epoch that are no multiple of the model's groups, or a lost step counter does not show.
"""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from trainables.base import Trainable
from trainables.batch import Batch
from trainables.curvature import CURVATURE_METRICS
from trainables.data.splits import EvaluationSplit
from trainables.hyperparameters import Hyperparameters
from trainables.loop import Training
from trainables.noise import NOISE_MODES

TIMINGS = {"epoch_seconds", "examples_per_second", "curvature_seconds"}
Metrics = dict[str, float]


@dataclass(frozen=True)
class TrainableCase:
    """A trainable in its smallest form.

    Attributes:
        trainable: The trainable.
        hyperparameters: Small ones, without noise, of at least two epochs, with which the loss falls.
        sigma: Noise that the tests put on.
        diverging_lr: Learning rate at which the loss is not finite in the first epochs.
        device: Where to train.
    """

    trainable: Trainable
    hyperparameters: Hyperparameters
    sigma: float = 0.05
    diverging_lr: float = 1e30
    device: str = "cpu"

    def start(self, *, seed: int = 0, test: bool = False, **changes: Any) -> Training:
        """Start a trial of the case.

        Args:
            seed: The trial's seed.
            test: Whether it reads the test split after its last epoch.
            **changes: Hyperparameters that differ from the case's.

        Returns:
            The trial.
        """
        kind = type(self.hyperparameters)
        hyperparameters = kind(**(self.hyperparameters.model_dump() | changes))
        return self.trainable.start(hyperparameters, seed=seed, device=self.device, test=test)

    def noisy(self, mode: str, *, seed: int = 0, **changes: Any) -> Training:
        """Start a trial with noise that changes every epoch.

        Args:
            mode: The noise mode.
            seed: The trial's seed.
            **changes: Hyperparameters that differ from the case's.

        Returns:
            The trial.
        """
        noise: dict[str, Any] = {"noise": mode, "sigma": self.sigma, "sigma_schedule": "cosine"}
        return self.start(seed=seed, **(noise | changes))


class TrainableContract:
    """Tests that a trainable inherits; ``case`` is the one fixture to give.

    Attributes:
        modes: The noise modes that are tested: all, unless a subclass has fewer to save time.
    """

    modes: ClassVar[Sequence[str]] = NOISE_MODES

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test that takes a mode in each of ``modes``.

        Args:
            metafunc: pytest's, of one test.
        """
        if "mode" in metafunc.fixturenames:
            metafunc.parametrize("mode", self.modes)
        if "noisy_mode" in metafunc.fixturenames:
            metafunc.parametrize("noisy_mode", [mode for mode in self.modes if mode != "none"])

    @pytest.fixture
    def case(self) -> TrainableCase:
        """Give the trainable to test; a subclass overrides this."""
        raise NotImplementedError("a subclass of TrainableContract gives the fixture `case`")

    def test_loss_falls(self, case: TrainableCase) -> None:
        """Training without noise learns."""
        losses = [metrics["train_loss"] for metrics in case.start()]
        assert losses[-1] < losses[0]

    def test_metrics_are_those_declared(self, case: TrainableCase) -> None:
        """Each epoch reports what ``metrics()`` declares, and epochs count from 1."""
        epochs = list(case.start())
        assert [metrics["epoch"] for metrics in epochs] == [*range(1, case.hyperparameters.epochs + 1)]
        declared = {"epoch", *case.trainable.metrics()}
        assert [set(metrics) for metrics in epochs] == [declared] * len(epochs)
        assert all(math.isfinite(value) for metrics in epochs for value in metrics.values())

    def test_the_test_split_is_read_once_at_the_end_and_changes_nothing_else(
        self, case: TrainableCase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With ``test=True`` the last epoch gains ``test_metrics()``; everything else keeps its bits."""
        plain, tested = case.start(), case.start(test=True)
        read = [record_evaluations(training, monkeypatch) for training in (plain, tested)]
        expected, found = numbers(plain), numbers(tested)
        assert read[0] == ["validation"] * case.hyperparameters.epochs
        assert read[1] == [*read[0], "test"]
        gained = {name: found[-1].pop(name) for name in case.trainable.test_metrics()}
        assert found == expected
        assert same_weights(plain, tested)
        assert all(map(math.isfinite, gained.values()))
        finished = case.start(test=True)
        finished.load_state_dict(tested.state_dict())
        assert list(finished) == []  # nor once more by a trial that is resumed after its end

    def test_evaluating_the_test_split_leaves_no_trace(self, case: TrainableCase) -> None:
        """It can be repeated, and moves neither the network nor a generator."""
        training = case.start()
        next(iter(training))
        before, drawn = bits(training.state_dict()), torch.get_rng_state()
        first = training.task.evaluate("test")
        assert first == training.task.evaluate("test")
        assert bits(training.state_dict()) == before
        assert torch.equal(torch.get_rng_state(), drawn)

    def test_a_diverged_trial_never_reads_the_test_split(self, case: TrainableCase) -> None:
        """Even where it diverges in its last epoch."""
        changes: dict[str, Any] = {"lr": case.diverging_lr, "lr_schedule": "constant"}
        epochs = len(list(case.start(**changes)))
        last = list(case.start(test=True, epochs=epochs, **changes))[-1]
        assert not set(last) & set(case.trainable.test_metrics())

    def test_model_takes_the_example_input(self, case: TrainableCase) -> None:
        """The network as it is saved maps the example's batch to as many finite outputs."""
        inputs = case.trainable.example_input(case.hyperparameters)
        model = case.trainable.model(case.hyperparameters)
        outputs = case.trainable.serving(model, case.hyperparameters).eval()(inputs)
        assert len(inputs) == len(outputs) == 2
        assert outputs.isfinite().all()

    def test_every_mode_runs_and_moves_the_weights(self, case: TrainableCase, noisy_mode: str) -> None:
        """Noise reaches the training in its first epoch, whose sigma is the case's."""
        plain, noisy = case.start(), case.noisy(noisy_mode)
        next(iter(plain))
        assert next(iter(noisy))["sigma"] == case.sigma
        assert not same_weights(plain, noisy)

    def test_sigma_zero_is_no_noise(self, case: TrainableCase, noisy_mode: str) -> None:
        """A mode with sigma 0 is training without noise, bit for bit."""
        plain, silent = case.start(), case.noisy(noisy_mode, sigma=0.0)
        assert numbers(plain) == numbers(silent)
        assert same_weights(plain, silent)

    def test_modes_share_init_and_batches(
        self, case: TrainableCase, noisy_mode: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Trials sharing a seed differ in their noise alone."""
        plain, noisy = case.start(), case.noisy(noisy_mode)
        assert same_weights(plain, noisy)
        seen = [record_batches(training, monkeypatch) for training in (plain, noisy)]
        for _ in zip(plain, noisy, strict=True):
            pass
        assert len(seen[0]) > case.hyperparameters.epochs
        assert all(map(torch.equal, *seen))

    def test_resumed_equals_uninterrupted(self, case: TrainableCase, mode: str) -> None:
        """A trial that goes on from its checkpoint ends with the same bits."""
        whole, interrupted = case.noisy(mode), case.noisy(mode)
        expected = numbers(whole)
        head = untimed(next(iter(interrupted)))
        file = io.BytesIO()
        torch.save(interrupted.state_dict(), file)
        file.seek(0)
        resumed = case.noisy(mode)
        torch.rand(7)  # whatever else the process draws must not matter
        resumed.load_state_dict(torch.load(file, weights_only=True))
        assert [head, *numbers(resumed)] == expected
        assert same_weights(whole, resumed)

    def test_the_seed_decides_the_numbers(self, case: TrainableCase, mode: str) -> None:
        """One seed gives the same numbers twice, another seed others."""
        expected = numbers(case.noisy(mode, seed=1))
        assert numbers(case.noisy(mode, seed=1)) == expected
        assert numbers(case.noisy(mode, seed=2)) != expected

    def test_a_diverged_trial_ends_once(self, case: TrainableCase) -> None:
        """The epoch whose loss is not finite is reported, and is the last, also after resuming."""
        training = case.start(lr=case.diverging_lr, lr_schedule="constant")
        losses = [(metrics["train_loss"], metrics["val_loss"]) for metrics in training]
        finite = [all(map(math.isfinite, pair)) for pair in losses]
        assert finite == [True] * (len(finite) - 1) + [False]
        assert training.diverged
        resumed = case.start(lr=case.diverging_lr, lr_schedule="constant")
        resumed.load_state_dict(training.state_dict())
        assert list(training) == list(resumed) == []

    def test_measuring_curvature_changes_nothing_else(self, case: TrainableCase) -> None:
        """Curvature is measured when asked for, is finite, and leaves training as it was, bit for bit."""
        few: dict[str, Any] = {"curvature_examples": 8, "curvature_draws": 2}
        plain, each, end = case.start(), *(case.start(curvature=when, **few) for when in ("epoch", "end"))
        expected, measured, at_end = (list(training) for training in (plain, each, end))
        found = [{name for name in metrics if name in CURVATURE_METRICS} for metrics in (*measured, *at_end)]
        epochs = case.hyperparameters.epochs
        assert found == [{*CURVATURE_METRICS}] * epochs + [set()] * (epochs - 1) + [{*CURVATURE_METRICS}]
        assert all(math.isfinite(value) for metrics in measured for value in metrics.values())
        assert untimed(at_end[-1]) == untimed(measured[-1])
        assert [untimed({name: metrics[name] for name in expected[0]}) for metrics in measured] == [
            untimed(metrics) for metrics in expected
        ]
        assert same_weights(plain, each)

    @pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
    def test_steps_read_nothing_back(self, case: TrainableCase, optimizer: str) -> None:
        """The device is read once an epoch for training and for validation, however many the steps."""
        batch = case.hyperparameters.batch_size
        reads = []
        for batch_size in (batch, max(1, batch // 4)):
            training = case.noisy("layer", optimizer=optimizer, batch_size=batch_size)
            epoch = iter(training)
            with CountReads() as counter:
                next(epoch)
            reads.append(counter.reads)
        assert 0 < reads[0] == reads[1]


class CountReads(TorchDispatchMode):
    """Counts the reads of tensors as Python numbers: each makes a GPU stop and wait."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0
        self._lists = _CountLists(self)

    def __enter__(self) -> "CountReads":
        self._lists.__enter__()
        super().__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        super().__exit__(*error)
        self._lists.__exit__(*error)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Count single numbers: ``item()``, ``float()``, ``if tensor``.

        Args:
            func: The operator called.
            types: Unused.
            args: Its arguments.
            kwargs: Its keyword arguments.

        Returns:
            What the operator returns.
        """
        self.reads += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


class _CountLists(TorchFunctionMode):
    """``tolist`` and ``numpy`` read the memory without an operator that could be counted."""

    def __init__(self, counter: CountReads) -> None:
        super().__init__()
        self._counter = counter

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._counter.reads += func in (Tensor.tolist, Tensor.numpy, Tensor.cpu)
        return func(*args, **(kwargs or {}))


def untimed(metrics: Metrics) -> Metrics:
    """Drop the metrics that no seed decides.

    Args:
        metrics: What an epoch reports.

    Returns:
        The rest of it.
    """
    return {name: value for name, value in metrics.items() if name not in TIMINGS}


def numbers(training: Iterable[Metrics]) -> list[Metrics]:
    """Run a trial to its end.

    Args:
        training: The trial.

    Returns:
        Every epoch's metrics but the timings.
    """
    return [untimed(metrics) for metrics in training]


def same_weights(one: Training, other: Training) -> bool:
    """Compare parameters and buffers bit for bit.

    Args:
        one: A trial.
        other: A trial of the same architecture.

    Returns:
        Whether all are equal.
    """
    states = [training.task.model.state_dict() for training in (one, other)]
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0] | states[1])


def bits(state: dict[str, Any]) -> bytes:
    """Write a state out, to compare it bit for bit.

    Args:
        state: What ``state_dict`` returned.

    Returns:
        What ``torch.save`` makes of it.
    """
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def record_evaluations(training: Training, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every evaluation of a trial.

    Args:
        training: The trial, not started yet.
        monkeypatch: pytest's fixture.

    Returns:
        A list that fills with the splits evaluated while the trial runs.
    """
    seen: list[str] = []
    evaluate = training.task.evaluate

    def recording(split: EvaluationSplit = "validation") -> Metrics:
        seen.append(split)
        return evaluate(split)

    monkeypatch.setattr(training.task, "evaluate", recording)
    return seen


def record_batches(training: Training, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Keep a copy of every batch that a trial draws.

    Args:
        training: The trial, not started yet.
        monkeypatch: pytest's fixture.

    Returns:
        A list that fills with the tensors of each batch while the trial runs.
    """
    seen: list[Tensor] = []
    batches = training.task.batches

    def recording(*args: Any) -> Iterator[Batch]:
        for batch in batches(*args):
            seen.extend(tensor.clone() for tensor in (batch.inputs, batch.targets))
            yield batch

    monkeypatch.setattr(training.task, "batches", recording)
    return seen

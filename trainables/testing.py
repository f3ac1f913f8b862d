"""The contract that every trainable keeps, as a test class to inherit.

To test a trainable of your own, provide one fixture::

    import pytest
    from trainables.testing import TrainableCase, TrainableContract

    class TestMine(TrainableContract):
        @pytest.fixture
        def case(self):
            return TrainableCase(Mine(), Mine.Hyperparameters(epochs=3, batch_size=32, train_subset=200))

Choose a number of steps per epoch that is no multiple of the number of groups: otherwise a step counter that
is lost on resuming goes unnoticed.
"""

import io
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from trainables.base import Trainable
from trainables.batch import Batch
from trainables.classifier import ClassifierTask
from trainables.declarations.base import CURVATURE_METRICS, EvaluationSplit
from trainables.declarations.hyperparameters import NOISE_MODES, Equal, Hyperparameters
from trainables.loop import Training
from trainables.noise import registry
from trainables.torch_private import TorchDispatchMode, is_read_of_a_number

TIMINGS = {"epoch_seconds", "examples_per_second", "curvature_seconds"}
Metrics = dict[str, float]


@dataclass(frozen=True)
class TrainableCase:
    """A trainable in its smallest form.

    Attributes:
        trainable: The trainable.
        hyperparameters: A small configuration without noise, with at least two epochs, whose loss falls.
        sigma: Sigma of the tests with noise.
        diverging_lr: Learning rate at which the loss becomes infinite or NaN within the first epochs.
        device: Device to train on.
    """

    trainable: Trainable
    hyperparameters: Hyperparameters
    sigma: float = 0.05
    diverging_lr: float = 1e30
    device: str = "cpu"

    def start(
        self, *, seed: int = 0, test: bool = False, equal: Equal = "gradients", **changes: Any
    ) -> Training:
        """Start a trial of the case with changes to its hyperparameters."""
        kind = type(self.hyperparameters)
        hyperparameters = kind(**(self.hyperparameters.model_dump() | changes))
        return self.trainable.start(hyperparameters, seed=seed, device=self.device, test=test, equal=equal)

    def noisy(self, mode: str, **changes: Any) -> Training:
        """Start a trial with a noise mode, whose sigma falls every epoch."""
        noise: dict[str, Any] = {"noise": mode, "sigma": self.sigma, "sigma_schedule": "cosine"}
        return self.start(**(noise | changes))


class TrainableContract:
    """Tests to inherit; a subclass provides the fixture ``case``.

    Attributes:
        modes: The noise modes to test. A subclass may list fewer to save time.
    """

    modes: ClassVar[Sequence[str]] = NOISE_MODES

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test that takes a mode once for each of ``modes``."""
        if "mode" in metafunc.fixturenames:
            metafunc.parametrize("mode", self.modes)
        if "noisy_mode" in metafunc.fixturenames:
            metafunc.parametrize("noisy_mode", [mode for mode in self.modes if mode != "none"])

    @pytest.fixture
    def case(self) -> TrainableCase:
        """Return the trainable to test; a subclass must override this."""
        raise NotImplementedError("a subclass of TrainableContract must override the fixture `case`")

    def test_loss_falls(self, case: TrainableCase) -> None:
        """Training without noise lowers the training loss."""
        losses = [metrics["train_loss"] for metrics in case.start()]
        assert losses[-1] < losses[0]

    def test_metrics_are_those_declared(self, case: TrainableCase) -> None:
        """Each epoch reports exactly ``metrics()``, fractions within 0 and 1; epochs count from 1."""
        epochs = list(case.start())
        assert [metrics["epoch"] for metrics in epochs] == [*range(1, case.hyperparameters.epochs + 1)]
        declared = {"epoch", *case.trainable.metrics()}
        assert [set(metrics) for metrics in epochs] == [declared] * len(epochs)
        assert all(math.isfinite(value) for metrics in epochs for value in metrics.values())
        assert {*case.trainable.fractions} <= {*case.trainable.scores}
        fractions = [metrics[f"val_{name}"] for metrics in epochs for name in case.trainable.fractions]
        assert all(0 <= value <= 1 for value in fractions)

    def test_the_test_split_is_read_once_at_the_end_and_changes_nothing_else(
        self, case: TrainableCase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """With ``test=True`` the last epoch gains ``test_metrics()``; all other numbers keep their bits."""
        plain, tested = case.start(), case.start(test=True)
        plain_reads, tested_reads = (record_evaluations(trial, monkeypatch) for trial in (plain, tested))
        expected, reported = numbers(plain), numbers(tested)
        assert plain_reads == ["validation"] * case.hyperparameters.epochs
        assert tested_reads == [*plain_reads, "test"]
        test_metrics = {name: reported[-1].pop(name) for name in case.trainable.test_metrics()}
        assert reported == expected
        assert same_weights(plain, tested)
        assert all(map(math.isfinite, test_metrics.values()))
        # A trial resumed after its end does not read the split again.
        finished = case.start(test=True)
        finished.load_state_dict(tested.state_dict())
        assert list(finished) == []

    def test_evaluating_the_test_split_leaves_no_trace(self, case: TrainableCase) -> None:
        """Evaluation can be repeated, and changes neither the network nor a generator."""
        training = case.start()
        next(iter(training))
        state, rng_state = serialized(training.state_dict()), torch.get_rng_state()
        first = training.task.evaluate("test")
        assert first == training.task.evaluate("test")
        assert serialized(training.state_dict()) == state
        assert torch.equal(torch.get_rng_state(), rng_state)

    def test_the_correct_test_examples_are_those_of_the_accuracy(self, case: TrainableCase) -> None:
        """A classifier tells which examples the network has right; scores under noise do not replace that."""
        training = case.start(test=True, weight_noise=[1.0])
        assert training.correct is None
        last = list(training)[-1]
        correct = training.correct
        if correct is None:
            is_classifier = isinstance(training.task, ClassifierTask)
            assert not (is_classifier and "test_accuracy" in case.trainable.test_metrics())
            return
        assert correct.dtype == bool
        assert correct.mean() == last["test_accuracy"]
        # The trained network has the same ones right when it is evaluated again.
        training.task.evaluate("test")
        assert correct.tolist() == training._correct_of_task().tolist()

    def test_a_diverged_trial_never_reads_the_test_split(self, case: TrainableCase) -> None:
        """A diverged trial does not read the test split, even if it diverges in its last epoch."""
        changes: dict[str, Any] = {"lr": case.diverging_lr, "lr_schedule": "constant"}
        epochs = len(list(case.start(**changes)))
        training = case.start(test=True, epochs=epochs, weight_noise=[0.1], **changes)
        last = list(training)[-1]
        of_test = {*case.trainable.test_metrics(), *case.trainable.noise_metrics("test", [0.1])}
        assert not set(last) & of_test
        assert training.correct is None

    def test_model_takes_the_example_input(self, case: TrainableCase) -> None:
        """The network as saved maps the example batch of two to two finite outputs."""
        inputs = case.trainable.example_input(case.hyperparameters)
        model = case.trainable.model(case.hyperparameters)
        outputs = case.trainable.serving(model, case.hyperparameters).eval()(inputs)
        assert len(inputs) == len(outputs) == 2
        assert outputs.isfinite().all()

    def test_every_mode_runs_and_moves_the_weights(self, case: TrainableCase, noisy_mode: str) -> None:
        """The first epoch trains with the case's sigma."""
        plain, noisy = case.start(), case.noisy(noisy_mode)
        next(iter(plain))
        assert next(iter(noisy))["sigma"] == case.sigma
        assert not same_weights(plain, noisy)

    def test_sigma_zero_is_no_noise(self, case: TrainableCase, noisy_mode: str) -> None:
        """With sigma 0 and all batches, every mode equals training without noise bit for bit."""
        plain, silent = case.start(), case.noisy(noisy_mode, sigma=0.0, equal="steps")
        assert numbers(plain) == numbers(silent)
        assert same_weights(plain, silent)

    def test_an_epoch_has_as_many_gradients_in_every_mode(
        self, case: TrainableCase, mode: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A mode with two gradients a step steps on every second batch, unless steps are to be equal."""
        batches, _ = count_steps(case.start(), monkeypatch)
        by_equal = {
            equal: count_steps(case.noisy(mode, equal=equal), monkeypatch) for equal in get_args(Equal)
        }
        gradients = registry.get(mode).gradients
        assert by_equal["steps"] == (batches, batches * gradients)
        steps = math.ceil(batches / gradients)
        assert by_equal["gradients"] == (steps, steps * gradients)

    def test_the_learning_rate_falls_to_zero_in_every_mode(self, case: TrainableCase, mode: str) -> None:
        """The schedule of the learning rate spans the steps that the mode takes."""
        training = case.noisy(mode, lr_schedule="cosine")
        list(training)
        assert training.lr == pytest.approx(0.0, abs=1e-12)

    def test_modes_share_init_and_batches(
        self, case: TrainableCase, noisy_mode: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Trials with one seed differ only in their noise."""
        plain, noisy = case.start(), case.noisy(noisy_mode)
        assert same_weights(plain, noisy)
        batches = [record_batches(training, monkeypatch) for training in (plain, noisy)]
        for _ in zip(plain, noisy, strict=True):
            pass
        assert len(batches[0]) > case.hyperparameters.epochs
        assert all(map(torch.equal, *batches))

    def test_resumed_equals_uninterrupted(self, case: TrainableCase, mode: str) -> None:
        """A trial resumed from its checkpoint ends with the same bits."""
        whole, interrupted = case.noisy(mode), case.noisy(mode)
        expected = numbers(whole)
        head = untimed(next(iter(interrupted)))
        file = io.BytesIO()
        torch.save(interrupted.state_dict(), file)
        file.seek(0)
        resumed = case.noisy(mode)
        # Other random numbers that the process draws must not matter.
        torch.rand(7)
        resumed.load_state_dict(torch.load(file, weights_only=True))
        assert [head, *numbers(resumed)] == expected
        assert same_weights(whole, resumed)

    def test_the_seed_decides_the_numbers(self, case: TrainableCase, mode: str) -> None:
        """The same seed repeats the numbers; another seed changes them."""
        expected = numbers(case.noisy(mode, seed=1))
        assert numbers(case.noisy(mode, seed=1)) == expected
        assert numbers(case.noisy(mode, seed=2)) != expected

    def test_a_diverged_trial_ends_once(self, case: TrainableCase) -> None:
        """The epoch whose loss is not finite is reported and is the last, even after resuming."""
        training = case.start(lr=case.diverging_lr, lr_schedule="constant")
        losses = [(metrics["train_loss"], metrics["val_loss"]) for metrics in training]
        finite = [all(map(math.isfinite, pair)) for pair in losses]
        assert finite == [True] * (len(finite) - 1) + [False]
        assert training.diverged
        resumed = case.start(lr=case.diverging_lr, lr_schedule="constant")
        resumed.load_state_dict(training.state_dict())
        assert list(training) == list(resumed) == []

    def test_measuring_curvature_changes_nothing_else(self, case: TrainableCase) -> None:
        """Curvature is measured when requested, is finite, and changes no bit of the training."""
        few: dict[str, Any] = {"curvature_examples": 8, "curvature_draws": 2}
        plain = case.start()
        measured = case.start(curvature="epoch", **few)
        expected, every_epoch = list(plain), list(measured)
        at_end = list(case.start(curvature="end", **few))
        curvature, declared = {*CURVATURE_METRICS}, {*CURVATURE_METRICS, *expected[0]}
        assert all(set(metrics) == declared for metrics in (*every_epoch, at_end[-1]))
        assert not any(curvature & set(metrics) for metrics in at_end[:-1])
        assert all(math.isfinite(value) for metrics in every_epoch for value in metrics.values())
        assert untimed(at_end[-1]) == untimed(every_epoch[-1])
        without_curvature = [{name: metrics[name] for name in expected[0]} for metrics in every_epoch]
        assert list(map(untimed, without_curvature)) == list(map(untimed, expected))
        assert same_weights(plain, measured)

    def test_scoring_under_weight_noise_changes_nothing_else(
        self, case: TrainableCase, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The last epoch gains ``noise_metrics``; no bit of the training changes, nor of these if resumed."""
        sigmas = [1e-30, 0.1]
        plain, scored, resumed = (
            case.start(test=True, weight_noise=listed) for listed in ([], sigmas, sigmas)
        )
        reads = record_evaluations(scored, monkeypatch)
        next(iter(resumed))
        state = resumed.state_dict()
        expected, reported = numbers(plain), numbers(scored)
        resumed = case.start(test=True, weight_noise=sigmas)
        resumed.load_state_dict(state)
        assert numbers(resumed) == reported[1:]
        under = {name: reported[-1].pop(name) for name in case.trainable.noise_metrics("test", sigmas)}
        assert reported == expected
        assert serialized(scored.state_dict()) == serialized(plain.state_dict())
        # The split itself, and each of ten draws for each sigma.
        assert reads == ["validation"] * case.hyperparameters.epochs + ["test"] * 21
        for name in case.trainable.test_metrics():
            # Noise of this size changes no weight.
            assert under[f"{name}_under_1e-30"] == pytest.approx(expected[-1][name])
        loss = expected[-1]["test_loss"]
        assert under["test_loss_under_0.1"] != pytest.approx(loss)

    def test_weight_noise_is_scored_on_validation_in_trials_that_read_no_test_split(
        self, case: TrainableCase
    ) -> None:
        """Without the test split, the scores of the validation split are measured under noise."""
        *others, last = case.start(weight_noise=[0.1])
        declared = {*case.trainable.noise_metrics("validation", [0.1])}
        assert set(last) - set(others[0]) == declared
        assert not any(name.startswith("test_") for name in last)

    @pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
    def test_steps_read_nothing_back(self, case: TrainableCase, optimizer: str) -> None:
        """The number of reads from the device in an epoch does not depend on the number of steps."""
        batch = case.hyperparameters.batch_size
        few, many = (
            count_reads(case.noisy("layer", optimizer=optimizer, batch_size=size))
            for size in (batch, max(1, batch // 4))
        )
        assert 0 < few == many

    def test_no_mode_reads_back(self, case: TrainableCase, mode: str) -> None:
        """An epoch of every mode reads from the device as often as one without noise."""
        assert count_reads(case.noisy(mode)) == count_reads(case.start())


def count_reads(training: Training) -> int:
    """Run an epoch, and count how often it reads a tensor from Python."""
    epoch = iter(training)
    with CountReads() as counter:
        next(epoch)
    return counter.reads


class CountReads(TorchDispatchMode):
    """Counts how often tensors are read from Python: each read stalls a GPU."""

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
        """Count reads of single numbers: ``item()``, ``float()``, ``if tensor``."""
        self.reads += is_read_of_a_number(func)
        return func(*args, **(kwargs or {}))


class _CountLists(TorchFunctionMode):
    """Counts ``tolist``, ``numpy`` and ``cpu``, which read memory without an operator to count."""

    def __init__(self, counter: CountReads) -> None:
        super().__init__()
        self._counter = counter

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._counter.reads += func in (Tensor.tolist, Tensor.numpy, Tensor.cpu)
        return func(*args, **(kwargs or {}))


def untimed(metrics: Metrics) -> Metrics:
    """Drop the metrics that measure time, which no seed determines."""
    return {name: value for name, value in metrics.items() if name not in TIMINGS}


def numbers(training: Iterable[Metrics]) -> list[Metrics]:
    """Run a trial to its end and return every epoch's metrics without the timings."""
    return [untimed(metrics) for metrics in training]


def same_weights(one: Training, other: Training) -> bool:
    """Whether all parameters and buffers of two trials of one architecture are equal."""
    states = [training.task.model.state_dict() for training in (one, other)]
    return all(torch.equal(states[0][name], states[1][name]) for name in states[0] | states[1])


def serialized(state: dict[str, Any]) -> bytes:
    """The bytes that ``torch.save`` writes, to compare states bit for bit."""
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def count_steps(training: Training, monkeypatch: pytest.MonkeyPatch) -> tuple[int, int]:
    """Run a trial to its end, and count its steps and the losses that they computed."""
    compute, losses = training._loss, 0

    def counting(batch: Batch) -> Tensor:
        nonlocal losses
        losses += 1
        return compute(batch)

    monkeypatch.setattr(training, "_loss", counting)
    list(training)
    return training._noise.steps, losses


def record_evaluations(training: Training, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return a list to which the trial, once it runs, appends every split that it evaluates."""
    splits: list[str] = []
    evaluate = training.task.evaluate

    def recording(split: EvaluationSplit = "validation") -> Metrics:
        splits.append(split)
        return evaluate(split)

    monkeypatch.setattr(training.task, "evaluate", recording)
    return splits


def record_batches(training: Training, monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """Return a list to which the trial, once it runs, appends copies of the tensors of every batch."""
    tensors: list[Tensor] = []
    batches = training.task.batches

    def recording(*args: Any) -> Iterator[Batch]:
        for batch in batches(*args):
            tensors.extend(tensor.clone() for tensor in (batch.inputs, batch.targets))
            yield batch

    monkeypatch.setattr(training.task, "batches", recording)
    return tensors

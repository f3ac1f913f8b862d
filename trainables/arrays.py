"""Trainables of data that are in memory as NumPy arrays or torch tensors.

Shapes: N examples, B batch, C classes, O outputs; features have any shape.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from pydantic import Field, create_model
from torch import Tensor, nn
from typing_extensions import override

from trainables.base import Trainable
from trainables.data.arrays import as_tensor
from trainables.data.given import Given, Part, dataset_of
from trainables.data.scaling import mean_and_std
from trainables.data.splits import Split, check_subset, seed_of_split, split_examples
from trainables.declarations.images import ImageHyperparameters, MLPHyperparameters
from trainables.errors import reason_of
from trainables.examples import ClassificationTask, Normalise, RegressionTask, Rescale
from trainables.loop import Task
from trainables.models import BuildModel
from trainables.models.mlp import MLPS


def from_arrays(
    name: str,
    x: Any,
    y: Any,
    test: tuple[Any, Any] | None = None,
    networks: Mapping[str, BuildModel] | None = None,
) -> "type[ArrayTrainable]":
    """Make a trainable of arrays, for ``register``.

    Whole numbers or truth values in ``y`` are labels: the trainable is a classifier with the metrics ``loss``
    and ``accuracy``, whose classes are the distinct labels in ascending order. Floating-point numbers are the
    targets of a regression with the metrics ``loss`` (mean squared error of the standardized targets) and
    ``rmse`` (in the unit of ``y``, over all outputs).

    Each feature is standardized by its mean and standard deviation over ``x``, but images by those of each
    channel: arrays (N, K, H, W) of any type, and (N, H, W) of type uint8. A tenth of the examples is held out
    for validation, as the hyperparameter ``split`` says.

    Args:
        name: Name in a YAML.
        x: Inputs (N, ...) of any type of numbers: a NumPy array, a tensor, or what NumPy makes an array of.
            It need not be copied: do not change it while a sweep runs.
        y: Labels (N,) or targets (N,) or (N, O).
        test: Inputs and labels or targets of the test split. By default a fifth of the examples is held out
            for it, drawn in the same way in every process; give it if examples depend on each other.
        networks: The architectures by their names for ``model``, of which the first is the default. Each is a
            function, or a class, of the shape of one example and the number of outputs, and returns a module
            from standardized inputs (B, ...) to logits (B, C) or outputs (B, O). Default: the MLPs of the
            study.

    Returns:
        The class. If your networks run the same tensor operations in every step, and read no tensor back, set
        its ``fixed_shapes`` to True, and training on a GPU will be faster.

    Raises:
        ValueError: If the arrays are no data to train on, or a network does not have such outputs; the text
            says what to do.
    """
    if not isinstance(name, str) or not name:
        raise ValueError(f'name must be a text, such as "mine", got {name!r:.60}')
    try:
        data = dataset_of(x, y, test)
        trainable = _class_of(name, data, MLPS if networks is None else networks)
        for network in networks or ():
            _check_network(trainable, network)
    except ValueError as error:
        # Its cause may lie in the user's network.
        raise ValueError(f"{name}: {error}") from error.__cause__
    trainable.fixed_shapes = networks is None
    return trainable


class ArrayTrainable(Trainable[ImageHyperparameters]):
    """A dataset from arrays; ``from_arrays`` makes the subclasses.

    Attributes:
        train: The examples for training and validation.
        test: The test split.
        fingerprint: Hash of both, and of the classes.
        scale: Mean and standard deviation of the features or channels of ``train``.
        outputs: Number of outputs, for a classifier C.
        architectures: Builders by name, called with the shape of an example and ``outputs``.
    """

    fixed_data = True
    train: ClassVar[Part]
    test: ClassVar[Part]
    fingerprint: ClassVar[str]
    scale: ClassVar[tuple[np.ndarray, np.ndarray]]
    outputs: ClassVar[int]
    architectures: ClassVar[Mapping[str, BuildModel]]

    @override
    def prepare(self, hyperparameters: ImageHyperparameters, *, test: bool = False) -> None:
        check_subset(hyperparameters, len(split_examples(len(self.train.inputs), None).train))

    @override
    def model(self, hyperparameters: ImageHyperparameters) -> nn.Module:
        """Build a module from standardized inputs (B, ...) to logits (B, C) or standardized (B, O)."""
        return self.architectures[hyperparameters.model](self.train.inputs.shape[1:], self.outputs)

    @override
    def task(self, hyperparameters: ImageHyperparameters, device: torch.device, split_seed: int) -> Task:
        hp, seed = hyperparameters, seed_of_split(hyperparameters, split_seed)
        split = split_examples(len(self.train.inputs), hp.train_subset, seed=seed)
        return self.task_of(self.model(hp), split, device)

    @abstractmethod
    def task_of(self, model: nn.Module, split: Split, device: torch.device) -> Task:
        """Build the task of a model."""

    @override
    def serving(self, model: nn.Module, hyperparameters: ImageHyperparameters) -> nn.Module:
        """Prepend the standardization: a module from inputs as given (B, ...)."""
        return nn.Sequential(self.normalise(), model)

    def normalise(self) -> Normalise:
        """Build the standardization of inputs; those of 32 bits lose digits unless it is in float64."""
        is_wide = self.train.inputs.dtype in (np.int32, np.int64, np.float64)
        kind = torch.float64 if is_wide else torch.get_default_dtype()
        return Normalise(*(torch.as_tensor(values, dtype=kind) for values in self.scale))

    @override
    def example_input(self, hyperparameters: ImageHyperparameters) -> Tensor:
        """Two examples of zeros, of the type given."""
        return torch.zeros(2, *self.train.inputs.shape[1:], dtype=as_tensor(self.train.inputs).dtype)


class ArrayClassifier(ArrayTrainable):
    """A classifier of examples from arrays."""

    scores: ClassVar = {"accuracy": "max"}
    fractions: ClassVar = frozenset({"accuracy"})

    @override
    def task_of(self, model: nn.Module, split: Split, device: torch.device) -> Task:
        train = self.train.examples(self.fingerprint)
        return ClassificationTask(model, train, split, self.test.examples, self.normalise(), device)


class ArrayRegressor(ArrayTrainable):
    """A regression on examples from arrays.

    Attributes:
        target_scale: Mean and standard deviation (O,) of the targets of ``train``.
    """

    scores: ClassVar = {"rmse": "min"}
    target_scale: ClassVar[tuple[np.ndarray, np.ndarray]]

    @override
    def task_of(self, model: nn.Module, split: Split, device: torch.device) -> Task:
        train, scale = self.train.examples(self.fingerprint), Normalise(*map(as_tensor, self.target_scale))
        return RegressionTask(model, train, split, self.test.examples, self.normalise(), device, scale)

    @override
    def serving(self, model: nn.Module, hyperparameters: ImageHyperparameters) -> nn.Module:
        """Wrap a model: a module from inputs as given (B, ...) to (B, O) in the unit of the targets."""
        return nn.Sequential(super().serving(model, hyperparameters), Rescale(*self.target_scale))


def _class_of(name: str, data: Given, architectures: Mapping[str, BuildModel]) -> type[ArrayTrainable]:
    """Make the class of a dataset."""
    train, test = data.train, data.test
    attributes = {
        "__doc__": f"{len(train.inputs):,} training and {len(test.inputs):,} test examples from arrays.",
        "name": name,
        "note": data.note and f"{name}: {data.note}",
        "train": train,
        "test": test,
        "fingerprint": data.fingerprint,
        "scale": mean_and_std(train.inputs),
        "architectures": architectures,
        "Hyperparameters": _hyperparameters_of(architectures),
    }
    if data.classes is not None:
        return type(name, (ArrayClassifier,), {**attributes, "outputs": len(data.classes)})
    scale = {"outputs": train.targets.shape[1], "target_scale": mean_and_std(train.targets)}
    return type(name, (ArrayRegressor,), attributes | scale)


def _hyperparameters_of(architectures: Mapping[str, BuildModel]) -> type[ImageHyperparameters]:
    if architectures is MLPS:
        return MLPHyperparameters
    names = tuple(architectures) if isinstance(architectures, Mapping) else ()
    if not names or not all(isinstance(name, str) and name for name in names):
        raise ValueError(f"networks must have the networks by their names, got {architectures!r:.60}")
    # A name that is no attribute of this module, so that the class travels to workers.
    model: Any = (Literal[names], Field(names[0], description="architecture"))
    return create_model("OwnNetworkHyperparameters", __base__=ImageHyperparameters, model=model)


def _check_network(trainable: type[ArrayTrainable], name: str) -> None:
    """Build a network, and check its outputs for two examples."""
    made, hyperparameters = trainable(), trainable.Hyperparameters(model=name)
    shape = tuple(made.train.inputs.shape[1:])
    if isinstance(made.architectures[name], nn.Module):
        advice = "give a function or class that builds one for each trial"
        raise ValueError(f"the network {name!r} is a module that exists already; {advice}")
    # The user's own random numbers must not change.
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        rule = (
            f"it is called with the shape of one example, {shape}, and the number of outputs, {made.outputs}"
        )
        with _named(f"the network {name!r} cannot be built", rule):
            network = made.model(hyperparameters)
        if not isinstance(network, nn.Module) or not any(p.requires_grad for p in network.parameters()):
            raise ValueError(f"the network {name!r} must be a torch.nn.Module with parameters")
        inputs = made.normalise()(made.example_input(hyperparameters))
        rule = f"it must take inputs of the shape {tuple(inputs.shape)}, two examples"
        with _named(f"the network {name!r} fails", rule):
            outputs = network.eval()(inputs)
    if not isinstance(outputs, Tensor) or outputs.shape != (2, made.outputs):
        got = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        rule = f"it must be (2, {made.outputs}), a number for each class or column of y"
        raise ValueError(f"the network {name!r} maps two examples to {got}; {rule}")


@contextmanager
def _named(what: str, rule: str) -> Iterator[None]:
    """Tell an error of the user's code with its cause."""
    try:
        yield
    except Exception as error:
        raise ValueError(f"{what} ({reason_of(error)}); {rule}") from error

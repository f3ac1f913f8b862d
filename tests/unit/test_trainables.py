"""The contract over every trainable, the MLPs, and the splits."""

import math
import shutil
from collections import Counter

import numpy as np
import pytest
import torch

from tests.cases import CASES
from trainables import Hyperparameters, NoiseInjector
from trainables.data import DataError
from trainables.data.splits import split_examples
from trainables.examples import ExamplesTask
from trainables.images import ImageTrainable
from trainables.loop import Seeds
from trainables.models.mlp import HIDDEN
from trainables.registry import BUILT_IN
from trainables.testing import TrainableContract, numbers, same_weights

# All modes on digits. On everything else one that restores the weights, one that does not, one with a state,
# and one with two gradients a step.
ON_DIGITS: list[dict] = [{}, {"precision": "bf16"}]
ON_THE_REST = [
    ("cifar10", {}),
    ("conll2003", {}),
    ("conll2003", {"cell": "gru", "layers": 2, "freeze_vectors": False}),
    ("imdb", {}),
    ("imdb", {"model": "recurrent"}),
    ("linear_network", {}),
    ("quadratic", {}),
    ("sparse_regression", {}),
    ("sparse_regression", {"depth": 3}),
    ("temperatures", {}),
]
WITH_OTHER_DATA = ("cifar100", "fmnist", "mnist")
IMAGES = ("digits", "mnist", "fmnist", "cifar10", "cifar100")
SPLITS = (*IMAGES, "conll2003", "imdb")  # with a test split of its own to load
HELD_OUT = ("digits", "cifar10", "imdb")  # with a validation split that we draw
MLP_IMAGES = ("digits", "mnist", "fmnist")


@pytest.fixture(params=CASES)
def any_case(request, data_dir):
    return CASES[request.param](data_dir)


@pytest.fixture(params=IMAGES)
def image_case(request, data_dir):
    return CASES[request.param](data_dir)


@pytest.fixture(params=SPLITS)
def split_case(request, data_dir):
    return CASES[request.param](data_dir)


@pytest.fixture(params=MLP_IMAGES)
def mlp_case(request, data_dir):
    return CASES[request.param](data_dir)


class TestContractOnDigits(TrainableContract):
    @pytest.fixture(params=ON_DIGITS, ids=lambda changes: "-".join(["digits", *map(str, changes.values())]))
    def case(self, request, data_dir):
        return CASES["digits"](data_dir, **request.param)


@pytest.mark.slow
class TestContractWithOtherData(TrainableContract):
    modes = ("after_layer",)

    @pytest.fixture(params=WITH_OTHER_DATA)
    def case(self, request, data_dir):
        return CASES[request.param](data_dir)


class TestContractOnTheRest(TrainableContract):
    modes = ("all", "after_layer", "anti", "two_point")

    @pytest.fixture(params=ON_THE_REST, ids=lambda case: "-".join([case[0], *map(str, case[1].values())]))
    def case(self, request, data_dir):
        name, changes = request.param
        return CASES[name](data_dir, **changes)


def test_every_built_in_has_a_case():
    assert set(CASES) == set(BUILT_IN)


def test_contracts_cover_every_trainable():
    assert {"digits", *(name for name, _ in ON_THE_REST), *WITH_OTHER_DATA} == set(CASES)


@pytest.mark.parametrize(("name", "model"), [("mnist", "wide"), ("mnist", "deep"), ("fmnist", "deep")])
def test_the_other_models_train(name, model, data_dir):
    case = CASES[name](data_dir, model=model, epochs=1, train_subset=4, batch_size=4)
    plain, noisy = case.start(), case.noisy("layer")
    assert len(list(plain)) == len(list(noisy)) == 1
    assert not same_weights(plain, noisy)


# Architectures


@pytest.mark.parametrize("model", HIDDEN)
def test_parameters_are_those_of_the_published_mlp(mlp_case, model):
    inputs = math.prod(mlp_case.trainable.shape)
    width, depth = {"shallow": (500, 3), "wide": (5000, 3), "deep": (1000, 5)}[model]
    # Every layer has its biases: inputs to the first, depth - 1 squares, and the last to ten classes.
    expected = (inputs + 1) * width + (depth - 1) * (width + 1) * width + (width + 1) * 10
    hyperparameters = mlp_case.trainable.Hyperparameters(model=model)
    with torch.device("meta"):
        built = mlp_case.trainable.model(hyperparameters)
        outputs = built(torch.zeros(2, *mlp_case.trainable.shape))
    assert sum(parameter.numel() for parameter in built.parameters()) == expected
    assert outputs.shape == (2, 10)


@pytest.mark.parametrize(("model", "groups"), [("shallow", 8), ("deep", 12)])
def test_groups_are_weights_and_biases(mlp_case, model, groups):
    built = mlp_case.trainable.model(mlp_case.trainable.Hyperparameters(model=model))
    assert len(NoiseInjector(built.parameters(), "all", 0.1, 0).parameters) == groups


# Splits


def parts_of(task):
    """Training and validation examples of a task, in order, each as the bytes of its inputs."""
    if isinstance(task, ExamplesTask):
        parts = [list(task._inputs[chosen]) for chosen in (task._train, task._validation)]
    else:
        parts = [
            [texts.batch(np.array([i])).inputs for i in range(len(texts))]
            for texts in (task._training, task._validation)
        ]
    return [[example.numpy().tobytes() for example in part] for part in parts]


def test_the_split_is_disjoint_and_covers_everything(image_case):
    n = len(image_case.trainable.load("train").labels)
    split = split_examples(n, None)
    assert sorted([*split.train.tolist(), *split.validation.tolist()]) == list(range(n))
    assert len(split.validation) == round(n / 10)


def test_the_split_is_pinned():
    # A change would move every published number, and mix old validation images into training.
    split = split_examples(20, None)
    assert split.validation.tolist() == [4, 5]
    assert split.train[:4].tolist() == [13, 19, 7, 14]


def test_the_split_is_the_same_for_every_seed(image_case):
    tasks = [image_case.start(seed=seed).task for seed in (0, 1)]
    for part in ("_train", "_validation"):
        assert torch.equal(getattr(tasks[0], part), getattr(tasks[1], part))


@pytest.mark.parametrize("name", HELD_OUT)
def test_the_seed_draws_the_split_and_every_arm_shares_it(name, made_data):
    case = CASES[name](made_data, split="per_seed", train_subset=None)
    trainings = [case.start(seed=0), case.noisy("layer", seed=0), case.start(seed=1)]
    first, same, other = (parts_of(training.task) for training in trainings)
    assert first == same
    assert first != other
    # Both hold every example once, a tenth of them for validation.
    for training, validation in (first, other):
        assert sorted([*training, *validation]) == sorted([*other[0], *other[1]])
        assert len(validation) == round((len(training) + len(validation)) / 10)
    fixed = parts_of(CASES[name](made_data, train_subset=None).start(seed=0).task)
    assert sorted(fixed[1]) != sorted(first[1])


@pytest.mark.parametrize("name", HELD_OUT)
def test_a_subset_of_a_split_by_seed_keeps_its_validation(name, made_data):
    whole, part = (
        parts_of(CASES[name](made_data, split="per_seed", train_subset=n).start().task) for n in (None, 30)
    )
    assert part[1] == whole[1]
    assert len(part[0]) == 30
    assert not (Counter(part[0]) - Counter(whole[0]))


@pytest.mark.parametrize("name", HELD_OUT)
def test_a_resumed_trial_keeps_its_split(name, made_data):
    case = CASES[name](made_data, split="per_seed")
    whole, interrupted, resumed = (case.start(seed=3) for _ in range(3))
    expected = numbers(whole)
    next(iter(interrupted))
    resumed.load_state_dict(interrupted.state_dict())
    assert numbers(resumed) == expected[1:]


@pytest.mark.parametrize("name", HELD_OUT)
def test_preparing_checks_the_subset_of_a_split_by_seed(name, made_data):
    case = CASES[name](made_data, split="per_seed", train_subset=100_000)
    with pytest.raises(DataError, match=r"must be at most the \d+ training examples, got 100000"):
        case.trainable.prepare(case.hyperparameters)


@pytest.mark.parametrize("name", ["conll2003", "temperatures"])
def test_splits_that_are_published_or_chronological_are_not_drawn(name, data_dir):
    with pytest.raises(ValueError, match="split"):
        CASES[name](data_dir, split="per_seed")


def test_the_seed_of_the_split_leaves_the_other_seeds_as_they_were():
    for seed in range(100):
        before = np.random.SeedSequence(seed).generate_state(3)
        assert Seeds.of(seed)[:3] == tuple(before.tolist())
    assert len({Seeds.of(seed).split for seed in range(100)}) == 100


def test_a_subset_keeps_validation_whole():
    whole, part = split_examples(100, None), split_examples(100, 30)
    assert torch.equal(part.validation, whole.validation)
    assert torch.equal(part.train, whole.train[:30])
    assert torch.equal(split_examples(100, 1000).train, whole.train)


def test_each_epoch_draws_every_training_image_once_in_another_order(image_case):
    task = image_case.start().task
    task._augment = ImageTrainable.augment
    order = torch.Generator().manual_seed(0)
    epochs = [torch.cat([batch.inputs.flatten(1) for batch in task.batches(32, order)]) for _ in range(2)]
    assert len(epochs[0]) == image_case.hyperparameters.train_subset == task.n_examples
    assert not torch.equal(*epochs)
    lexical = [sorted(map(tuple, epoch.tolist())) for epoch in epochs]
    assert lexical[0] == lexical[1]


def test_training_inputs_are_normalised(data_dir):
    task = CASES["digits"](data_dir, train_subset=None).start().task
    inputs = torch.cat([batch.inputs for batch in task.batches(32, torch.Generator())])
    assert inputs.mean().abs() < 0.02
    assert abs(inputs.std() - 1) < 0.02


@pytest.mark.parametrize("split", ["validation", "test"])
def test_scores_are_those_of_all_images_of_the_split_at_once(split, image_case):
    task = image_case.start().task
    task.model.eval()
    if split == "validation":
        pixels, labels = task._inputs[task._validation], task._targets[task._validation]
    else:
        stored = image_case.trainable.load("test")
        pixels, labels = stored.pixels, stored.labels
    logits = task.model(task._normalise(pixels)).detach().double()
    chosen = logits.log_softmax(1)[range(len(labels)), labels]
    scores = task.evaluate(split)
    assert scores["loss"] == pytest.approx(-float(chosen.mean()), rel=1e-5)
    right = logits.argmax(1) == labels
    assert scores["accuracy"] == pytest.approx(float(right.double().mean()))
    # It is kept of the test split alone.
    assert task.correct is None if split == "validation" else torch.equal(task.correct, right)


def test_all_classifiers_tell_which_test_examples_they_have_right(any_case):
    training = any_case.start(test=True, epochs=1)
    list(training)
    assert (training.correct is not None) == (any_case.trainable.name in (*IMAGES, "imdb"))


@pytest.fixture
def watched(split_case):
    """The case's trainable, and a list of the splits that it loads."""
    splits = []

    class Watched(type(split_case.trainable)):
        def load(self, split):
            splits.append(split)
            return super().load(split)

    return Watched(split_case.trainable.data_dir), splits


@pytest.mark.parametrize("mode", ["none", "layer"])
def test_training_never_loads_the_test_split(split_case, watched, mode):
    trainable, splits = watched
    trainable.prepare(split_case.hyperparameters)
    values = split_case.hyperparameters.model_dump() | {"noise": mode, "sigma": 0.01, "epochs": 1}
    list(trainable.start(trainable.Hyperparameters(**values), seed=0))
    assert "train" in splits
    assert "test" not in splits


def test_the_test_split_is_loaded_once_after_the_last_epoch(split_case, watched):
    trainable, splits = watched
    loaded = [splits.count("test") for _ in trainable.start(split_case.hyperparameters, seed=0, test=True)]
    assert loaded == [0] * (split_case.hyperparameters.epochs - 1) + [1]


def test_the_test_split_is_prepared_where_it_will_be_read(split_case, watched):
    trainable, splits = watched
    trainable.prepare(split_case.hyperparameters, test=True)
    assert splits.count("test") == 1


@pytest.mark.parametrize("name", ["fmnist", "conll2003", "imdb"])
def test_a_test_split_that_is_not_there_is_refused(name, made_data, tmp_path):
    shutil.copytree(made_data, tmp_path / "data", ignore=shutil.ignore_patterns("test-*"))
    case = CASES[name](tmp_path / "data")
    case.trainable.prepare(case.hyperparameters)
    with pytest.raises(DataError, match="test"):
        case.trainable.prepare(case.hyperparameters, test=True)


def test_test_images_are_not_training_images(image_case):
    train, test = (image_case.trainable.load(split) for split in ("train", "test"))
    seen = {image.numpy().tobytes() for image in train.pixels}
    assert not any(image.numpy().tobytes() in seen for image in test.pixels)


# Hyperparameters


def test_hyperparameters_refuse_what_they_do_not_know():
    with pytest.raises(ValueError, match="learning_rate"):
        Hyperparameters(learning_rate=0.1)
    with pytest.raises(ValueError, match="greater than or equal to 0"):
        Hyperparameters(sigma=-1.0)

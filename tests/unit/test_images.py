"""Convolutional networks and augmentation."""

from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.cases import CASES
from trainables.augmentation import PADDING, crop_and_flip
from trainables.images import Normalise
from trainables.models.cnn import CNNS
from trainables.testing import numbers, same_weights

DATASETS = ("cifar10", "cifar100")


def linear(inputs, outputs):
    return (inputs + 1) * outputs


def conv(inputs, outputs, size):
    return (inputs * size * size + 1) * outputs


def parameters_of(model, classes):
    pooled = conv(3, 32, 3) + conv(32, 128, 3) + 2 * conv(128, 128, 3)
    if model == "cnn1":
        return conv(3, 6, 5) + conv(6, 16, 5) + linear(400, 120) + linear(120, 84) + linear(84, classes)
    if model == "cnn2":
        return pooled + linear(128, classes)
    if model == "cnn3":
        return pooled + linear(128, 5000) + linear(5000, classes)
    if model == "vgg11":
        widths = [3, 64, 128, 256, 256, 512, 512, 512, 512]
        return sum(conv(a, b, 3) + 2 * b for a, b in pairwise(widths)) + linear(512, classes)
    # ResNet-18: stem, then four stages of two blocks; each convolution without bias, with its BatchNorm.
    total, width = 3 * 64 * 9 + 2 * 64, 64
    for stage in (64, 128, 256, 512):
        shortcut = 0 if stage == width else width * stage + 2 * stage
        total += (width + 3 * stage) * stage * 9 + 4 * 2 * stage + shortcut
        width = stage
    return total + linear(512, classes)


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("model", CNNS)
def test_parameters_are_those_published(model, name, data_dir):
    trainable = CASES[name](data_dir).trainable
    with torch.device("meta"):
        built = trainable.model(trainable.Hyperparameters(model=model)).eval()
        outputs = built(torch.zeros(2, 3, 32, 32))
    assert sum(p.numel() for p in built.parameters()) == parameters_of(model, trainable.classes)
    assert outputs.shape == (2, trainable.classes)


def test_resnet_keeps_small_images_large(data_dir):
    built = CNNS["resnet18"]((3, 32, 32), 10).eval()
    seen = []
    built.layer1.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape))
    built(torch.zeros(1, 3, 32, 32))
    assert seen == [(1, 64, 32, 32)]


def test_logits_have_no_relu():
    for build in CNNS.values():
        torch.manual_seed(0)
        logits = build((3, 32, 32), 100).eval()(torch.randn(4, 3, 32, 32))
        assert (logits < 0).any()


@pytest.mark.parametrize("model", ["cnn2", "cnn3", "resnet18", "vgg11"])
def test_every_architecture_trains_with_and_without_noise(model, data_dir):
    case = CASES["cifar10"](data_dir, model=model, epochs=1, train_subset=6, batch_size=3)
    trainings = [case.start(), *(case.noisy(mode) for mode in ("all", "after_layer", "sam"))]
    for training in trainings:
        training.task._validation = training.task._validation[:4]
        assert len(list(training)) == 1
    assert not any(same_weights(trainings[0], other) for other in trainings[1:])


def test_batch_norm_statistics_survive_a_resume(data_dir):
    case = CASES["cifar10"](data_dir, model="vgg11", train_subset=6, batch_size=3)
    whole, interrupted, resumed = (case.noisy("after_all") for _ in range(3))
    for training in (whole, interrupted, resumed):
        training.task._validation = training.task._validation[:4]
    expected = numbers(whole)
    next(iter(interrupted))
    resumed.load_state_dict(interrupted.state_dict())
    assert numbers(resumed) == expected[1:]
    assert same_weights(whole, resumed)


# Augmentation


def longhand(image, top, left, flipped):
    padded = torch.nn.functional.pad(image, [PADDING] * 4)
    height, width = image.shape[1:]
    cropped = padded[:, top : top + height, left : left + width]
    return cropped.flip(2) if flipped else cropped


@settings(max_examples=20, deadline=None)
@given(
    st.integers(0, 2**31),
    st.integers(1, 5),
    st.tuples(st.integers(1, 4), st.integers(4, 9), st.integers(4, 9)),
)
def test_each_image_is_one_crop_flipped_or_not(seed, n, shape):
    images = torch.randint(1, 256, (n, *shape), generator=torch.Generator().manual_seed(seed)).byte()
    changed = crop_and_flip(images, torch.Generator().manual_seed(seed))
    assert changed.shape == images.shape
    assert changed.dtype == torch.uint8
    moves = range(2 * PADDING + 1)
    for before, after in zip(images, changed, strict=True):
        assert any(
            torch.equal(after, longhand(before, top, left, flipped))
            for top in moves
            for left in moves
            for flipped in (False, True)
        )


def test_all_crops_and_both_flips_come_about_as_often():
    n = 20_000
    rows, columns = torch.meshgrid(torch.arange(1, 4), torch.arange(1, 4), indexing="ij")
    image = torch.stack([rows, columns]).byte().expand(n, 2, 3, 3)
    changed = crop_and_flip(image, torch.Generator().manual_seed(0))
    counts = torch.unique(changed.flatten(1), dim=0, return_counts=True)[1]
    # 3x3 images moved by up to 4 show 5 x 5 of the 9 x 9 crops, each flipped or not; the others are black.
    shown = counts[counts < n / 4]
    assert len(shown) == 5 * 5 * 2
    expected = n / 81 / 2
    assert ((shown - expected).abs() < 5 * expected**0.5).all()


def test_training_images_change_every_epoch_and_validation_images_never(data_dir):
    task = CASES["cifar10"](data_dir).start().task
    order = torch.Generator().manual_seed(0)
    epochs = [torch.cat([batch.inputs.flatten(1) for batch in task.batches(32, order)]) for _ in range(2)]
    rows = [{row.numpy().tobytes() for row in epoch} for epoch in epochs]
    assert len(rows[0] & rows[1]) < len(rows[0]) / 2
    task.model.eval()
    assert task.evaluate() == task.evaluate()
    stored = Normalise(
        type(CASES["cifar10"](data_dir).trainable).mean, CASES["cifar10"](data_dir).trainable.std
    )
    sample = torch.cat([batch.inputs for batch in task.sample(10)])
    assert torch.equal(sample, stored(task._inputs[task._train[:10]]))


def test_test_images_are_normalised_as_in_training_and_not_augmented(data_dir):
    case = CASES["cifar10"](data_dir)
    stored = case.trainable.load("test")
    batches = list(case.start().task.evaluation_batches("test"))
    normalise = Normalise(case.trainable.mean, case.trainable.std)
    assert torch.equal(torch.cat([batch.inputs for batch in batches]), normalise(stored.pixels))
    assert torch.equal(torch.cat([batch.targets for batch in batches]), stored.labels)


def test_normalise_is_by_channel():
    pixels = torch.tensor([[[[10.0]], [[20.0]]]])
    assert Normalise((4.0, 8.0), (2.0, 3.0))(pixels).flatten().tolist() == [3.0, 4.0]
    assert Normalise(4.0, 2.0)(pixels).flatten().tolist() == [3.0, 8.0]
    assert pixels.flatten().tolist() == [10.0, 20.0]  # the data stay as they are


@pytest.mark.parametrize("name", ["digits", "cifar10"])
def test_the_saved_network_takes_pixels_as_stored(name, data_dir):
    case = CASES[name](data_dir)
    training = case.start()
    next(iter(training))
    task, pixels = training.task, case.trainable.load("train").pixels[:5]
    serving = case.trainable.serving(task.model, case.hyperparameters).eval()
    inside = task.model(task._normalise(pixels))
    assert torch.equal(serving(pixels), inside)

"""Which batches a captured step can take; the rest is tested on a GPU, in test_cuda.py."""

import pytest
import torch

from trainables.batch import Batch
from trainables.cuda_graphs import _alike


def batch(n=4, weight=4):
    return Batch(torch.zeros(n, 3), torch.zeros(n), weight)


@pytest.mark.parametrize(
    ("other", "alike"),
    [
        (batch(), True),
        (batch(n=3), False),
        (batch(weight=3), False),  # a number is a constant of the graph
        (batch(weight=torch.tensor(4)), False),
    ],
)
def test_shapes_and_numbers_are_those_captured(other, alike):
    assert _alike(other, batch()) is alike


def test_a_weight_that_is_a_tensor_may_change():
    assert _alike(batch(weight=torch.tensor(3)), batch(weight=torch.tensor(4)))

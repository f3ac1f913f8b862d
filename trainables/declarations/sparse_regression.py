"""Declaration of sparse regression."""

from typing import ClassVar

from pydantic import Field

from trainables.declarations.base import Declaration
from trainables.declarations.hyperparameters import MOST, MOST_EPOCHS, WEIGHT_DECAY, Hyperparameters


class SparseRegressionHyperparameters(Hyperparameters):
    """Hyperparameters of the problem and of the diagonal linear network; the defaults are plain descent."""

    # Weight decay favours sparse coefficients, as noise does.
    default_weight_decay: ClassVar = dict.fromkeys(WEIGHT_DECAY, 0.0)

    epochs: int = Field(
        15, ge=1, le=MOST_EPOCHS, description="epochs of 100 passes over the training examples"
    )
    batch_size: int = Field(20, ge=1, le=MOST, description="examples a step")
    lr: float = Field(0.05, gt=0, description="learning rate of the first step")
    momentum: float = Field(0.0, ge=0, lt=1, description="momentum of sgd; adam and adamw have their own")
    weight_decay: float | None = Field(0.0, ge=0, description="0 with every optimizer unless it is given")
    features: int = Field(100, ge=1, le=100_000, description="d, the coefficients to find")
    examples: int = Field(40, ge=1, le=MOST, description="n, the training examples")
    nonzero: int = Field(5, ge=0, description="k, the true coefficients that are not zero: each is 1 or -1")
    depth: int = Field(2, ge=1, le=100, description="factors of each coefficient; each is one noise group")
    init: float = Field(0.32, gt=0, description="standard deviation of the initial factors")
    label_noise: float = Field(0.1, ge=0, description="standard deviation of the noise on the labels")


class SparseRegression(Declaration[SparseRegressionHyperparameters]):
    """Linear regression with known sparse coefficients and few examples, drawn by the trial's seed."""

    name = "sparse_regression"
    Hyperparameters = SparseRegressionHyperparameters
    matters: ClassVar = {"error": 1.0}
    scores: ClassVar = {"error": "min", "l1": None, "l0": None, "distance": "min"}
    draws_data = True
    data_hyperparameters: ClassVar = ("features", "examples", "nonzero", "train_subset")

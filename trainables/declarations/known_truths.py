"""Declarations of trainables whose truth is known: their data are drawn from a seed, or there are none."""

from typing import ClassVar, Literal

from pydantic import Field

from trainables.declarations.base import Declaration
from trainables.declarations.hyperparameters import MOST, HeldOutHyperparameters, Hyperparameters


class LinearNetworkHyperparameters(HeldOutHyperparameters):
    """Hyperparameters of the fully connected linear network and its data."""

    width: int = Field(100, ge=1, le=100_000, description="width m of the hidden layers")
    depth: int = Field(3, ge=1, le=100, description="weight matrices D; there are no biases")
    parametrization: Literal["mean_field", "standard", "ntk"] = Field(
        "mean_field",
        description="variance of the initial weights: 1 / width, 1 / inputs of the layer, or 1 (ntk), "
        "where ntk divides each layer by the square root of its inputs",
    )
    inputs: int = Field(10, ge=1, le=MOST, description="input dimensions d, each N(0, 1)")
    outputs: int = Field(5, ge=1, le=MOST, description="output dimensions k")
    label_noise: float = Field(0.1, ge=0, description="standard deviation of the noise on each target")


class LinearNetwork(Declaration[LinearNetworkHyperparameters]):
    """A fully connected linear network that learns a linear map; its expected loss under noise is exact."""

    name = "linear_network"
    Hyperparameters = LinearNetworkHyperparameters
    scores: ClassVar = {"distance": "min", "rise_all": "min", "rise_layer": "min"}
    matters: ClassVar = {"distance": 0.05}


class QuadraticHyperparameters(Hyperparameters):
    """Hyperparameters of the quadratic."""

    hessian: float = Field(1.0, gt=0, description="every eigenvalue h of the Hessian")
    groups: int = Field(2, ge=1, le=1_000, description="parameter tensors G")
    dimension: int = Field(1000, ge=1, le=MOST, description="weights of each group")


class Quadratic(Declaration[QuadraticHyperparameters]):
    """The loss h/2 |w|^2, whose weights settle at a known variance under noise."""

    name = "quadratic"
    Hyperparameters = QuadraticHyperparameters
    scores: ClassVar = {"variance": "min", "variance_predicted": None}
    matters: ClassVar = {"variance": 0.001}

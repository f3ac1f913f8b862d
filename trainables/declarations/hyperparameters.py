"""Hyperparameters that a sweep can fix or search in every trainable."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from trainables.noise import registry
from trainables.noise.schedule import SigmaSchedule

# Every noise mode has the same number of these in an epoch. With ``gradients``, a mode that takes two
# gradients a step steps on every second batch; with ``steps``, it steps on every batch.
Equal = Literal["gradients", "steps"]
Precision = Literal["float32", "tf32", "bf16"]
Cell = Literal["lstm", "gru", "rnn"]
# All that every process on this machine knows.
NOISE_MODES: tuple[str, ...] = tuple(registry.names())
# The name of a checkpoint has five digits for the epoch.
MOST_EPOCHS = 99_999
# A larger batch or sample would run out of memory: it is taken for a typing error.
MOST = 10**6
# Each sigma of ``weight_noise`` is scored as the mean of so many evaluations.
WEIGHT_NOISE_DRAWS = 10
# MLflow refuses the + in the name of a sigma above 1e6.
MOST_SIGMAS, LARGEST_SIGMA = 20, 1000.0
WEIGHT_DECAY = {"sgd": 5e-4, "adam": 0.0, "adamw": 0.01}

UNKNOWN_MODE = "unknown_mode"


def _known(name: Any) -> Any:
    # Not a Literal, as scripts and notebooks register modes of their own.
    if name not in registry.names():
        raise PydanticCustomError(UNKNOWN_MODE, "must be the name of a noise mode")
    return name


def _list_modes(schema: dict[str, Any]) -> None:
    schema["enum"] = registry.names()


NoiseModeName = Annotated[str, BeforeValidator(_known)]


def each_once(sigmas: Any) -> Any:
    """Refuse sigmas whose metrics would have one name."""
    if len({f"{sigma:g}" for sigma in sigmas}) < len(sigmas):
        raise ValueError("must list each sigma once, with six digits at most")
    return sigmas


Sigma = Annotated[float, Field(gt=0, le=LARGEST_SIGMA)]


def _as_tuple(value: Any) -> Any:
    # Hyperparameters are hashable; a YAML and a journal have lists.
    if not isinstance(value, list | tuple):
        raise ValueError(f"must be a list of standard deviations, such as [0.01, 0.1], got {value!r:.60}")
    return tuple(value)


Sigmas = Annotated[
    tuple[Sigma, ...],
    Field(max_length=MOST_SIGMAS),
    AfterValidator(each_once),
    BeforeValidator(_as_tuple, json_schema_input_type=list[Sigma]),
]


class Hyperparameters(BaseModel):
    """Hyperparameters shared by all trainables; a subclass adds its own."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    default_weight_decay: ClassVar[Mapping[str, float]] = WEIGHT_DECAY

    epochs: int = Field(10, ge=1, le=MOST_EPOCHS, description="passes over the training split")
    batch_size: int = Field(128, ge=1, le=MOST, description="examples a step")
    optimizer: Literal["sgd", "adam", "adamw"] = Field("sgd", description="torch.optim optimizer")
    lr: float = Field(0.01, gt=0, description="learning rate of the first step")
    lr_schedule: Literal["cosine", "constant"] = Field(
        "cosine", description="cosine goes to zero, every step"
    )
    momentum: float = Field(0.9, ge=0, lt=1, description="momentum of sgd; adam and adamw have their own")
    weight_decay: float | None = Field(
        None, ge=0, description="empty: 5e-4 for sgd, 0 for adam, 0.01 for adamw (decoupled)"
    )
    noise: NoiseModeName = Field("none", description="noise mode", json_schema_extra=_list_modes)
    sigma: float = Field(
        0.0, ge=0, description="strength of the injected noise in the first step, as the mode defines it"
    )
    sigma_schedule: SigmaSchedule = Field(
        "constant",
        description="linear and cosine go to zero, every epoch; follow_lr: sigma * sqrt(lr / first lr)",
    )
    sigma_epochs: int | None = Field(None, ge=1, description="no noise after this epoch; empty: never off")
    mixing: float = Field(0.5, ge=0, le=1, description="share of the gradient with noise; only of mixed")
    precision: Precision = Field(
        "float32",
        description="arithmetic of training steps: tf32 on NVIDIA GPUs, bf16 by autocast; weights: float32",
    )
    train_subset: int | None = Field(None, ge=1, description="train on this many examples; empty: on all")
    curvature: Literal["never", "end", "epoch"] = Field(
        "never",
        description="when to measure sharpness and the Hessian's trace and top eigenvalue",
    )
    curvature_examples: int = Field(
        256, ge=1, le=MOST, description="training examples to measure them on, the same in every trial"
    )
    curvature_draws: int = Field(
        20, ge=2, le=MOST, description="random vectors for the estimates of sharpness and the trace"
    )

    sharpness_sigma: float = Field(
        0.01,
        gt=0,
        description="standard deviation of the noise that sharpness is the mean rise under, in every trial",
    )

    weight_noise: Sigmas = Field(
        (),
        description="standard deviations of noise on the weights under which the trained network is "
        "scored, such as [0.01, 0.1]",
    )

    @model_validator(mode="before")
    @classmethod
    def _default_weight_decay(cls, values: Any) -> Any:
        """Fill in the default here, so that the value logged is the value used."""
        if isinstance(values, dict) and values.get("weight_decay") is None:
            optimizer = values.get("optimizer", cls.model_fields["optimizer"].default)
            return {**values, "weight_decay": cls.default_weight_decay.get(str(optimizer))}
        return values


class HeldOutHyperparameters(Hyperparameters):
    """Hyperparameters of a trainable that holds validation examples out of the published training split."""

    split: Literal["fixed", "per_seed"] = Field(
        "fixed",
        description="training and validation examples: fixed for all trials, or drawn by the trial's seed",
    )

"""A first study of a trainable: commented YAML, generated from its declaration and the schema."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic.fields import FieldInfo

from sweeps.errors import SweepError, one_of, unknown_message
from sweeps.spec.base import Model
from sweeps.spec.commented import Line, block, scalar
from sweeps.spec.model import MEASURING, Spec, declaration_of, values_in
from sweeps.spec.sections import ConfirmStage, Resources, Scalar, SearchStage
from trainables import registry
from trainables.declarations.base import Declaration
from trainables.declarations.hyperparameters import Hyperparameters

# Details of measurements, and what a single mode uses: a study sets them where it needs them.
_RARE = {"mixing", "curvature_examples", "curvature_draws", "sharpness_sigma"}
_FRACTION_MATTERS = 0.005
_QUICK = {"epochs": 2, "examples": 1000}

_TEXT = """\
# A study of {trainable}: {summary}
# Every value is a suggestion. Check what you change with: noisesweep validate {name}.yaml
name: {name}
question: {question}
trainable: {trainable}
{compare}

# The hyperparameters that all trials share. These are the defaults.
fixed:
{fixed}

# The hyperparameters that the search tunes in each arm.
search:
{search}

stages:
  # First, each arm is tuned by itself, with the same budget, on the validation split.
  search:
{search_stage}
  # Then the best configuration of each arm is retrained on fresh seeds, and the test split is read.
  confirm:
{confirm_stage}

# The metric that the search optimizes. Reports compare the arms by the same metric on the test split.
objective: {{metric: {validated}, mode: {mode}}}

# Your expectations, stated before you see results. Each ends as supported, refuted, reversed or undecided.
claims:
{claim}

# What one trial needs. As many trials run at a time as fit.
resources:
{resources}
{seed}

# A smaller form, to try the study: noisesweep run {name}.yaml --profile quick
profiles:
  quick:
{quick}
"""


def study_text(name: str, trainable: str, compared: str = "noise") -> str:
    """Write the YAML of a study that compares the values of one hyperparameter of a trainable.

    Args:
        name: The name of the study.
        trainable: The name of a trainable.
        compared: A hyperparameter with listed values, such as ``noise`` or ``optimizer``.

    Returns:
        The text. It is valid if every hyperparameter of the trainable has a default.

    Raises:
        SweepError: If the trainable is unknown, or the hyperparameter cannot be compared.
    """
    if trainable not in registry.names():
        raise SweepError(f"trainable: {unknown_message(trainable, registry.names())}")
    declaration = declaration_of(trainable)
    arms = _arms(declaration, compared)
    score, direction = _score(declaration)
    is_noise = compared == "noise"
    question = f"Which {'noise' if is_noise else compared} is best for {trainable}"
    pair = ("none", "layer") if is_noise else (arms[0], arms[1])
    return _TEXT.format(
        name=name,
        trainable=trainable,
        summary=(declaration.__doc__ or "").strip().partition("\n")[0],
        question=f"{question}, and at which sigma?" if is_noise else f"{question}?",
        compare=block([Line("compare", compared, f"the arms: {_listed(arms)}")], 0),
        fixed=block(_fixed(declaration, compared), 2),
        search=block(_searched(declaration, compared), 2),
        search_stage=block(_search_stage(declaration), 4),
        confirm_stage=block(_confirm_stage(is_noise=is_noise), 4),
        validated=f"val_{score}",
        mode=direction,
        claim=_claim(declaration, score, pair),
        resources=block([_line(Resources, "cpu", "1"), _line(Resources, "gpu", "0")], 2),
        seed=block([_line(Spec, "seed", "0")], 0),
        quick=block(_quick(declaration, compared, pair), 4),
    )


def _arms(declaration: type[Declaration[Any]], compared: str) -> list[Scalar]:
    fields = declaration.Hyperparameters.model_fields
    comparable = [name for name in fields if name not in MEASURING and len(values_in(name, declaration)) > 1]
    if compared not in fields:
        raise SweepError(f"--compare: {unknown_message(compared, comparable)}")
    if compared not in comparable:
        rule = f"--compare: {compared} has no list of values to compare; it can be {one_of(comparable)}"
        raise SweepError(f"{rule}. Numbers can be listed in the file: compare: {{lr: [0.01, 0.1]}}")
    return values_in(compared, declaration)


def _score(declaration: type[Declaration[Any]]) -> tuple[str, str]:
    """Return the trainable's first score that has a better direction, with it, or else the loss."""
    return next(((name, better) for name, better in declaration.scores.items() if better), ("loss", "min"))


def _fixed(declaration: type[Declaration[Any]], compared: str) -> Iterator[Line]:
    """Write the trainable's own hyperparameters, then those of every trainable."""
    fields, shared = declaration.Hyperparameters.model_fields, Hyperparameters.model_fields
    elsewhere = {compared, "lr", *MEASURING, *_RARE, *(["sigma"] if compared == "noise" else [])}
    names = [name for name in fields if name not in elsewhere]
    for name in sorted(names, key=shared.__contains__):
        field = fields[name]
        value = None if field.is_required() else field.get_default()
        # A value would hold for every optimizer; each has a default of its own.
        if name == "weight_decay" and compared != "optimizer":
            optimizer = fields["optimizer"].default
            value = declaration.Hyperparameters.default_weight_decay.get(optimizer)
        unset = value is None and not field.is_required()
        yield Line(name, scalar(value), _described(field), unset)


def _searched(declaration: type[Declaration[Any]], compared: str) -> Iterator[Line]:
    fields = declaration.Hyperparameters.model_fields
    if compared == "noise":
        comment = "strength of the noise, in every mode but none"
        yield Line("sigma", "{log_uniform: [0.001, 0.3], when: noisy}", comment)
    default = fields["lr"].default
    # Adam's learning rates are lower than those of SGD, for which the default is.
    low, high = default / (100 if compared == "optimizer" else 10), default * 10
    yield Line("lr", f"{{log_uniform: [{low:g}, {high:g}]}}", _described(fields["lr"]))


def _search_stage(declaration: type[Declaration[Any]]) -> Iterator[Line]:
    yield _line(SearchStage, "trials_per_arm", "12")
    yield _line(SearchStage, "sampler", "tpe")
    # A trial of one epoch cannot be stopped early.
    yield _line(SearchStage, "scheduler", "asha" if _epochs(declaration) > 1 else "none")


def _confirm_stage(*, is_noise: bool) -> Iterator[Line]:
    comment = "numbers of seeds after which a claim is judged, until it is decided"
    yield Line("looks", "[13, 20, 40]", comment)
    if is_noise:
        yield Line("at", "{sigma: [0.03, 0.1]}", "retrain each noisy arm at these values too")
    yield _line(ConfirmStage, "curvature", "never")


def _claim(declaration: type[Declaration[Any]], score: str, pair: tuple[Scalar, Scalar]) -> str:
    worse, better = pair
    fraction = _FRACTION_MATTERS if score in declaration.fractions else 0.01
    by = declaration.matters.get(score, fraction)
    unit = "a fraction" if score in declaration.fractions else f"in the unit of test_{score}"
    lines = [
        Line("name", scalar(f"{better} beats {worse}")),
        Line("metric", f"test_{score}"),
        Line("better", scalar(better)),
        Line("worse", scalar(worse)),
        Line("by", f"{by:g}", f"the smallest advantage that matters to you, {unit}"),
    ]
    return block(lines, 4).replace("    name", "  - name", 1)


def _quick(declaration: type[Declaration[Any]], compared: str, pair: tuple[Scalar, Scalar]) -> Iterator[Line]:
    values = ", ".join(map(scalar, pair))
    yield Line("compare", f"{{{compared}: [{values}]}}")
    yield Line("fixed.epochs", str(min(_epochs(declaration), _QUICK["epochs"])))
    # Classifiers have thousands of examples; what is drawn or a series may have fewer.
    if declaration.fractions:
        yield Line("fixed.train_subset", str(_QUICK["examples"]))
    yield Line("stages.confirm.looks", "[8]")


def _epochs(declaration: type[Declaration[Any]]) -> int:
    epochs: int = declaration.Hyperparameters.model_fields["epochs"].default
    return epochs


def _line(model: type[Model], key: str, value: str) -> Line:
    return Line(key, value, model.model_fields[key].description or "")


def _described(field: FieldInfo) -> str:
    """Return the description of a hyperparameter, with its values if they are listed."""
    values = [value for value in get_args(field.annotation) if isinstance(value, str)]
    listed = f"({one_of(values)})" if values else ""
    return " ".join(filter(None, [field.description, listed]))


def _listed(values: list[Scalar]) -> str:
    return ", ".join(map(scalar, values))

"""Loading the YAML of a sweep: the messages for mistakes, and the effect of every key."""

import codecs
import copy
import math
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean
from typing import Any, get_args

import optuna
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from sweeps import SpecError, load_spec, runner
from sweeps.analysis.claims import JudgedClaim, judge_claims
from sweeps.engine import stages
from sweeps.engine.stopping import Stop
from sweeps.errors import one_of, shown, unknown_message
from sweeps.record.folder import create_sweep
from sweeps.record.state import SweepState
from sweeps.record.trials import CONFIRM, SEARCH
from sweeps.report.labels import position
from sweeps.search.scheduler import ArmScheduler
from sweeps.spec.catalogue import STUDIES
from sweeps.spec.claim import Claim
from sweeps.spec.model import REGISTER, Spec
from sweeps.spec.sections import Dimension
from sweeps.spec.space import SearchSpace, n_trials
from sweeps.spec.yaml import parse
from trainables import registry

BASE = """\
name: study
trainable: digits
fixed: {epochs: 4}
search:
  noise: [none, all]
  sigma:
    log_uniform: [1.0e-4, 0.3]
    when: {noise: [all]}
objective: {metric: val_accuracy, mode: max}
budget: {trials: 3}
"""
GRID = """\
name: study
trainable: digits
search:
  lr: {grid: [0.1, 0.2]}
objective: {metric: val_accuracy, mode: max}
"""
COMPARE = """\
name: study
trainable: digits
compare: noise
fixed: {epochs: 4}
search:
  sigma: {log_uniform: [1.0e-4, 0.3], when: {noise: [all, layer, after_all, after_layer]}}
stages:
  search: {trials_per_arm: 3}
  confirm: {seeds: 2}
objective: {metric: val_accuracy, mode: max}
claims:
  - {name: layer beats none, metric: test_accuracy, better: layer, worse: none}
"""
CURVES = """\
name: study
trainable: digits
mode: grid
compare: {noise: [none, all]}
fixed: {epochs: 4}
search: {sigma: {grid: [0.1, 0.2], when: {noise: [all]}}}
objective: {metric: val_accuracy, mode: max}
seeds: 3
claims:
  - {name: all beats none, metric: val_accuracy, better: all, worse: none, where: {sigma: 0.1}}
"""
ISSUE = """\
name: fmnist-shallow
trainable: fmnist
fixed: {model: shallow, epochs: 20, batch_size: 128, optimizer: sgd}
search:
  noise: [none, all, layer, after_all, after_layer]
  sigma: {log_uniform: [1.0e-4, 0.3], when: {noise: [all, layer, after_all, after_layer]}}
  lr: {log_uniform: [1.0e-3, 0.1]}          # any hyperparameter of the trainable
objective: {metric: val_accuracy, mode: max}
budget: {trials: 50, concurrent: 2}
scheduler: {asha: {grace_epochs: 2, reduction_factor: 3}}   # or none
resources: {cpu: 1, gpu: 0}
seed: 0
"""

KEYS = one_of(sorted(Spec.model_fields))
HYPERPARAMETERS = (
    "batch_size, curvature, curvature_draws, curvature_examples, epochs, "
    "lr, lr_schedule, mixing, model, momentum, noise, optimizer, precision, sharpness_sigma, sigma, "
    "sigma_epochs, sigma_schedule, split, train_subset, weight_decay or weight_noise"
)
METRICS = (
    "epoch_seconds, examples_per_second, grad_norm, param_l1, param_l2, sigma, train_loss, "
    "val_accuracy or val_loss"
)
STUDIED = "after_all, after_layer, all, layer or none"
MODES = (
    "after_all, after_layer, all, anti, asam, first_group, langevin, layer, mixed, none, sam, scaled "
    "or two_point"
)
OWN = f"; for one of your own, {REGISTER}"
KINDS = "choice, grid, grid_by_arm, uniform, log_uniform, int_uniform"
KINDS_OR_WHEN = "choice, grid, grid_by_arm, int_uniform, log_uniform, uniform or when"
NAME_RULE = "name of the study: letters, digits, and - _ . inside, at most 64"
ONE_VALUE = "must be one value (a number, text, true or false)"
MAPPING = "must be a mapping of keys"
SCHEDULER = "must be none, asha, hyperband or median, or one with its keys, such as {asha: {grace_epochs: 2}}"
ONE_RULE = "must have exactly one of asha, hyperband or median, such as {asha: {grace_epochs: 2}}"


def read(folder: Path, text: str | bytes, *overrides: str) -> Spec:
    file = folder / "sweep.yaml"
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return load_spec(file, overrides)


def mistakes(folder: Path, text: str | bytes, *overrides: str) -> list[str]:
    """The lines of the error, without the name of the file."""
    with pytest.raises(SpecError) as caught:
        read(folder, text, *overrides)
    lines = str(caught.value).splitlines()
    assert len(lines) == len(caught.value.mistakes) > 0, "one line a mistake"
    file = str(folder / "sweep.yaml")
    assert all(line.startswith((f"{file}:", "--set: ")) for line in lines)
    return [line.removeprefix(f"{file}:") for line in lines]


def changed(old: str, new: str, text: str = BASE) -> str:
    assert text.count(old) == 1, f"{old!r} stands there {text.count(old)} times"
    return text.replace(old, new)


# A line appended to BASE, and its message.
TOP = [
    ("bugdet: {}", f"bugdet: 'bugdet' is not known; did you mean 'budget'? it can be {KEYS}"),
    ("epochs: 4", "epochs: 'epochs' is a hyperparameter; write fixed.epochs, or search.epochs to search it"),
    ("zzz: 1", f"zzz: 'zzz' is not known; it can be {KEYS}"),
    # pydantic names a member of a union by the same word.
    ("int: 1", f"int: 'int' is not known; it can be {KEYS}"),
    ("5: x", f"5: '5' is not known; it can be {KEYS}"),
    ("null: x", f"null: 'null' is not known; it can be {KEYS}"),
    ("on: x", f"on: 'on' is not known; it can be {KEYS}"),
    ("2024-01-01: x", f"2024-01-01: '2024-01-01' is not known; it can be {KEYS}"),
    ("name: again", "name: is given twice; keep one"),
    ("seed: 1.5", "seed: must be a whole number, got 1.5"),
    ("seed: true", "seed: must be a whole number, got true"),
    ("seed: -1", "seed: must be greater than or equal to 0, got -1"),
    ("seed: 4294967296", "seed: must be less than or equal to 4294967295, got 4294967296"),
    ("seed:", "seed: must be a whole number, got nothing"),
    ("seeds: 0", "seeds: must be greater than or equal to 1, got 0"),
    ("seeds: 3", "seeds: is for a grid, which runs every point with every seed"),
    ("max_failures: -1", "max_failures: must be greater than or equal to 0, got -1"),
    ("data_dir: 3", "data_dir: must be text, got 3; write it in quotes"),
    ("resources: {cpu: 0}", "resources.cpu: must be greater than 0, got 0"),
    ("resources: {gpu: -1}", "resources.gpu: must be greater than or equal to 0, got -1"),
    ("resources: {cpu: two}", "resources.cpu: must be a number, got 'two'"),
    (
        "resources: {cpus: 1}",
        "resources.cpus: 'cpus' is not known; did you mean 'cpu'? it can be cpu, custom, gpu or memory",
    ),
    ("resources: [1]", f"resources: {MAPPING}, got [1]"),
    ("scheduler: ahsa", f"scheduler: {SCHEDULER}"),
    ("scheduler: [asha]", f"scheduler: {SCHEDULER}"),
    ("scheduler: {}", f"scheduler: {ONE_RULE}"),
    ("scheduler: {asha: }", f"scheduler: {ONE_RULE}"),
    ("scheduler: {asha: {}, median: {}}", f"scheduler: {ONE_RULE}"),
    ("scheduler: {median: 3}", f"scheduler.median: {MAPPING}, got 3"),
    (
        "scheduler: {asah: {}}",
        "scheduler.asah: 'asah' is not known; did you mean 'asha'? it can be asha, hyperband or median",
    ),
    ("sampler: tep", "sampler: must be 'tpe', 'random', 'cmaes', 'qmc' or 'gp', got 'tep'"),
    (
        "sampler: cmaes",
        "sampler: cmaes searches ranges of numbers, and noise is a list: use tpe, qmc or random",
    ),
    (
        "sampler: gp",
        "sampler: gp cannot search sigma, as it depends on noise: use tpe, qmc or random",
    ),
    (
        "scheduler: {hyperband: {grace_epochs: 2}}",
        "scheduler.hyperband.grace_epochs: must be at most the 4 epochs of a trial divided by "
        "reduction_factor 3, or no trial is ever stopped, got 2",
    ),
    (
        "scheduler: {hyperband: {reduction_factor: 5}}",
        "scheduler.hyperband.grace_epochs: must be at most the 4 epochs of a trial divided by "
        "reduction_factor 5, or no trial is ever stopped, got 1",
    ),
    (
        "scheduler: {median: {grace_epochs: 4}}",
        "scheduler.median.grace_epochs: must be below the 4 epochs of a trial, or no trial is ever stopped, "
        "got 4",
    ),
    (
        "scheduler: {asha: {grace: 1}}",
        "scheduler.asha.grace: 'grace' is not known; did you mean 'grace_epochs'? "
        "it can be grace_epochs or reduction_factor",
    ),
    (
        "scheduler: {asha: {grace_epochs: 0}}",
        "scheduler.asha.grace_epochs: must be greater than or equal to 1, got 0",
    ),
    (
        "scheduler: {asha: {grace_epochs: 4}}",
        "scheduler.asha.grace_epochs: must be below the 4 epochs of a trial, or no trial is ever stopped, "
        "got 4",
    ),
    (
        "scheduler: {asha: {reduction_factor: 1}}",
        "scheduler.asha.reduction_factor: must be greater than or equal to 1.1, got 1",
    ),
]


@pytest.mark.parametrize(
    ("line", "messages"), [(line, messages) for line, *messages in TOP], ids=[line for line, *_ in TOP]
)
def test_mistake_in_a_key_at_the_top(line, messages, tmp_path):
    assert mistakes(tmp_path, f"{BASE}{line}\n") == [f"11: {message}" for message in messages]


# What replaces `epochs: 4`, on line 3.
FIXED = [
    ("epoch: 4", f"epoch: 'epoch' is not known; did you mean 'epochs'? it can be {HYPERPARAMETERS}"),
    ("none: 4", f"none: 'none' is not known; did you mean 'noise'? it can be {HYPERPARAMETERS}"),
    ("1: 4", f"1: '1' is not known; it can be {HYPERPARAMETERS}"),
    ("seed: 1", "seed: belongs at the top of the file, as seed: N"),
    ("seeds: 1", "seeds: belongs at the top of the file, as seeds: N"),
    ("epochs: true", "epochs: must be a whole number, got true"),
    ("epochs: '4'", "epochs: must be a whole number, got '4'"),
    ("epochs: 4.0", "epochs: must be a whole number, got 4.0"),
    ("epochs: null", "epochs: must be a whole number, got nothing"),
    ("epochs: [4]", f"epochs: {ONE_VALUE}, got [4]"),
    ("epochs: {a: 1}", f"epochs: {ONE_VALUE}, got {{'a': 1}}"),
    ("epochs: 2024-01-01", f"epochs: {ONE_VALUE}, got 2024-01-01"),
    ("epochs: 0", "epochs: must be greater than or equal to 1, got 0"),
    ("lr: true", "lr: must be a number, got true"),
    ("lr: fast", "lr: must be a number, got 'fast'"),
    ("lr: 0", "lr: must be greater than 0, got 0"),
    ("lr: .nan", "lr: must be a finite number, got nan"),
    ("lr: 1e999", "lr: must be a finite number, got inf"),
    ("momentum: 1", "momentum: must be less than 1, got 1"),
    ("model: wid", "model: 'wid' is not known; did you mean 'wide'? it can be deep, shallow or wide"),
    ("optimizer: sdg", "optimizer: 'sdg' is not known; did you mean 'sgd'? it can be adam, adamw or sgd"),
    ("optimizer: 3", "optimizer: 3 is not known; it can be adam, adamw or sgd"),
]


@pytest.mark.parametrize(("entry", "message"), FIXED, ids=[entry for entry, _ in FIXED])
def test_mistake_in_a_fixed_hyperparameter(entry, message, tmp_path):
    assert mistakes(tmp_path, changed("epochs: 4", entry)) == [f"3: fixed.{message}"]


# A value of search.lr, on line 5.
LR = [
    ("", f"lr: must be a list of values or one of {KINDS}"),
    ("3", f"lr: must be a list of values or one of {KINDS}"),
    ("{}", f"lr: must have exactly one of {KINDS}, got none"),
    ("{choice: [1], uniform: [1, 2]}", f"lr: must have exactly one of {KINDS}, got choice, uniform"),
    ("{choise: [1]}", f"lr.choise: 'choise' is not known; did you mean 'choice'? it can be {KINDS_OR_WHEN}"),
    ("{float: [1, 2]}", f"lr.float: 'float' is not known; it can be {KINDS_OR_WHEN}"),
    ("[]", "lr: must have at least one value, got []"),
    ("{choice: []}", "lr.choice: must have at least one value, got []"),
    ("{grid: []}", "lr.grid: must have at least one value, got []"),
    ("[0.1, .1]", "lr: choice lists a value twice"),
    ("[1, 1.0]", "lr: choice lists a value twice"),
    ("[0.1, x]", "lr[1]: must be a number, got 'x'"),
    ("[0.1, [1]]", f"lr[1]: {ONE_VALUE}, got [1]"),
    ("[null]", "lr[0]: must be a number, got nothing"),
    ("{choice: [-1]}", "lr.choice[0]: must be greater than 0, got -1"),
    ("{uniform: 3}", "lr.uniform: must be a list, got 3"),
    ("{uniform: [1]}", "lr.uniform: must have [lowest, highest], got [1]"),
    ("{uniform: [1, 2, 3]}", "lr.uniform: must have [lowest, highest], got [1, 2, 3]"),
    ("{uniform: [2, 1]}", "lr: uniform [2, 1] is empty: the first bound must be the lower"),
    ("{uniform: [1, 1]}", "lr: uniform [1, 1] is empty: the first bound must be the lower"),
    ("{uniform: [-1, 1]}", "lr.uniform[0]: must be greater than 0, got -1"),
    ("{uniform: [.nan, 1]}", "lr.uniform[0]: must be a finite number, got nan"),
    ("{uniform: [1, .inf]}", "lr.uniform[1]: must be a finite number, got inf"),
    ("{log_uniform: [0, 1]}", "lr: log_uniform must start above 0, got 0"),
    ("{int_uniform: [1.5, 2]}", "lr.int_uniform[0]: must be a whole number, got 1.5"),
    ("{int_uniform: [true, 2]}", "lr.int_uniform[0]: must be a whole number, got true"),
    ("{int_uniform: [2, 1]}", "lr: int_uniform [2, 1] is empty: the first bound must be the lower"),
    ("{grid: [1]}", "lr: grid cannot be mixed with choice (noise)"),
    ("{choice: [1], when: [noise]}", f"lr.when: {MAPPING}, got ['noise']"),
    ("{choice: [1], when: {noise: all}}", "lr.when.noise: must be a list, got 'all'"),
    ("{choice: [1], when: {noise: []}}", "lr.when.noise: must have at least one value, got []"),
    ("{choice: [1], when: {noise: [[1]]}}", f"lr.when.noise[0]: {ONE_VALUE}, got [1]"),
    (
        "{choice: [1], when: {noize: [all]}}",
        f"lr.when.noize: 'noize' is not known; did you mean 'noise'? it can be {HYPERPARAMETERS}",
    ),
    (
        "{choice: [1], when: {noise: [al]}}",
        "lr.when.noise[0]: 'al' is not a value of noise in this sweep; did you mean 'all'? "
        "it can be all or none",
    ),
    (
        "{choice: [1], when: {optimizer: [adam]}}",
        "lr.when.optimizer[0]: 'adam' is not a value of optimizer in this sweep; it can be sgd",
    ),
    ("{choice: [1], when: {lr: [1]}}", "lr.when.lr: lr would depend on itself"),
    (
        "{choice: [1], when: {sigma: [0.1]}}",
        "lr.when.sigma: must name a choice or grid; sigma is log_uniform",
    ),
]


@pytest.mark.parametrize(("dimension", "message"), LR, ids=[dimension for dimension, _ in LR])
def test_mistake_in_a_dimension(dimension, message, tmp_path):
    text = changed("search:\n", f"search:\n  lr: {dimension}\n")
    assert mistakes(tmp_path, text) == [f"5: search.{message}"]


# A replacement in BASE, and its messages.
ELSEWHERE = [
    ("name: study\n", "", f"1: name: is missing: {NAME_RULE}"),
    *(
        (
            "name: study",
            f"name: {name!r}",
            f"1: name: must be a {NAME_RULE}, got {name[:56] + '...' if len(name) > 60 else name!r}",
        )
        for name in ("a/b", "..", "../a", "a b", ".a", "-a", "ä", "")
    ),
    ("name: study", f"name: {'a' * 65}", f"1: name: must be a {NAME_RULE}, got '{'a' * 56}..."),
    ("name: study", "name: 123", "1: name: must be text, got 123; write it in quotes"),
    ("name: study", "name: 2024-01-01", "1: name: must be text, got 2024-01-01; write it in quotes"),
    ("name: study", "name: [a]", "1: name: must be text, got ['a']"),
    ("name: study", "name:", "1: name: must be text, got nothing"),
    ("trainable: digits\n", "", "1: trainable: is missing: dataset and architectures to train"),
    ("trainable: digits", "trainable: 3", "2: trainable: must be text, got 3; write it in quotes"),
    ("fixed: {epochs: 4}", "fixed:", f"3: fixed: {MAPPING}, got nothing"),
    ("fixed: {epochs: 4}", "fixed: [epochs]", f"3: fixed: {MAPPING}, got ['epochs']"),
    (
        "fixed: {epochs: 4}",
        "fixed: {lr: 1, lr: 2}",
        "3: fixed.lr: is given twice; keep one",
    ),
    (
        "  noise: [none",
        "  nois: [none",
        f"5: search.nois: 'nois' is not known; did you mean 'noise'? it can be {HYPERPARAMETERS}",
        "8: search.sigma.when.noise[0]: 'all' is not a value of noise in this sweep; it can be none",
    ),
    (
        "[none, all]",
        "[none, alll, all]",
        f"5: search.noise[1]: 'alll' is not known; did you mean 'all'? it can be {MODES}{OWN}",
    ),
    (
        "[none, all]",
        "[no, all]",
        "5: search.noise[0]: false is not known; YAML reads no and off as false: write none; "
        f"it can be {MODES}",
    ),
    (
        "noise: [none, all]",
        "noise:\n    - none\n    - alll",
        f"7: search.noise[1]: 'alll' is not known; did you mean 'all'? it can be {MODES}{OWN}",
    ),
    (
        # One mistake gives one message: none about sigma, which depends on noise.
        "noise: [none, all]",
        "noise: {choise: [none, all]}",
        f"5: search.noise.choise: 'choise' is not known; did you mean 'choice'? it can be {KINDS_OR_WHEN}",
    ),
    ("noise: [none, all]", "noise:", f"5: search.noise: must be a list of values or one of {KINDS}"),
    # pydantic names a member of a union by the same word.
    ("search:\n", "search:\n  none: 3\n", f"5: search.none: must be a list of values or one of {KINDS}"),
    (
        "[none, all]",
        "[none, all, layer]",
        "8: search.sigma.when.noise: leaves out layer, which would have no noise",
    ),
    (
        "    when: {noise: [all]}\n",
        "",
        "6: search.sigma: needs when: noisy, because none has no sigma",
    ),
    (
        "  sigma:\n    log_uniform: [1.0e-4, 0.3]\n    when: {noise: [all]}\n",
        "",
        "5: search.noise: needs sigma, in fixed or in search, for all",
    ),
    ("[1.0e-4, 0.3]", "[0, 0.3]", "6: search.sigma: log_uniform must start above 0, got 0"),
    ("[1.0e-4, 0.3]", "[-1, 0.3]", "6: search.sigma: log_uniform must start above 0, got -1"),
    (
        "[1.0e-4, 0.3]",
        "[0.3, 1e-4]",
        "6: search.sigma: log_uniform [0.3, 0.0001] is empty: the first bound must be the lower",
    ),
    (
        "  sigma:",
        "  batch_size: {log_uniform: [16, 256]}\n  sigma:",
        "6: search.batch_size.log_uniform: batch_size is a whole number; use int_uniform or a list",
    ),
    (
        "  sigma:",
        "  model: {choice: [deep, wide], when: {optimizer: [adam]}}\n"
        "  optimizer: {choice: [sgd, adam], when: {model: [deep]}}\n  sigma:",
        "6: search.model.when.optimizer: model would depend on itself",
        "7: search.optimizer.when.model: optimizer would depend on itself",
    ),
    (
        "objective: {metric: val_accuracy, mode: max}\n",
        "",
        "1: objective: is missing: such as {metric: val_accuracy, mode: max}",
    ),
    ("mode: max", "mode: min", "9: objective.mode: must be max for val_accuracy"),
    ("metric: val_accuracy", "metric: val_loss", "9: objective.mode: must be min for val_loss"),
    ("mode: max", "mode: up", "9: objective.mode: must be 'min' or 'max', got 'up'"),
    (", mode: max", "", "9: objective.mode: is missing: which direction is better"),
    # A key whose form is wrong does not hide a mistake in the key beside it.
    (
        "{metric: val_accuracy, mode: max}",
        "{metric: val_acc, mode: up}",
        "9: objective.mode: must be 'min' or 'max', got 'up'",
        "9: objective.metric: 'val_acc' is not known; did you mean 'val_accuracy'? it can be " + METRICS,
    ),
    (
        "metric: val_accuracy",
        "metric: val_acc",
        "9: objective.metric: 'val_acc' is not known; did you mean 'val_accuracy'? it can be " + METRICS,
    ),
    (
        "metric: val_accuracy",
        "metric: test_accuracy",
        "9: objective.metric: 'test_accuracy' is not known; did you mean 'val_accuracy'? it can be "
        + METRICS,
    ),
    (
        "metric:",
        "metrik:",
        "9: objective.metric: is missing: a metric that the trainable reports, such as val_accuracy",
        "9: objective.metrik: 'metrik' is not known; did you mean 'metric'? it can be metric or mode",
    ),
    ("trials: 3", "", "10: budget.trials: is missing: how many trials to run, such as 20"),
    ("budget: {trials: 3}\n", "", "1: budget.trials: is missing: how many trials to run, such as 20"),
    ("budget: {trials: 3}", "budget:", f"10: budget: {MAPPING}, got nothing"),
    ("trials: 3", "trials: 0", "10: budget.trials: must be greater than or equal to 1, got 0"),
    ("trials: 3", "trials: '3'", "10: budget.trials: must be a whole number, got '3'"),
    (
        "trials: 3",
        "trials: 3, concurrent: 0",
        "10: budget.concurrent: must be greater than or equal to 1, got 0",
    ),
    (
        "trials: 3",
        "trials: 3, concurent: 2",
        "10: budget.concurent: 'concurent' is not known; did you mean 'concurrent'? "
        "it can be concurrent, equal or trials",
    ),
]


@pytest.mark.parametrize(("old", "new", "lines"), [(old, new, lines) for old, new, *lines in ELSEWHERE])
def test_mistake_elsewhere(old, new, lines, tmp_path):
    assert mistakes(tmp_path, changed(old, new)) == lines


def test_unknown_trainable(tmp_path):
    # Other tests may have registered trainables.
    names = one_of(registry.names())
    got = mistakes(tmp_path, changed("digits", "digit"))
    assert got == [f"2: trainable: 'digit' is not known; did you mean 'digits'? it can be {names}{OWN}"]


def test_an_own_trainable_whose_name_resembles_a_built_in_one(tmp_path):
    text = changed("digits", "mine-digits").replace("epochs: 4", "epochs: 4, own: 1")
    names = one_of(registry.names())
    problem = "'mine-digits' is not known; did you mean 'digits'?"
    assert mistakes(tmp_path, text) == [f"2: trainable: {problem} it can be {names}{OWN}"]


def test_grid_counts_its_own_trials(tmp_path):
    got = mistakes(tmp_path, GRID + "budget: {trials: 3}\n")
    assert got == ["6: budget.trials: leave it out: a grid counts its own trials (points x seeds)"]
    assert SweepState(read(tmp_path, GRID + "seeds: 3\n")).n_trials == 6


def test_a_mistaken_grid_is_still_a_grid(tmp_path):
    got = mistakes(tmp_path, changed("[0.1, 0.2]", "[]", GRID) + "seeds: 3\n")
    assert got == ["4: search.lr.grid: must have at least one value, got []"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "1: the file is empty"),
        ("# only a comment\n", "1: the file is empty"),
        ("- a\n- b\n", "1: must be a mapping of keys such as name: and search:"),
        ("text", "1: must be a mapping of keys such as name: and search:"),
        ("a: 1\n b: 2\n", "2: is not valid YAML: mapping values are not allowed here"),
        ("a:\n\tb: 1\n", "2: is not valid YAML: indent with spaces, not with tabs"),
        (
            "a: 1\nb: [1,\n",
            "3: is not valid YAML: expected the node content, but found '<stream end>' "
            "while parsing a flow node",
        ),
        (
            "a: 1\nb: {c: 1\n",
            "3: is not valid YAML: expected ',' or '}', but got '<stream end>' "
            "while parsing a flow mapping that starts on line 2",
        ),
        ("a: *b", "1: is not valid YAML: found undefined alias 'b'"),
        (
            "a: 1\n---\nb: 1\n",
            "2: is not valid YAML: expected a single document in the stream, but found another document",
        ),
        ("a: 1\nb: \x01\n", "2: is not valid YAML: the character '\\x01' is not allowed"),
        (
            "a: 1\nb: !!python/object/apply:os.system [ls]\n",
            "2: is not valid YAML: tags (such as !name) are not allowed; "
            "text that starts with ! needs quotes",
        ),
        (
            "a: 1\nb: 2024-13-01\n",
            "2: is not valid YAML: '2024-13-01' is not a valid timestamp; write it in quotes if it is text",
        ),
        ("b: !!int x\n", "1: is not valid YAML: 'x' is not a valid int; write it in quotes if it is text"),
        ("b: !!bool x\n", "1: is not valid YAML: 'x' is not a valid bool; write it in quotes if it is text"),
        (
            "a: 1\nb: {{ template }}\n",
            "2: is not valid YAML: a key must be text; a value that starts with { or [ may need quotes",
        ),
        ("a: 1\nb: &b\n  c: *b\n", "3: b.c: an alias (*) must not stand inside its own anchor (&)"),
        ("a: " + "[" * 5000, f"1: a{'[0]' * 20}: is nested too deeply: at most 20 levels"),
        (
            b"a: 1\nb: J\xfcrgen\n",
            "2: is not in UTF-8: 'b: J\u00fcrgen'; save the file as UTF-8",
        ),
    ],
)
def test_text_that_is_not_yaml(text, message, tmp_path):
    assert mistakes(tmp_path, text) == [message]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BASE.encode("utf-16"), "is in UTF-16; save it as UTF-8"),
        (codecs.BOM_UTF16_BE + BASE.encode("utf-16-be"), "is in UTF-16; save it as UTF-8"),
        (BASE.encode("utf-32"), "is in UTF-32; save it as UTF-8"),
        (codecs.BOM_UTF32_BE + BASE.encode("utf-32-be"), "is in UTF-32; save it as UTF-8"),
        (BASE.encode("utf-16-le"), "is not text; give the YAML of a sweep, saved as UTF-8"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is not text; give the YAML of a sweep, saved as UTF-8"),
    ],
)
def test_a_file_that_is_not_text_in_utf_8(content, message, tmp_path):
    assert mistakes(tmp_path, content) == [f" {message}"]


def test_a_file_in_utf_8_with_a_byte_order_mark(tmp_path):
    assert read(tmp_path, BASE.encode("utf-8-sig")) == read(tmp_path, BASE)


@pytest.mark.parametrize("source", [["x"], 3, None, ("a.yaml", "b.yaml")])
def test_what_is_no_spec_is_refused(source):
    with pytest.raises(SpecError) as caught:
        load_spec(source)
    rule = "must be a YAML file, the name of a shipped study, or a mapping"
    assert str(caught.value) == f"spec: {rule}, got {shown(source)}"


NUMBERS = [
    ("seed: 010", "seed: 010 is 8 in YAML; write 10 or 8"),
    ("seed: 0_10", "seed: 0_10 is 8 in YAML; write 10 or 8"),
    ("seed: 1:30", "seed: 1:30 is 90 in YAML; write 90"),
    ("seed: -1:30", "seed: -1:30 is -90 in YAML; write -90"),
    ("question: 1:30.5", "question: 1:30.5 is 90.5 in YAML; write 90.5"),
]


@pytest.mark.parametrize(("line", "message"), NUMBERS)
def test_a_number_that_yaml_reads_as_another(line, message, tmp_path):
    rest = ", or put it in quotes if it is text"
    assert mistakes(tmp_path, BASE + line)[0] == f"11: {message}{rest}"
    assert mistakes(tmp_path, BASE, line.replace(": ", "=", 1))[0] == f"--set: {message}{rest}"


def test_it_is_found_in_a_list_beside_other_mistakes(tmp_path):
    got = mistakes(tmp_path, changed("noise: [none, all]", "lr: [0.1, 010]") + "bugdet: 1")
    assert got[0] == "5: search.lr[1]: 010 is 8 in YAML; write 10 or 8, or put it in quotes if it is text"
    assert got[-1].startswith("11: bugdet: ")


@pytest.mark.parametrize(
    "text", ["0", "00", "07", "10", "0x10", "1_0", "0b11", "'010'", "08", "0_", "-0_", "0__7"]
)
def test_other_numbers_are_left_alone(text):
    assert not parse(f"a: {text}").mistakes


def test_a_key_that_is_given_twice_in_an_override(tmp_path):
    assert mistakes(tmp_path, BASE, "fixed={lr: 0.1, lr: 0.2}") == [
        "--set: fixed.lr: is given twice; keep one"
    ]


BOTH = "is searched too; keep one of them, such as search.{0}: [{1}], or give search.{0} a when"


@pytest.mark.parametrize(
    ("fixed", "search", "is_refused"),
    [
        ("lr: 0.1", "[0.1, 0.2]", True),
        ("lr: 0.1", "{log_uniform: [0.1, 0.2]}", True),
        ("lr: 0.1", "{choice: [0.1, 0.2], when: noisy}", False),
        ("optimizer: sgd", "[sgd, adam]", True),
        ("weight_decay: null", "[null, 0.1]", True),
    ],
)
def test_what_is_fixed_and_searched(fixed, search, is_refused, tmp_path):
    name, _, value = fixed.partition(": ")
    text = changed("search:\n", f"search:\n  {name}: {search}\n")
    text = changed("epochs: 4", f"epochs: 4, {fixed}", text)
    if not is_refused:
        assert read(tmp_path, text).fixed[name] == 0.1
        return
    message = f"fixed.{name}: {BOTH.format(name, shown(value) if name == 'optimizer' else value)}"
    assert mistakes(tmp_path, text) == [f"3: {message}"]
    override = f"fixed.{name}={value}"
    without = text.replace(f", {fixed}", "")
    assert mistakes(tmp_path, without, override) == [f"--set: {message}"]


NEVER_USED = "fixed.lr: is never used, because every trial searches lr; keep one of them"


@pytest.mark.parametrize(
    ("when", "is_refused"),
    [
        ("when: {noise: [none, all]}", True),
        ("when: {noise: [none]}", False),
        ("when: {epochs: [4]}", True),
        ("when: {noise: [none, all], epochs: [4]}", True),
        ("when: {noise: [all], epochs: [4]}", False),
        ("when: {sigma: [0.1]}", False),
    ],
)
def test_a_fixed_value_that_every_trial_searches(when, is_refused, tmp_path):
    text = changed("search:\n", f"search:\n  lr: {{choice: [0.1, 0.2], {when}}}\n")
    text = text.replace("epochs: 4", "epochs: 4, lr: 0.3").replace("log_uniform: [1.0e-4", "choice: [0.1")
    if is_refused:
        assert mistakes(tmp_path, text) == [f"3: {NEVER_USED}"]
    else:
        assert read(tmp_path, text).fixed["lr"] == 0.3


@pytest.mark.parametrize(
    ("by_arm", "is_refused"),
    [("{none: [0.1], all: [0.2]}", True), ("{none: [0.1]}", False)],
)
def test_a_fixed_value_beside_the_lists_of_arms(by_arm, is_refused, tmp_path):
    text = (
        "name: study\ntrainable: digits\nmode: grid\nfixed: {epochs: 4, lr: 0.3, sigma: 0.1}\n"
        f"compare: {{noise: [none, all]}}\nsearch:\n  lr: {{grid_by_arm: {by_arm}}}\n"
        "objective: {metric: val_accuracy, mode: max}\n"
    )
    if is_refused:
        assert mistakes(tmp_path, text) == [f"4: {NEVER_USED}"]
    else:
        assert read(tmp_path, text).fixed["lr"] == 0.3


WORDS = [
    ("no", "false is not known; YAML reads no and off as false: write none;"),
    ("off", "false is not known; YAML reads no and off as false: write none;"),
    ("~", "nothing is not known; YAML reads ~ and an empty value as null: write none;"),
    ("on", "true is not known; YAML reads yes and on as true: write text in quotes;"),
]


@pytest.mark.parametrize(("word", "message"), WORDS)
def test_words_that_yaml_does_not_read_as_text(word, message, tmp_path):
    rest = f"{message} it can be {MODES}"
    searched = changed("noise: [none, all]", f"noise: [{word}, all]")
    assert mistakes(tmp_path, searched) == [f"5: search.noise[0]: {rest}"]
    assert f"4: compare.noise[0]: {rest}" in mistakes(
        tmp_path,
        changed("  noise: [none, all]\n", "").replace(
            "search:", f"compare: {{noise: [{word}, all]}}\nsearch:"
        ),
    )
    text = changed("  noise: [none, all]\n", "").replace("epochs: 4", f"epochs: 4, noise: {word}")
    assert f"3: fixed.noise: {rest}" in mistakes(tmp_path, text)


def test_a_mode_that_has_such_a_word_as_its_name():
    message = unknown_message(False, ["none", "off"])
    assert (
        message
        == "false is not known; YAML reads no and off as false: write 'off' in quotes; it can be none or off"
    )


def test_a_misspelt_trainable_hides_no_other_mistake(tmp_path):
    text = changed("trainable: digits", "trainable: digist").replace("epochs: 4", "epoch: 4")
    first, second = mistakes(tmp_path, text.replace("val_accuracy", "acc"))[:2]
    assert first.startswith("2: trainable: 'digist' is not known; did you mean 'digits'? it can be ")
    assert first.endswith("; the rest is checked for digits")
    assert second.startswith("3: fixed.epoch: 'epoch' is not known; did you mean 'epochs'? ")
    assert len(mistakes(tmp_path, text.replace("val_accuracy", "acc"))) == 3


def test_an_item_of_a_list_is_not_changed_by_itself(tmp_path):
    message = "claims.0.by: changes one item of a list; give the whole list, as claims=[...]"
    text = (
        BASE
        + "claims: [{name: a, metric: val_loss, equal: [none, all], within: 1}]\n"
        + "profiles: {p: {claims.0.by: 1}}\n"
    )
    assert mistakes(tmp_path, text, "claims.0.by=1") == [f"--set: {message}"]
    with pytest.raises(SpecError, match=rf":12: profile p: {re.escape(message)}$"):
        load_spec(tmp_path / "sweep.yaml", profile="p")


def test_no_file(tmp_path):
    missing = tmp_path / "missing.yaml"
    with pytest.raises(SpecError) as caught:
        load_spec(missing)
    assert str(caught.value) == f"{missing}: no such file"


def test_no_file_and_no_study_of_a_name():
    with pytest.raises(SpecError) as caught:
        load_spec("digit")
    assert str(caught.value) == "digit: no such file, nor a shipped study; did you mean 'digits'?"


def test_a_file_comes_before_a_shipped_study_of_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # A storage may have this name.
    (tmp_path / "digits").mkdir()
    assert load_spec("digits").name == "digits"
    (tmp_path / "digits").rmdir()
    (tmp_path / "digits").write_text("name: mine")
    with pytest.raises(SpecError, match=r"^digits:1: trainable: is missing"):
        load_spec("digits")
    with pytest.raises(SpecError) as caught:
        load_spec(tmp_path)
    assert str(caught.value) == f"{tmp_path}: is a folder; name the file in it"


def test_all_mistakes_are_reported_at_once_in_the_order_of_the_file(tmp_path):
    text = BASE.replace("epochs: 4", "epoch: 4").replace("trials: 3", "trials: 0").replace("study", "a/b")
    text = text.replace("[1.0e-4", "[0").replace("val_accuracy", "acc") + "bugdet: 1\nname: twice\n"
    keys = [line.split(" ")[:2] for line in mistakes(tmp_path, text)]
    assert keys == [
        ["3:", "fixed.epoch:"],
        ["6:", "search.sigma:"],
        ["9:", "objective.metric:"],
        ["10:", "budget.trials:"],
        ["11:", "bugdet:"],
        ["12:", "name:"],
    ]


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("fixed.lr", "'fixed.lr' is not key=value, such as fixed.epochs=3"),
        ("=3", "'=3' is not key=value, such as fixed.epochs=3"),
        ("a..b=1", "'a..b=1' is not key=value, such as fixed.epochs=3"),
        ("fixed.lr=[1", "fixed.lr: '[1' is not a YAML value"),
        ("fixed.lr=2024-13-01", "fixed.lr: '2024-13-01' is not a YAML value"),
        ("fixed.lr=", "fixed.lr: must be a number, got nothing"),
        ("fixed.epochs=0", "fixed.epochs: must be greater than or equal to 1, got 0"),
        ("search.lr.choice=[x]", "search.lr.choice[0]: must be a number, got 'x'"),
        ("search.lr=[x]", "search.lr[0]: must be a number, got 'x'"),
        ("search=3", f"search: {MAPPING}, got 3"),
        ("name.x=1", "name: must be text, got {'x': 1}"),
        ("serch.lr=1", f"serch: 'serch' is not known; did you mean 'search'? it can be {KEYS}"),
        (
            "resources.cp=1",
            "resources.cp: 'cp' is not known; did you mean 'cpu'? it can be cpu, custom, gpu or memory",
        ),
    ],
)
def test_mistake_in_an_override_says_so(override, line, tmp_path):
    assert mistakes(tmp_path, BASE, override) == [f"--set: {line}"]


def test_overrides(tmp_path):
    spec = read(
        tmp_path,
        BASE,
        "fixed.lr=1e-3",
        "fixed.epochs=5",
        "fixed.epochs=6",
        "search.sigma.log_uniform=[1e-3, .1]",
        "scheduler.asha.grace_epochs=2",
        "budget={trials: 7}",
    )
    assert spec.fixed == {"lr": 0.001, "epochs": 6}
    assert spec.search["sigma"].bounds == [0.001, 0.1]
    assert spec.scheduler is not None
    assert spec.scheduler.asha.grace_epochs == 2
    assert spec.budget.trials == 7


def test_overrides_change_nothing_else(tmp_path):
    shared = changed("search:\n", "search:\n  lr: &range {uniform: [0.1, 0.2]}\n  momentum: *range\n")
    spec = read(tmp_path, shared, "search.lr.uniform=[0.3, 0.4]")
    assert spec.search["momentum"].bounds == [0.1, 0.2]
    content = yaml.safe_load(BASE)
    load_spec(content, ["fixed.epochs=9"])
    assert content == yaml.safe_load(BASE)


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.e-3", ".1e-2", "+1e-3", "1.0e-3", "0.001"])
def test_exponents_are_numbers(text, tmp_path):
    assert read(tmp_path, changed("epochs: 4", f"lr: {text}")).fixed == {"lr": 0.001}


def test_anchors_and_merge_keys(tmp_path):
    text = changed("noise: [none, all]", "noise: [none, *mode]").replace("name: study", "name: &mode all")
    assert read(tmp_path, text).search["noise"].values == ["none", "all"]
    text = changed("search:\n", "search:\n  lr: &range {uniform: [0.1, 0.2]}\n  momentum:\n    <<: *range\n")
    assert read(tmp_path, text).search["momentum"] == read(tmp_path, text).search["lr"]
    # A mistake in a key that overrides a merged one is reported where it overrides.
    got = mistakes(tmp_path, text.replace("<<: *range\n", "<<: *range\n    uniform: [0.1]\n"))
    assert got == ["8: search.momentum.uniform: must have [lowest, highest], got [0.1]"]


@pytest.mark.parametrize("scheduler", ["{asha: {grace_epochs: 2, reduction_factor: 3}}", "none"])
def test_a_search_without_stages(scheduler, tmp_path):
    text = ISSUE.replace("{asha: {grace_epochs: 2, reduction_factor: 3}}", scheduler)
    spec = read(tmp_path, text)
    assert n_trials(spec) == 50
    assert spec.hyperparameters({"lr": 0.5}).lr == 0.5


STUDY_FILES = sorted(STUDIES.glob("*.yaml"))


@pytest.mark.parametrize("file", STUDY_FILES, ids=[file.stem for file in STUDY_FILES])
def test_shipped_studies(file):
    spec = load_spec(file)
    assert spec.name == file.stem
    assert spec.text == file.read_text()


# Every key of a comparison.
EVERY_STAGE = (
    "stages.search={epochs_per_arm: 9, sampler: qmc, scheduler: {median: {}}}",
    "stages.confirm={seeds: 3, top: 2, curvature: end}",
    "question=Which?",
    "claims=[{name: a, metric: val_loss, equal: [none, all], within: 1, reach: common},"
    "{name: b, metric: val_loss, better: [none, all], worse: layer, by: 0.5, epoch: 2},"
    "{name: c, metric: hessian_trace, better: all, worse: [none]}]",
)
ROUND = [
    *((file.read_text(), ()) for file in STUDY_FILES),
    *((text, ()) for text in (BASE, GRID, ISSUE, COMPARE, CURVES)),
    (COMPARE, EVERY_STAGE),
    (COMPARE, ("compare={noise: [all, layer]}", "search.sigma.when.noise=[all, layer]", "claims=[]")),
    (CURVES, ("compare={lr: [0.1, 1.0]}", "search={noise: [none]}", "claims=[]")),
    (COMPARE, ("stages.confirm.weight_noise=[0.01, 1]",)),
    (GRID, ("fixed.weight_noise=[0.01, 1]",)),
]


@pytest.mark.parametrize(("text", "overrides"), ROUND)
def test_a_resolved_spec_loads_to_the_same(text, overrides, tmp_path):
    spec = read(tmp_path, text, *overrides)
    assert read(tmp_path, spec.resolved) == spec
    assert load_spec(yaml.safe_load(spec.resolved)).resolved == spec.resolved
    assert read(tmp_path, yaml.safe_dump(spec.model_dump(exclude_none=True))) == spec
    assert create_sweep(tmp_path, spec).spec() == spec


@pytest.mark.parametrize(
    "change", ["name: '1e5'", "name: 'null'", "name: '007'", "name: a\ndata_dir: '1e-3'"]
)
def test_text_that_looks_like_a_number_survives(change, tmp_path):
    spec = read(tmp_path, changed("name: study", change))
    assert read(tmp_path, spec.resolved) == spec
    assert create_sweep(tmp_path, spec).spec() == spec


# An unexpected value anywhere is a mistake, never a traceback.

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.dates(),
    st.sampled_from(["none", "all", "lr", "grid", 10**400, -1, 0, 1, 2, math.nan, math.inf, 1e-3]),
)
WORDS = (
    "name search fixed lr noise sigma epochs choice grid uniform int_uniform when seed seeds budget trials "
    "scheduler asha hyperband median sampler gp grace_epochs int "
    "none compare stages claims mode question trials_per_arm epochs_per_arm "
    "confirm top curvature weight_noise metric better worse by equal within reach common epoch where layer "
    "val_accuracy end"
)
NAMES = st.sampled_from(WORDS.split())
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(NAMES | SCALARS.filter(lambda x: x == x), inner, max_size=3)
    ),
    max_leaves=6,
)
ASHA = "{asha: {grace_epochs: 2, reduction_factor: 3}}"
ALL_KEYS = "resources: {cpu: 1, gpu: 0}\nseed: 0\nseeds: 1\nmax_failures: 1\ndata_dir: data\n"
FULL = yaml.safe_load(f"{BASE}scheduler: {ASHA}\n{ALL_KEYS}")
FORMS = [
    FULL,
    yaml.safe_load(
        COMPARE.replace("arm: 3}", f"arm: 3, scheduler: {ASHA}}}").replace(
            "s: 2}", "s: 2, top: 2, curvature: end, weight_noise: [0.01, 0.1]}"
        )
        + "  - {name: b, metric: val_loss, equal: [none, all], within: 1, reach: common}\n"
        "  - {name: c, metric: val_loss, better: [none, all], worse: layer, epoch: 2}\n"
        "  - {name: d, metric: hessian_trace, better: all, worse: none}\n" + ALL_KEYS
    ),
    yaml.safe_load(
        CURVES.replace("epochs: 4}", "epochs: 4, weight_noise: [0.01, 0.1]}").replace(
            "val_accuracy, better", "val_accuracy_under_0.1, better"
        )
        + "budget: {concurrent: 2}\nquestion: Which?\n"
    ),
]


def paths(value, above=()):
    """The path of every item in a nested value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield (*above, key)
        yield from paths(item, (*above, key))


def mutate(data, content):
    *above, last = data.draw(st.sampled_from(list(paths(content))))
    place = content
    for part in above:
        place = place[part]
    what = data.draw(st.sampled_from(["replace", "replace", "remove", "add"]))
    if what == "replace":
        place[last] = data.draw(VALUES)
    elif what == "remove":
        del place[last]
    elif isinstance(place, dict):
        place[data.draw(NAMES | st.text(max_size=3))] = data.draw(VALUES)
    else:
        place.append(data.draw(VALUES))


def load_or_refuse(source, overrides=()):
    try:
        loaded: Any = load_spec(source, overrides)
    except SpecError as error:
        loaded = error
    if isinstance(loaded, SpecError):
        assert len(str(loaded).splitlines()) == len(loaded.mistakes) > 0
        text = str(loaded).lower()
        assert not any(
            jargon in text for jargon in ("input should", "union", "literal[", "nullable", "pydantic")
        )
    else:
        assert isinstance(loaded, Spec)
        assert loaded.arms
        assert loaded.verdict_metric in loaded.directions
        assert loaded.max_epochs > 0
        assert loaded.is_grid or n_trials(loaded) != 0


@pytest.mark.parametrize("form", FORMS, ids=["search", "comparison", "grid"])
def test_the_unchanged_forms_load(form):
    assert isinstance(load_spec(form), Spec)


@pytest.mark.parametrize("form", FORMS, ids=["search", "comparison", "grid"])
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_any_value_anywhere(form, data):
    content = copy.deepcopy(form)
    for _ in range(data.draw(st.integers(1, 3))):
        if not content:
            break
        mutate(data, content)
    load_or_refuse(content)
    # All examples of hypothesis would share one tmp_path.
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sweep.yaml")
        file.write_text(yaml.dump(content, allow_unicode=True), encoding="utf-8")
        load_or_refuse(file)


@settings(max_examples=100, deadline=None)
@given(st.text("abx.[]{}=:,'\"&*!#- \t\n\0019é", max_size=20))
def test_any_text(text):
    load_or_refuse(FULL, [f"fixed.lr={text}"])
    load_or_refuse(FULL, [text])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "sweep.yaml")
        file.write_bytes((BASE + text).encode())
        load_or_refuse(file)


# Every key has an effect: what is built of it changes when the key changes.

SWEPT = BASE + "scheduler: {asha: {grace_epochs: 1}}\n"
STAGED = COMPARE.replace("arm: 3}", "arm: 3, scheduler: {asha: {grace_epochs: 1}}}")


def keys(model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Every key of a spec, with * for a name that the user chooses and for an index."""
    for name, field in model.model_fields.items():
        annotations = (field.annotation, *get_args(field.annotation))
        below = next(
            (kind for kind in annotations if isinstance(kind, type) and issubclass(kind, BaseModel)), None
        )
        if below is None:
            yield f"{above}{name}"
        else:
            yield from keys(below, f"{above}{name}{'.*' if below in (Dimension, Claim) else ''}.")


TAGS = {"data_fingerprint": "", "host": ""}


def listed(tuner: Any) -> list[dict[str, Any]]:
    points = tuner.param_space.get("point", {}).get("grid_search") or []
    return [{name: value for name, value in point.items() if name != "trial"} for point in points]


def without_seed(point: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in point.items() if name != "seed"}


def state_of_trial(
    state: SweepState, number: int, point: dict[str, Any], stage: str, score: float, seed: int = 0
) -> None:
    """Add a trial of four epochs, over which its score grows by one half."""
    name, hyperparameters = str(number), state.spec.hyperparameters(point).model_dump()
    who = {"number": number, "arm": str(point["noise"]), "seed": seed, "hyperparameters": hyperparameters}
    state.apply({"event": "start", "time": 0, "trial": name, "stage": stage, **who})
    for epoch in range(1, 5):
        value = score * (1 + epoch / 8) + 0.001 * seed * epoch
        metrics = {"val_accuracy": value, "test_accuracy": value, "val_loss": 1 - value}
        state.apply({"event": "epoch", "trial": name, "epoch": epoch, "metrics": metrics, "tags": TAGS})
    state.apply({"event": "end", "trial": name, "time": 1, "status": "finished", "reason": "", "folder": ""})


class Built:
    """The objects that a run builds from a spec before it starts Ray."""

    def __init__(self, spec: Spec, folder: Path) -> None:
        self.spec = spec
        sweep = create_sweep(folder, spec)
        sweep.journal.append("select", points=spec.tuned)
        names = (SEARCH, CONFIRM)[: 1 + spec.confirms]
        started = [stages._tuner(sweep, spec, stage, None, Stop()) for stage in names]
        tuner = started[0]._local_tuner
        self.tune: Any = tuner._tune_config
        self.run: Any = tuner.get_run_config()
        self.resources = tuner.trainable._resources.required_resources
        self.grid, *confirm = [listed(tuner._local_tuner) for tuner in started]
        self.confirm = confirm[0] if confirm else []

    @property
    def rungs(self) -> list[float]:
        scheduler = self.tune.scheduler
        if isinstance(scheduler, ArmScheduler):
            scheduler = scheduler._schedulers[0]
        return sorted(epoch for epoch, _ in scheduler._brackets[0]._rungs)

    @property
    def graces(self) -> list[float]:
        """The epochs before which no trial is stopped, in each bracket of Hyperband."""
        return [asha._brackets[0]._rungs[-1][0] for asha in self.of_arm("_ashas") or []]

    def of_arm(self, name: str) -> Any:
        return getattr(self.tune.scheduler._schedulers[0], name, None)

    @property
    def sampler(self) -> str:
        """What the first arm's study chooses its first point without a starting point with."""
        return str(self.tune.search_alg._studies[0]._spec.search_sampler)

    @property
    def n_selected(self) -> int:
        """The number of points that the confirm stage takes of an arm with three."""
        state = SweepState(self.spec)
        for number in range(3):
            state_of_trial(state, number, {"noise": "all", "sigma": 0.1 * number}, SEARCH, 0.5)
        return len(state.select())

    @property
    def judged(self) -> JudgedClaim:
        """The first claim, judged where `all` is a little better than `none`, and `layer` much better."""
        state = SweepState(self.spec)
        points = self.confirm or self.grid
        state.apply(
            {"event": "select", "points": list({str(p["noise"]): without_seed(p) for p in points}.values())}
        )
        for number, point in enumerate(points):
            score = 0.1 + {"layer": 0.2}.get(
                point["noise"], point.get("sigma", 0.01 * (point["noise"] == "all"))
            )
            stage = CONFIRM if self.confirm else SEARCH
            state_of_trial(state, number, without_seed(point), stage, score, point["seed"])
        return judge_claims(state)[0]

    @property
    def score(self) -> float | None:
        state = SweepState(self.spec)
        fields = {"number": 1, "arm": "none", "seed": 0, "hyperparameters": {}}
        state.apply({"event": "start", "time": 0, "trial": "a", **fields})
        metrics = {"val_accuracy": 0.9, "val_loss": 0.1}
        state.apply({"event": "epoch", "trial": "a", "epoch": 1, "metrics": metrics, "tags": TAGS})
        return state.score(state.trials["a"])

    @property
    def direction(self) -> str:
        return str(self.tune.search_alg._studies[0]._study.direction.name)

    def asked(self, name: str, **enqueued: Any) -> Any:
        """The distribution of a hyperparameter that Optuna is asked for."""
        study = optuna.create_study()
        study.enqueue_trial(enqueued)
        trial = study.ask()
        SearchSpace(self.spec)(trial)
        return trial.distributions.get(name)


Float, Int = optuna.distributions.FloatDistribution, optuna.distributions.IntDistribution
Categorical = optuna.distributions.CategoricalDistribution
GRID_OVERRIDES = ("search={lr: {grid: [1, 2]}}", "budget={}")
LOSS = "objective={metric: val_loss, mode: min}"

ORDER = "better: layer, worse: none"
GIVEN = "{none: {}, all: {sigma: 1}, layer: {sigma: 1}, after_all: {sigma: 1}, after_layer: {sigma: 1}}"


def claim(changes: str, arms: str = "") -> str:
    """An override that gives one claim, with some keys changed."""
    content = yaml.safe_load(f"{{name: a, metric: test_accuracy, {arms}}}") | yaml.safe_load(f"{{{changes}}}")
    return f"claims={[{key: value for key, value in content.items() if value is not None}]}"


def mean_difference(built: Built) -> float:
    return built.judged.differences[0].mean


# Keys of other schedulers than ASHA; the same in both places of a scheduler.
RULES = [
    (
        "hyperband.grace_epochs",
        "hyperband: {grace_epochs: 2, reduction_factor: 2}",
        lambda b: b.graces,
        [2, 4],
    ),
    ("hyperband.reduction_factor", "hyperband: {reduction_factor: 2}", lambda b: b.graces, [1, 2, 4]),
    ("median.grace_epochs", "median: {grace_epochs: 2}", lambda b: b.of_arm("_grace_period"), 2),
    ("median.min_trials", "median: {min_trials: 5}", lambda b: b.of_arm("_min_samples_required"), 5),
]
# A key, overrides that change it, where its effect shows, and the value there.
ROWS: list[tuple[str, tuple[str, ...], Any, Any]] = [
    ("name", ("name=other",), lambda built: Path(built.run.storage_path).parts[-3], "other"),
    ("trainable", ("trainable=mnist",), lambda built: built.spec.declaration.name, "mnist"),
    ("fixed", ("fixed.momentum=0.5",), lambda built: built.spec.hyperparameters({}).momentum, 0.5),
    ("search.*.choice", ("search.lr.choice=[1, 2]",), lambda built: built.asked("lr"), Categorical([1, 2])),
    ("search.*.uniform", ("search.lr.uniform=[1, 2]",), lambda built: built.asked("lr"), Float(1, 2)),
    (
        "search.*.log_uniform",
        ("search.lr.log_uniform=[1, 2]",),
        lambda built: built.asked("lr"),
        Float(1, 2, log=True),
    ),
    ("search.*.int_uniform", ("search.lr.int_uniform=[1, 2]",), lambda built: built.asked("lr"), Int(1, 2)),
    (
        "search.*.grid",
        GRID_OVERRIDES,
        lambda built: built.grid,
        [{"lr": 1, "seed": 0}, {"lr": 2, "seed": 0}],
    ),
    (
        "mode",
        ("mode=grid", "search={lr: [1, 2]}", "budget={}", "scheduler=none"),
        lambda built: built.grid,
        [{"lr": 1, "seed": 0}, {"lr": 2, "seed": 0}],
    ),
    ("question", ("question=Why?",), lambda built: built.spec.question, "Why?"),
    (
        "search.*.when",
        ("search.sigma.when.noise=[none, all]",),
        lambda built: built.asked("sigma", noise="none"),
        Float(1e-4, 0.3, log=True),
    ),
    ("objective.metric", (LOSS,), lambda built: built.score, 0.1),
    ("objective.mode", (LOSS,), lambda built: built.direction, "MINIMIZE"),
    ("objective.mode", (LOSS,), lambda built: built.tune.scheduler._schedulers[0]._mode, "min"),
    ("budget.trials", ("budget.trials=7",), lambda built: built.tune.search_alg._budgets, [7]),
    ("budget.equal", ("budget.equal=steps",), lambda built: built.spec.budget.equal, "steps"),
    ("budget.concurrent", ("budget.concurrent=5",), lambda built: built.tune.max_concurrent_trials, 5),
    ("scheduler", ("scheduler=none",), lambda built: built.tune.scheduler, None),
    ("scheduler.asha.grace_epochs", ("scheduler.asha.grace_epochs=2",), lambda built: built.rungs, [2]),
    (
        "scheduler.asha.reduction_factor",
        ("scheduler.asha.reduction_factor=2",),
        lambda built: built.rungs,
        [1, 2, 4],
    ),
    *(
        (f"{above}scheduler.{key}", (f"{above}scheduler={{{override}}}",), arrives, value)
        for above in ("", "stages.search.")
        for key, override, arrives, value in RULES
    ),
    ("sampler", ("sampler=qmc",), lambda built: built.sampler, "qmc"),
    ("stages.search.sampler", ("stages.search.sampler=random",), lambda built: built.sampler, "random"),
    ("resources.cpu", ("resources.cpu=2",), lambda built: built.resources.get("CPU"), 2),
    ("resources.gpu", ("resources.gpu=0.5",), lambda built: built.resources.get("GPU"), 0.5),
    ("resources.memory", ("resources.memory=2",), lambda built: built.resources.get("memory"), 2 * 2**30),
    ("resources.custom", ("resources.custom={tpu: 3}",), lambda built: built.resources.get("tpu"), 3),
    # test_search shows that the sampler gets the seed too.
    ("seed", ("seed=5",), lambda built: built.tune.search_alg.suggest("a")["seed"], 5),
    (
        "seeds",
        ("seeds=2", *GRID_OVERRIDES),
        lambda built: [point["seed"] for point in built.grid or ()],
        [0, 0, 1, 1],
    ),
    ("max_failures", ("max_failures=9",), lambda built: built.run.failure_config.max_failures, 9),
    (
        "compare",
        ("compare={noise: [none, layer]}", "search.sigma.when.noise=[layer]"),
        lambda built: (len(built.tune.search_alg._studies), {point["noise"] for point in built.confirm}),
        (2, {"none", "layer"}),
    ),
    (
        "stages.search.trials_per_arm",
        ("stages.search.trials_per_arm=7",),
        lambda built: built.tune.search_alg._budgets,
        [1, 7, 7, 7, 7],
    ),
    (
        "stages.search.epochs_per_arm",
        ("stages.search={epochs_per_arm: 9}",),
        lambda built: (built.tune.search_alg._budgets, built.tune.search_alg._longest),
        ([1, 9, 9, 9, 9], 4),
    ),
    ("stages.search.scheduler", ("stages.search.scheduler=none",), lambda built: built.tune.scheduler, None),
    (
        "stages.search.scheduler.asha.grace_epochs",
        ("stages.search.scheduler.asha.grace_epochs=2",),
        lambda built: built.rungs,
        [2],
    ),
    (
        "stages.search.scheduler.asha.reduction_factor",
        ("stages.search.scheduler.asha.reduction_factor=2",),
        lambda built: built.rungs,
        [1, 2, 4],
    ),
    (
        "stages.confirm.seeds",
        ("stages.confirm.seeds=4",),
        lambda built: [point["seed"] for point in built.confirm if point["noise"] == "all"],
        [1, 2, 3, 4],
    ),
    (
        "stages.confirm.looks",
        ("stages.confirm={looks: [7, 12]}",),
        # The second look has not begun.
        lambda built: (built.spec.n_seeds, [p["seed"] for p in built.confirm if p["noise"] == "all"]),
        ([7, 12], [1, 2, 3, 4, 5, 6, 7]),
    ),
    (
        "looks",
        ("seeds=1", "looks=[7, 12]"),
        lambda built: (built.spec.n_seeds, [p["seed"] for p in built.grid if p["noise"] == "none"]),
        ([7, 12], [0, 1, 2, 3, 4, 5, 6]),
    ),
    ("stages.confirm.top", ("stages.confirm.top=2",), lambda built: built.n_selected, 2),
    (
        "stages.confirm.curvature",
        ("stages.confirm.curvature=epoch",),
        lambda built: {point["curvature"] for point in built.confirm},
        {"epoch"},
    ),
    (
        "stages.confirm.weight_noise",
        ("stages.confirm.weight_noise=[0.01, 1]",),
        lambda built: {tuple(point["weight_noise"]) for point in built.confirm},
        {(0.01, 1.0)},
    ),
    ("claims.*.name", (claim("name: b", ORDER),), lambda built: built.judged.claim.name, "b"),
    ("claims.*.metric", (claim("metric: val_loss", ORDER),), lambda built: built.judged.unit, "val_loss"),
    (
        "claims.*.better",
        (claim("better: [layer, all], worse: none"),),
        lambda built: built.judged.comparisons,
        ["layer over none", "all over none"],
    ),
    (
        "claims.*.worse",
        (claim("better: layer, worse: [none, all]"),),
        lambda built: built.judged.comparisons,
        ["layer over none", "layer over all"],
    ),
    (
        "claims.*.by",
        (claim("better: layer, worse: none, by: 0.5"),),
        lambda built: position(built.judged, 0),
        "includes 0 and 0.5",
    ),
    (
        "claims.*.equal",
        (claim("equal: [none, all], within: 1"),),
        lambda built: built.judged.comparisons,
        ["none and all"],
    ),
    (
        "claims.*.within",
        (claim("equal: [none, all], within: 0.5"),),
        lambda built: position(built.judged, 0),
        "reaches beyond 0.5",
    ),
    (
        "claims.*.reach",
        (claim("metric: val_accuracy, reach: 0.125", ORDER),),
        mean_difference,
        # `layer` is there after an epoch, and `none` between two epochs.
        pytest.approx(fmean(0.025 / (0.0125 + 0.001 * seed) - 1 for seed in (1, 2))),
    ),
    (
        "claims.*.epoch",
        (claim("metric: val_accuracy, epoch: 2", ORDER),),
        lambda built: mean_difference(built),
        pytest.approx(0.2 * (1 + 2 / 8)),
    ),
    (
        "claims.*.where",
        ("claims=[{name: a, metric: val_accuracy, better: all, worse: none, where: {sigma: 0.2}}]",),
        lambda built: mean_difference(built),
        pytest.approx(0.2 * (1 + 4 / 8)),
    ),
    ("claims.*.published", (claim("published: b", ORDER),), lambda built: built.judged.claim.published, "b"),
    (
        "claims.*.area",
        (claim("metric: ~, area: val_accuracy", ORDER),),
        mean_difference,
        pytest.approx(0.2 * (1 + 2.5 / 8)),
    ),
    (
        "claims.*.until",
        (claim("metric: ~, area: val_accuracy, until: 2", ORDER),),
        mean_difference,
        pytest.approx(0.2 * (1 + 1.5 / 8)),
    ),
    (
        "claims.*.drops",
        (claim("metric: val_accuracy, drops: layer"),),
        lambda built: built.judged.comparisons,
        ["layer at its best epoch over its last"],
    ),
    (
        "claims.*.than",
        ("across={model: [shallow, deep]}", claim("where: {model: deep}, than: {model: shallow}", ORDER)),
        lambda built: built.judged.comparisons,
        ["layer over none, model deep over model shallow"],
    ),
    (
        "across",
        ("across={model: [shallow, deep]}", "claims=[]"),
        lambda built: len(built.tune.search_alg._studies),
        10,
    ),
    (
        "stages.confirm.at",
        ("stages.confirm.at={sigma: [0.25]}",),
        lambda built: [point["noise"] for point in built.confirm if point.get("sigma") == 0.25][:4],
        ["all", "layer", "after_all", "after_layer"],
    ),
    (
        "stages.confirm.configurations",
        (f"stages={{confirm: {{seeds: 2, configurations: {GIVEN}}}}}", "search={}"),
        lambda built: built.n_selected,
        5,
    ),
    (
        "search.*.grid_by_arm",
        ("search.sigma={grid_by_arm: {all: [0.3]}}", "claims=[]"),
        lambda built: {point.get("sigma") for point in built.grid},
        {None, 0.3},
    ),
    ("test", ("test=true",), lambda built: built.spec.verdict_metric, "test_accuracy"),
    ("profiles", ("profiles={quick: {}}",), lambda built: built.spec.profiles, {"quick": {}}),
    ("data_dir", ("data_dir=/data",), lambda built: runner.located(built.spec).data_dir, "/data"),
]


def test_every_key_has_a_row():
    rows = {key for key, *_ in ROWS}
    assert set(keys(Spec)) | {"scheduler", "stages.search.scheduler"} == rows


@pytest.mark.parametrize(("key", "overrides", "arrives", "value"), ROWS, ids=[row[0] for row in ROWS])
def test_every_key_arrives(key, overrides, arrives, value, tmp_path, monkeypatch):
    monkeypatch.delenv("NOISESWEEP_DATA_DIR", raising=False)
    text = STAGED if key.startswith(("compare", "across", "stages", "claims")) else SWEPT
    text = CURVES if key in ("claims.*.where", "looks", "search.*.grid_by_arm", "test") else text
    before = Built(read(tmp_path, text), tmp_path)
    after = Built(read(tmp_path, text, *overrides), tmp_path)
    assert arrives(before) != value
    assert arrives(after) == value


def test_what_fixed_measures_is_measured_in_every_stage(tmp_path):
    built = Built(read(tmp_path, STAGED, "fixed.weight_noise=[0.5]", "fixed.curvature=end"), tmp_path)
    assert built.confirm
    for point in built.confirm:
        confirmed = built.spec.hyperparameters(without_seed(point))
        assert (confirmed.weight_noise, confirmed.curvature) == ((0.5,), "end")
    searched = built.spec.hyperparameters({})
    assert (searched.weight_noise, searched.curvature) == ((0.5,), "end")


def test_max_epochs(tmp_path):
    def epochs(*overrides: str) -> int:
        return read(tmp_path, changed("epochs: 4", "", BASE), *overrides).max_epochs

    default = 10
    assert epochs() == default
    assert epochs("fixed.epochs=4") == 4
    assert epochs("search.epochs=[2, 6, 3]") == 6
    assert epochs("search.epochs.int_uniform=[2, 7]") == 7
    # Where the dimension does not apply, the default does.
    assert epochs("search.epochs={choice: [2, 3], when: {noise: [all]}}") == default


# Arms, seeds and configurations


def test_arms_and_space(tmp_path):
    spec = read(tmp_path, COMPARE)
    assert (spec.compared, list(spec.space)) == ("noise", ["noise", "sigma"])
    assert spec.arms == spec.space["noise"].values == ["none", "all", "layer", "after_all", "after_layer"]
    spec = read(tmp_path, COMPARE, "compare={model: [wide, deep]}", "search={lr: [0.1, 0.2]}", "claims=[]")
    assert (spec.compared, spec.arms, list(spec.space)) == ("model", ["wide", "deep"], ["model", "lr"])
    spec = read(tmp_path, BASE)
    assert (spec.compared, spec.arms, spec.space) == ("noise", ["none", "all"], spec.search)
    assert read(tmp_path, GRID).arms == ["none"], "the default"
    # Where the dimension does not apply, the default does; it is listed once.
    when = "search.noise={choice: [all, none], when: {model: [deep]}}"
    assert read(tmp_path, BASE, when, "search.model=[deep, wide]").arms == ["all", "none"]


@pytest.mark.parametrize("seed", [0, 7])
def test_confirm_seeds_are_fresh_and_a_longer_list_begins_with_a_shorter_one(seed, tmp_path):
    many, few = (
        read(tmp_path, COMPARE, f"seed={seed}", f"stages.confirm.seeds={n}").replicates for n in (10, 3)
    )
    assert (len(set(many)), many[:3]) == (10, few)
    assert seed not in many
    assert read(tmp_path, COMPARE, f"seed={seed}", "stages.confirm={looks: [7, 10]}").replicates == many
    # Without a confirm stage, there is only the seed itself.
    assert list(read(tmp_path, BASE, f"seed={seed}").replicates) == [seed]


def test_bounds_of_metrics(tmp_path):
    spec = read(tmp_path, COMPARE)
    assert spec.bounds("test_accuracy") == spec.bounds("val_accuracy_under_0.1") == (0, 1)
    assert spec.bounds("test_loss") == spec.bounds("sharpness") == (-math.inf, math.inf)


def test_directions_and_the_verdict_metric(tmp_path):
    directions = read(tmp_path, COMPARE).directions
    known = ("val_loss", "val_accuracy", "test_loss", "test_accuracy", "grad_norm", "hessian_trace")
    assert [directions[name] for name in known] == ["min", "max", "min", "max", None, "min"]
    loss = "objective={metric: train_loss, mode: min}"
    for text, overrides, metric in (
        (COMPARE, (), "test_accuracy"),
        (COMPARE, ("stages={search: {trials_per_arm: 3}}", "claims=[]"), "val_accuracy"),
        # The test split has no train_loss.
        (COMPARE, (loss,), "train_loss"),
        (CURVES, (), "val_accuracy"),
        (BASE, (), "val_accuracy"),
    ):
        assert read(tmp_path, text, *overrides).verdict_metric == metric


@pytest.mark.parametrize(
    ("text", "overrides", "is_grid"),
    [
        (BASE, (), False),
        (GRID, (), True),
        (COMPARE, (), False),
        # Nothing is searched, but the spec has stages.
        (COMPARE, ("search={}", "fixed.sigma=0.1"), False),
        (CURVES, (), True),
        (CURVES, ("search.sigma={choice: [0.1, 0.2], when: {noise: [all]}}",), True),
    ],
)
def test_is_grid(text, overrides, is_grid, tmp_path):
    assert read(tmp_path, text, *overrides).is_grid is is_grid


def test_max_epochs_of_arms(tmp_path):
    changes = ("compare={epochs: [2, 6]}", "fixed={}", "search={lr: [0.1, 0.2]}", "claims=[]")
    assert read(tmp_path, COMPARE, *changes).max_epochs == 6


@pytest.mark.parametrize("text", [BASE, GRID, COMPARE, CURVES])
def test_the_searched_values_give_the_same_configuration(text, tmp_path):
    spec = read(tmp_path, text)
    for hyperparameters in spec.variants(spec.space):
        searched = spec.searched_of(hyperparameters.model_dump())
        assert searched.keys() == spec.space.keys()
        assert spec.hyperparameters(searched) == hyperparameters


def test_a_mistake_that_only_the_data_show_has_its_place(tmp_path):
    spec = read(tmp_path, COMPARE, "claims=[]")
    assert str(spec.error_at("noise", "is bad")) == f"{tmp_path / 'sweep.yaml'}:3: compare.noise: is bad"

"""The messages for mistakes in across, in what a confirm stage trains, and in the points of claims."""

from tests.unit.test_checks import in_table
from tests.unit.test_spec import BASE, COMPARE, CURVES, GRID, changed, mistakes, read

ACROSS = """\
name: study
trainable: digits
compare: {noise: [none, all, layer]}
across: {model: [shallow, deep]}
fixed: {epochs: 4}
search:
  sigma: {log_uniform: [1.0e-4, 0.3], when: noisy}
stages:
  search: {trials_per_arm: 3}
  confirm:
    seeds: 2
    at: {sigma: [0.003, 0.03, 0.1], sigma_schedule: [constant, cosine]}
objective: {metric: val_accuracy, mode: max}
claims:
  - {name: a, metric: test_accuracy, better: layer, worse: none, where: {model: deep}, than: {model: shallow}}
"""
GIVEN = """\
name: study
trainable: digits
compare: {noise: [none, all, layer]}
fixed: {epochs: 4}
stages:
  confirm:
    seeds: 2
    configurations:
      none: {lr: 0.1}
      all: {lr: 0.1, sigma: 0.01}
      layer: {lr: 0.05, sigma: 0.03}
objective: {metric: val_accuracy, mode: max}
claims:
  - {name: a, metric: val_accuracy, better: layer, worse: none}
"""
MODELS = "deep, shallow or wide"
PLACES = "it can be model, sigma or sigma_schedule"
AT_SIGMA = "12: stages.confirm.at.sigma"
WHERE = ", where: {model: deep}, than: {model: shallow}"
SIGMAS = "it can be 0.003, 0.03 or 0.1"

# A replacement in ACROSS, and its messages.
IN_A_STUDY_ACROSS: list[tuple[str, ...]] = [
    (
        "across: {model: [shallow, deep]}",
        "across: 3",
        "4: across: must be a hyperparameter such as noise, or one "
        "with its values such as {noise: [none, layer]}, got 3",
    ),
    (
        "across: {model: [shallow, deep]}",
        "across: lr",
        "4: across: must list its values, such as {lr: [...]}",
    ),
    (
        "{model: [shallow, deep]}",
        "{model: [deep]}",
        "4: across.model: must have two values or more, each once, got ['deep']",
    ),
    (
        "{model: [shallow, deep]}",
        "{model: [deep, deep]}",
        "4: across.model: must have two values or more, each once, got ['deep', 'deep']",
    ),
    (
        "{model: [shallow, deep]}",
        "{model: [shallow, dep]}",
        f"4: across.model[1]: 'dep' is not known; did you mean 'deep'? it can be {MODELS}",
    ),
    (
        "{model: [shallow, deep]}",
        "{noise: [none, all]}",
        "4: across.noise: is what compare names; it must be another hyperparameter",
    ),
    (
        "{model: [shallow, deep]}",
        "{curvature: [end, never]}",
        (
            "4: across.curvature: must be the same for all arms: put it in stages.confirm, and name "
            "something else"
        ),
    ),
    (
        "fixed: {epochs: 4}",
        "fixed: {epochs: 4, model: deep}",
        "5: fixed.model: leave it out: across gives its values",
    ),
    (
        "when: noisy}",
        "when: noisy}\n  model: [deep, wide]",
        "8: search.model: leave it out: across gives its values",
    ),
    # The point of a claim
    (WHERE, "", "15: claims[0].where: must say which model, such as {model: shallow}"),
    (
        WHERE,
        ", where: {model: deep, sigma: 0.003}",
        (
            "15: claims[0].where: must also say which sigma_schedule, such as {sigma_schedule: "
            "constant}; without sigma it is about what the search chose"
        ),
    ),
    (
        WHERE,
        ", where: {model: wide}",
        "15: claims[0].where.model: 'wide' is not a value of model; it can be deep or shallow",
    ),
    (
        WHERE,
        ", where: {model: deep, sigma: 0.01, sigma_schedule: cosine}",
        f"15: claims[0].where.sigma: 0.01 is not a value of sigma; {SIGMAS}",
    ),
    (
        WHERE,
        ", where: {model: deep, sigma: {between: [0.004, 0.02]}, sigma_schedule: cosine}",
        f"15: claims[0].where.sigma: [0.004, 0.02] has no value of sigma; {SIGMAS}",
    ),
    (
        WHERE,
        ", where: {model: deep, sigma: {between: [0.1, 0.01]}, sigma_schedule: cosine}",
        "15: claims[0].where.sigma: [0.1, 0.01] is empty: the first must be the lower",
    ),
    (
        WHERE,
        ", where: {model: deep, lr: 0.1}",
        f"15: claims[0].where.lr: 'lr' is neither in across nor in stages.confirm.at; {PLACES}",
    ),
    (
        WHERE,
        ", where: {model: deep, noise: all}",
        "15: claims[0].where.noise: tells the arms apart: name them in better and worse, or in equal",
    ),
    # The other point of an interaction
    ("than: {model: shallow}", "than: {model: deep}", "15: claims[0].than: must differ from where"),
    (
        "than: {model: shallow}",
        "than: {model: wide}",
        "15: claims[0].than.model: 'wide' is not a value of model; it can be deep or shallow",
    ),
    (
        "than: {model: shallow}",
        "than: {sigma: 0.03}",
        "15: claims[0].than: must have the hyperparameters of where (model), got sigma",
    ),
    (
        "better: layer, worse: none",
        "equal: [layer, none], within: 0.1",
        "15: claims[0]: must have better and worse beside than",
    ),
    (
        WHERE,
        (
            ", where: {model: deep, sigma: {between: [0.003, 0.1]}, sigma_schedule: cosine}, than: "
            "{model: shallow, sigma: 0.03, sigma_schedule: cosine}"
        ),
        "15: claims[0].where.sigma: must be one value beside than",
    ),
    # Listed values
    (
        "at: {sigma:",
        "at: {sgma:",
        "12: stages.confirm.at.sgma: 'sgma' is not known; did you mean 'sigma'? it can be ",
    ),
    ("[0.003, 0.03, 0.1]", "[0.003, 0.003]", f"{AT_SIGMA}: lists a value twice"),
    (
        "[0.003, 0.03, 0.1]",
        "[0.003, 0]",
        f"{AT_SIGMA}[1]: must be above 0: noise none is training without noise",
    ),
    ("[0.003, 0.03, 0.1]", "[0.003, -1]", f"{AT_SIGMA}[1]: must be greater than or equal to 0, got -1"),
    ("[0.003, 0.03, 0.1]", "[]", f"{AT_SIGMA}: must have at least one value, got []"),
    ("[0.003, 0.03, 0.1]", "0.1", f"{AT_SIGMA}: must be a list, got 0.1"),
    (
        "[constant, cosine]",
        "[constant, cosin]",
        "12: stages.confirm.at.sigma_schedule[1]: 'cosin' is not known; did you mean 'cosine'? it can be ",
    ),
    (
        "sigma: [0.003",
        "epochs: [2], sigma: [0.003",
        "12: stages.confirm.at.epochs: epochs cannot be listed here: it must be as in the search",
    ),
    (
        "sigma: [0.003",
        "curvature: [end], sigma: [0.003",
        "12: stages.confirm.at.curvature: put it in stages.confirm, as curvature: end",
    ),
    (
        "sigma: [0.003",
        "seed: [1], sigma: [0.003",
        "12: stages.confirm.at.seed: leave it out: stages.confirm.seeds sets the seeds",
    ),
    (
        "sigma: [0.003",
        "noise: [all], sigma: [0.003",
        "12: stages.confirm.at.noise: leave it out: compare gives its values",
    ),
    (
        "sigma: [0.003",
        "model: [deep], sigma: [0.003",
        "12: stages.confirm.at.model: leave it out: across gives its values",
    ),
    (
        "seeds: 2",
        "seeds: 3000",
        "10: stages.confirm: must give at most 100,000 trials, got 3 x 2 x 7 x 3,000",
    ),
    (
        "fixed: {epochs: 4}",
        "test: true\nfixed: {epochs: 4}",
        "5: test: is for a grid; a confirm stage reads the test split",
    ),
    # Forms of claims
    (
        "metric: test_accuracy, better: layer, worse: none" + WHERE,
        "metric: test_accuracy, drops: all, where: {model: deep}",
        "15: claims[0].drops: needs a metric of every epoch: train_loss, val_loss or val_accuracy",
    ),
    (
        "metric: test_accuracy, better: layer, worse: none" + WHERE,
        "metric: val_accuracy, drops: al, where: {model: deep}",
        "15: claims[0].drops: 'al' is not an arm; did you mean 'all'? it can be all, layer or none",
    ),
    (
        "metric: test_accuracy, better: layer, worse: none" + WHERE,
        "metric: grad_norm, drops: all, where: {model: deep}",
        "15: claims[0].metric: has no better direction; this claim can be about ",
    ),
    (
        "metric: test_accuracy",
        "area: test_accuracy, until: 3",
        "15: claims[0].area: needs a metric of every epoch: train_loss, val_loss or val_accuracy",
    ),
    (
        "metric: test_accuracy",
        "area: val_accuracy, until: 5",
        "15: claims[0].until: must be at most the 4 epochs of a trial, got 5",
    ),
    (
        "metric: test_accuracy",
        "area: val_acc, until: 3",
        "15: claims[0].area: 'val_acc' is not known; did you mean 'val_accuracy'? it can be ",
    ),
]

# A replacement in GIVEN, and its messages.
IN_GIVEN_CONFIGURATIONS: list[tuple[str, ...]] = [
    ("      none: {lr: 0.1}\n", "", "8: stages.confirm.configurations: must have every arm: none is missing"),
    (
        "layer: {lr",
        "layr: {lr",
        (
            "11: stages.confirm.configurations.layr: 'layr' is not an arm; did you mean 'layer'? it "
            "can be all, layer or none"
        ),
    ),
    ("lr: 0.05", "lr: fast", "11: stages.confirm.configurations.layer.lr: must be a number, got 'fast'"),
    ("lr: 0.05", "rl: 0.05", "11: stages.confirm.configurations.layer.rl: 'rl' is not known; "),
    (
        "lr: 0.05",
        "noise: all",
        "11: stages.confirm.configurations.layer.noise: leave it out: compare gives its values",
    ),
    (
        "lr: 0.05",
        "epochs: 5",
        "11: stages.confirm.configurations.layer.epochs: must be the same for every arm: put it in fixed",
    ),
    (
        "lr: 0.05",
        "curvature: end",
        "11: stages.confirm.configurations.layer.curvature: put it in stages.confirm, as curvature: end",
    ),
    (
        ", sigma: 0.03}",
        "}",
        (
            "11: stages.confirm.configurations.layer: needs a sigma above 0, here or in fixed, or it would "
            "have no noise"
        ),
    ),
    (
        "sigma: 0.03",
        "sigma: 0",
        (
            "11: stages.confirm.configurations.layer: needs a sigma above 0, here or in fixed, or it would "
            "have no noise"
        ),
    ),
    (
        "none: {lr: 0.1}",
        "none: {lr: 0.1, sigma: 0.1}",
        "9: stages.confirm.configurations.none.sigma: leave it out: none has no sigma",
    ),
    (
        "  confirm:\n",
        "  search: {trials_per_arm: 3}\n  confirm:\n",
        "6: stages.search: leave it out: stages.confirm.configurations gives what is confirmed",
    ),
    (
        "stages:\n",
        "search: {momentum: [0, 0.9]}\nstages:\n",
        "5: search: leave it out: stages.confirm.configurations gives the hyperparameters",
    ),
    (
        "seeds: 2\n",
        "seeds: 2\n    top: 2\n",
        "8: stages.confirm.top: leave it out: stages.confirm.configurations has one for each arm",
    ),
]

# A replacement in CURVES, a grid of none and all over sigma, and its messages.
BY_ARM = "{grid_by_arm: {all: [0.1, 0.2], layer: [0.2, 0.3]}}"
IN_A_GRID: list[tuple[str, ...]] = [
    (
        BY_ARM,
        "{grid_by_arm: {all: [0.1], layr: [0.1]}}",
        (
            "6: search.sigma.grid_by_arm.layr: 'layr' is not an arm; did you mean 'layer'? it can be "
            "all, layer or none"
        ),
    ),
    (
        BY_ARM,
        "{grid_by_arm: {all: [0.1]}}",
        "6: search.sigma.grid_by_arm: leaves out layer, which would have no noise",
    ),
    (
        BY_ARM,
        "{grid_by_arm: {none: [0.1], all: [0.1], layer: [0.1]}}",
        "6: search.sigma.grid_by_arm.none: leave it out: none has no sigma",
    ),
    (
        BY_ARM,
        "{grid_by_arm: {all: [0.1, -1], layer: [0.1]}}",
        "6: search.sigma.grid_by_arm.all[1]: must be greater than or equal to 0, got -1",
    ),
    (
        BY_ARM,
        "{grid_by_arm: {all: [0.1, 0.1], layer: [0.1]}}",
        "6: search.sigma: grid_by_arm lists a value twice",
    ),
    (
        "sigma: 0.1",
        "sigma: 0.3",
        "10: claims[0].where.sigma: 0.3 is not a value of sigma for all and none; it can be 0.1 or 0.2",
    ),
    (
        "better: all, worse: none, where: {sigma: 0.1}",
        "better: all, worse: layer, where: {sigma: 0.1}",
        "10: claims[0].where.sigma: 0.1 is not a value of sigma for all and layer; it can be 0.2",
    ),
    (
        "where: {sigma: 0.1}",
        "where: {sigma: {between: [0.25, 1.0]}}",
        "10: claims[0].where.sigma: [0.25, 1.0] has no value of sigma for all and none; it can be 0.1 or 0.2",
    ),
    (
        "mode: grid\n",
        "mode: grid\nacross: {model: [deep, wide]}\n",
        "4: across: leave it out: a grid compares the arms at every value of the hyperparameters in search",
    ),
    (
        "val_accuracy, better",
        "test_accuracy, better",
        (
            "10: claims[0].metric: 'test_accuracy' is reported only by a confirm stage, or a grid "
            "with test: true; "
        ),
    ),
]

# A replacement in BASE, a search without arms, and its messages.
IN_A_SWEEP: list[tuple[str, ...]] = [
    (
        "name: study",
        "name: study\nacross: {model: [deep, wide]}",
        "2: across: needs stages: the arms are tuned and compared for each of its values",
    ),
    ("name: study", "name: study\ntest: true", "2: test: is for a grid; a search never reads the test split"),
]
BY_ARM_GRID = changed(
    "[none, all]}",
    "[none, all, layer]}",
    changed("{grid: [0.1, 0.2], when: {noise: [all]}}", BY_ARM, CURVES),
)


def check(folder, text, old, new, lines):
    """Compare the mistakes with these lines; one that ends with a space is their beginning."""
    found = mistakes(folder, changed(old, new, text))
    if len(found) == len(lines):
        ends = zip(found, lines, strict=True)
        found = [line[: len(start)] if start.endswith(" ") else line for line, start in ends]
    assert found == lines


@in_table(IN_A_STUDY_ACROSS)
def test_mistake_in_a_study_across_models(old, new, lines, tmp_path):
    check(tmp_path, ACROSS, old, new, lines)


@in_table(IN_GIVEN_CONFIGURATIONS)
def test_mistake_in_given_configurations(old, new, lines, tmp_path):
    check(tmp_path, GIVEN, old, new, lines)


@in_table(IN_A_GRID)
def test_mistake_in_a_grid_by_arm(old, new, lines, tmp_path):
    check(tmp_path, BY_ARM_GRID, old, new, lines)


@in_table(IN_A_SWEEP)
def test_mistake_in_a_sweep_without_arms(old, new, lines, tmp_path):
    check(tmp_path, BASE, old, new, lines)


def test_what_is_right_has_no_mistakes(tmp_path):
    assert [tuned["model"] for tuned in read(tmp_path, ACROSS).tuned] == ["shallow"] * 3 + ["deep"] * 3
    assert read(tmp_path, GIVEN).search_stage is None
    assert read(tmp_path, BY_ARM_GRID, "test=true").reads_test
    # An arm may also be confirmed at listed values.
    at = ("stages.confirm.at={sigma: [0.1]}",)
    assert read(tmp_path, GIVEN, *at).confirm.at == {"sigma": [0.1]}
    ranges = "claims=[{name: a, metric: val_loss, drops: [none, all], where: {sigma: {between: [0.1, 1]}}}]"
    assert read(tmp_path, BY_ARM_GRID, ranges).claims[0].drops == ["none", "all"]


def test_a_fall_takes_three_epochs(tmp_path):
    fall = "claims=[{name: a, metric: val_accuracy, drops: layer}]"
    assert read(tmp_path, GIVEN, fall).claims[0].drops == ["layer"]
    assert mistakes(tmp_path, GIVEN, fall, "fixed.epochs=2") == [
        "--set: claims[0].drops: needs trials of at least 3 epochs, got 2"
    ]


def test_without_search_or_configurations_one_is_asked_for(tmp_path):
    text = ACROSS.replace("  search: {trials_per_arm: 3}\n", "")
    rule = "is missing: such as {trials_per_arm: 20}; or give stages.confirm.configurations"
    assert mistakes(tmp_path, text) == [f"8: stages.search: {rule}"]


def test_what_depends_on_noise_or_on_arms_needs_them(tmp_path):
    noiseless = ("search.noise=[none]", "search.sigma.when=noisy")
    assert mistakes(tmp_path, BASE, *noiseless) == [
        "--set: search.sigma.when: is never true: noise is none in every trial"
    ]
    assert mistakes(tmp_path, GRID, "search.lr={grid_by_arm: {all: [0.1]}}") == [
        "--set: search.lr.grid_by_arm: needs compare, whose values are the arms; without it, give one list"
    ]
    at = "stages.confirm.at={sigma: [0.1]}"
    models = ("compare={model: [deep, wide]}", "search={lr: [0.1, 0.2]}", "claims=[]", at)
    assert mistakes(tmp_path, COMPARE, *models) == [
        "--set: stages.confirm.at.sigma: applies to no arm: noise is none in every trial"
    ]

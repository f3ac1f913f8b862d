"""The messages for mistakes in compare, stages and claims, in a search and in a grid."""

import pytest

from sweeps import load_spec
from sweeps.errors import one_of
from sweeps.spec.claim import Claim
from sweeps.spec.model import CURVATURE
from tests.unit.test_spec import (
    COMPARE,
    CURVES,
    HYPERPARAMETERS,
    MAPPING,
    MODES,
    ONE_VALUE,
    OWN,
    SCHEDULER,
    STUDIED,
    changed,
    mistakes,
)
from trainables.digits import Digits

CLAIM_KEYS = one_of(sorted(Claim.model_fields))
FORM = "must have better and worse, or equal and within, or drops"
COMPARE_FORM = "must be a hyperparameter such as noise, or one with its values such as {noise: [none, layer]}"
JUDGED = (
    "train_loss, val_loss, val_accuracy, hessian_trace, hessian_top_eigenvalue, sharpness, "
    "test_loss or test_accuracy"
)
NEEDS_STAGES = "needs stages, such as {search: {trials_per_arm: 20}, confirm: {seeds: 10}}, or mode: grid"
NEEDS_SEEDS = "needs seeds to judge by, from stages.confirm or mode: grid"
SEARCH_KEYS = "epochs_per_arm, sampler, scheduler or trials_per_arm"
GRID_METRIC = one_of(sorted([*Digits.metrics(), *CURVATURE]))
ANY_METRIC = one_of(sorted([*Digits.metrics(), *Digits.test_metrics(), *CURVATURE]))
STAGES = COMPARE[COMPARE.index("stages") : COMPARE.index("objective")]
SEARCH = COMPARE[COMPARE.index("search:\n") : COMPARE.index("stages")]
CLAIMS = COMPARE[COMPARE.index("claims") :]
ARMS = "metric: test_accuracy, better: layer, worse: none"

# A replacement in COMPARE, and its messages.
IN_A_COMPARISON: list[tuple[str, ...]] = [
    (
        "compare: noise",
        "compare: noize",
        f"3: compare: 'noize' is not known; did you mean 'noise'? it can be {HYPERPARAMETERS}",
    ),
    ("compare: noise", "compare: lr", "3: compare: must list its values, such as {lr: [...]}"),
    ("compare: noise", "compare: seed", f"3: compare: 'seed' is not known; it can be {HYPERPARAMETERS}"),
    ("compare: noise", "compare: ''", f"3: compare: '' is not known; it can be {HYPERPARAMETERS}"),
    ("compare: noise", "compare: 3", f"3: compare: {COMPARE_FORM}, got 3"),
    ("compare: noise", "compare: true", f"3: compare: {COMPARE_FORM}, got true"),
    ("compare: noise", "compare: []", f"3: compare: {COMPARE_FORM}, got []"),
    ("compare: noise", "compare: [noise]", f"3: compare: {COMPARE_FORM}, got ['noise']"),
    ("compare: noise", "compare: {}", f"3: compare: {COMPARE_FORM}, got {{}}"),
    (
        "compare: noise",
        "compare:",
        "7: stages: needs compare: the hyperparameter whose values are the arms, such as noise",
    ),
    (
        "compare: noise",
        "compare: {noise: [none]}",
        "3: compare.noise: must have two values or more, each once, got ['none']",
    ),
    (
        "compare: noise",
        "compare: {noise: []}",
        "3: compare.noise: must have two values or more, each once, got []",
    ),
    ("compare: noise", "compare: {noise: all}", f"3: compare: {COMPARE_FORM}, got {{'noise': 'all'}}"),
    (
        "compare: noise",
        "compare: {noise: {a: 1}}",
        f"3: compare: {COMPARE_FORM}, got {{'noise': {{'a': 1}}}}",
    ),
    (
        "compare: noise",
        "compare: {noise: [none, none]}",
        "3: compare.noise: must have two values or more, each once, got ['none', 'none']",
    ),
    (
        "compare: noise",
        "compare: {noise: [none, al]}",
        f"3: compare.noise[1]: 'al' is not known; did you mean 'all'? it can be {MODES}{OWN}",
    ),
    (
        "compare: noise",
        "compare: {noise: [none, 3]}",
        f"3: compare.noise[1]: 3 is not known; it can be {MODES}",
    ),
    (
        "compare: noise",
        "compare: {noise: [none, [1]]}",
        f"3: compare: {COMPARE_FORM}, got {{'noise': ['none', [1]]}}",
    ),
    ("compare: noise", "compare: {lr: [0.1, .nan]}", f"3: compare: {COMPARE_FORM}, got {{'lr': [0.1, nan]}}"),
    (
        "compare: noise",
        "compare: {noise: [all, layer], model: [wide, deep]}",
        "3: compare: must name one hyperparameter, got noise, model",
    ),
    (
        "compare: noise",
        "compare: {noize: [none, all]}",
        f"3: compare.noize: 'noize' is not known; did you mean 'noise'? it can be {HYPERPARAMETERS}",
    ),
    (
        "compare: noise",
        "compare: {lr: [0.1, 1]}",
        "3: compare.lr[1]: must be written 1.0, because arms are named by their text",
    ),
    (
        "compare: noise",
        "compare: {lr: [1, 1.0]}",
        "3: compare.lr: must have two values or more, each once, got [1, 1.0]",
    ),
    ("compare: noise", "compare: {lr: [0.1, fast]}", "3: compare.lr[1]: must be a number, got 'fast'"),
    (
        "compare: noise",
        "compare: curvature",
        ("3: compare: must be the same for all arms: put it in stages.confirm, and compare something else"),
    ),
    (
        "compare: noise",
        "compare: weight_noise",
        "3: compare: must be the same for all arms: put it in stages.confirm, and compare something else",
    ),
    (
        "compare: noise",
        "compare: {weight_noise: [0.1, 0.2]}",
        (
            "3: compare.weight_noise: must be the same for all arms: put it in stages.confirm, and compare "
            "something else"
        ),
    ),
    ("compare: noise", "mode: girid\ncompare: noise", "3: mode: must be 'search' or 'grid', got 'girid'"),
    (
        "compare: noise",
        "mode: grid\ncompare: noise",
        "7: search.sigma: must be a list in mode: grid, got log_uniform",
        "8: stages: leave it out: mode: grid runs every point with every seed",
        (
            "13: claims[0].metric: 'test_accuracy' is reported only by a confirm stage, or a grid with "
            f"test: true; did you mean 'val_accuracy'? it can be {GRID_METRIC}"
        ),
    ),
    (
        "compare: noise\n",
        "",
        "6: stages: needs compare: the hyperparameter whose values are the arms, such as noise",
    ),
    (
        "compare: noise\n",
        "question: 3\ncompare: noise\n",
        "3: question: must be text, got 3; write it in quotes",
    ),
    (
        "fixed: {epochs: 4}",
        "fixed: {epochs: 4, noise: all}",
        "4: fixed.noise: leave it out: compare gives its values",
    ),
    (
        "search:\n  sigma",
        "search:\n  noise: [none, all]\n  sigma",
        "6: search.noise: leave it out: compare gives its values",
    ),
    (
        "search:\n  sigma",
        "search:\n  lr: {grid: [0.1, 0.2]}\n  sigma",
        "6: search.lr: must be choice in a search; grid is for mode: grid",
    ),
    (
        "search:\n  sigma",
        "search:\n  curvature: [end, never]\n  sigma",
        "6: search.curvature: cannot be searched: put it in stages.confirm or in fixed",
    ),
    (
        "search:\n  sigma",
        "search:\n  weight_noise: [0.1, 0.2]\n  sigma",
        "6: search.weight_noise: cannot be searched: put it in stages.confirm or in fixed",
    ),
    (
        "{seeds: 2}",
        "{seeds: 2, weight_noise: 0.1}",
        "9: stages.confirm.weight_noise: must be a list, got 0.1",
    ),
    (
        "{seeds: 2}",
        "{seeds: 2, weight_noise: [0.1, 0]}",
        "9: stages.confirm.weight_noise[1]: must be greater than 0, got 0",
    ),
    (
        "{seeds: 2}",
        "{seeds: 2, weight_noise: [0.1, 0.1000001]}",
        "9: stages.confirm.weight_noise: must list each sigma once, with six digits at most",
    ),
    ("epochs: 4", "lr: [0.1]", "4: fixed.lr: must be one value (a number, text, true or false), got [0.1]"),
    (
        "epochs: 4",
        "weight_noise: 0.1",
        "4: fixed.weight_noise: must be a list of standard deviations, such as [0.01, 0.1], got 0.1",
    ),
    ("epochs: 4", "weight_noise: [0.1, a]", "4: fixed.weight_noise: must be a number, got 'a'"),
    (
        SEARCH,
        "search: {}\n",
        "3: compare: needs sigma, in fixed or in search, for all, layer, after_all, after_layer",
    ),
    (", after_layer]", "]", "6: search.sigma.when.noise: leaves out after_layer, which would have no noise"),
    (
        ", after_layer]",
        ", after_layr]",
        (
            "6: search.sigma.when.noise[3]: 'after_layr' is not a value of noise in this sweep; "
            f"did you mean 'after_layer'? it can be {STUDIED}"
        ),
    ),
    (STAGES, "", f"3: compare: {NEEDS_STAGES}"),
    (STAGES, "stages:\n", f"3: compare: {NEEDS_STAGES}"),
    (STAGES, "stages: 3\n", f"7: stages: {MAPPING}, got 3"),
    (STAGES, "stages: []\n", f"7: stages: {MAPPING}, got []"),
    (
        STAGES,
        "stages: {}\n",
        "7: stages.search: is missing: such as {trials_per_arm: 20}; or give stages.confirm.configurations",
    ),
    (STAGES, "stages: {search: 3, confirm: {seeds: 2}}\n", f"7: stages.search: {MAPPING}, got 3"),
    (
        STAGES,
        "stages: {confirm: {seeds: 2}}\n",
        "7: stages.search: is missing: such as {trials_per_arm: 20}; or give stages.confirm.configurations",
    ),
    (STAGES, "stages: {search: {trials_per_arm: 3}, confirm: 3}\n", f"7: stages.confirm: {MAPPING}, got 3"),
    (
        STAGES,
        "stages: {search: {trials_per_arm: 3}, confirm: {}}\n",
        "7: stages.confirm: must have seeds, such as 10, or looks, such as [13, 20, 40], one of them",
    ),
    (STAGES, "stages: {search: {trials_per_arm: 3}}\n", f"9: claims: {NEEDS_SEEDS}"),
    (
        STAGES,
        "stages: {serch: {trials_per_arm: 3}, confirm: {seeds: 2}}\n",
        "7: stages.serch: 'serch' is not known; did you mean 'search'? it can be confirm or search",
    ),
    (
        "{trials_per_arm: 3}",
        "{}",
        "8: stages.search: must have trials_per_arm, such as 20, or epochs_per_arm",
    ),
    (
        "{trials_per_arm: 3}",
        "{trials_per_arm: 3, epochs_per_arm: 9}",
        "8: stages.search: must have trials_per_arm or epochs_per_arm, not both",
    ),
    (
        "{trials_per_arm: 3}",
        "{trials_per_arm: 0}",
        "8: stages.search.trials_per_arm: must be greater than or equal to 1, got 0",
    ),
    (
        "{trials_per_arm: 3}",
        "{trials_per_arm: x}",
        "8: stages.search.trials_per_arm: must be a whole number, got 'x'",
    ),
    (
        "{trials_per_arm: 3}",
        "{trials_per_arm: }",
        "8: stages.search: must have trials_per_arm, such as 20, or epochs_per_arm",
    ),
    (
        "{trials_per_arm: 3}",
        "{epochs_per_arm: 0}",
        "8: stages.search.epochs_per_arm: must be greater than or equal to 1, got 0",
    ),
    (
        "{trials_per_arm: 3}",
        "{trials: 3}",
        (
            "8: stages.search.trials: 'trials' is not known; did you mean 'trials_per_arm'? it "
            f"can be {SEARCH_KEYS}"
        ),
    ),
    (
        "{trials_per_arm: 3}",
        "{trials_per_arm: 3, grace: 1}",
        f"8: stages.search.grace: 'grace' is not known; it can be {SEARCH_KEYS}",
    ),
    (
        "{trials_per_arm: 3}",
        "{trials_per_arm: 3, scheduler: ahsa}",
        f"8: stages.search.scheduler: {SCHEDULER}",
    ),
    (
        "{trials_per_arm: 3}",
        "{trials_per_arm: 3, scheduler: {asha: 3}}",
        f"8: stages.search.scheduler.asha: {MAPPING}, got 3",
    ),
    (
        "{trials_per_arm: 3}",
        "{trials_per_arm: 3, scheduler: {asha: {grace: 4}}}",
        (
            "8: stages.search.scheduler.asha.grace: 'grace' is not known; did you mean "
            "'grace_epochs'? it can be grace_epochs or reduction_factor"
        ),
    ),
    (
        "{trials_per_arm: 3}",
        "{trials_per_arm: 3, scheduler: {asha: {grace_epochs: 4}}}",
        (
            "8: stages.search.scheduler.asha.grace_epochs: must be below the 4 epochs of a "
            "trial, or no trial is ever stopped, got 4"
        ),
    ),
    ("{seeds: 2}", "{seeds: 1}", "9: stages.confirm.seeds: must be greater than or equal to 2, got 1"),
    ("{seeds: 2}", "{seeds: x}", "9: stages.confirm.seeds: must be a whole number, got 'x'"),
    (
        "{seeds: 2}",
        "{seeds: 5000000000}",
        "9: stages.confirm.seeds: must be less than or equal to 100000, got 5000000000",
    ),
    (
        "{seeds: 2}",
        "{top: 2}",
        "9: stages.confirm: must have seeds, such as 10, or looks, such as [13, 20, 40], one of them",
    ),
    ("{seeds: 2}", "{seeds: 2, top: 0}", "9: stages.confirm.top: must be greater than or equal to 1, got 0"),
    ("{seeds: 2}", "{seeds: 2, top: all}", "9: stages.confirm.top: must be a whole number, got 'all'"),
    (
        "{seeds: 2}",
        "{seeds: 2, top: 4}",
        "9: stages.confirm.top: must be at most the 3 trials_per_arm, got 4",
    ),
    (
        "{seeds: 2}",
        "{seeds: 2, curvature: always}",
        "9: stages.confirm.curvature: must be 'never', 'end' or 'epoch', got 'always'",
    ),
    (
        "{seeds: 2}",
        "{seeds: 2, curvture: end}",
        (
            "9: stages.confirm.curvture: 'curvture' is not known; did you mean 'curvature'? it "
            "can be at, configurations, curvature, looks, seeds, top or weight_noise"
        ),
    ),
    # A key whose form is wrong does not hide a mistake in the key beside it.
    (
        "{trials_per_arm: 3}\n  confirm: {seeds: 2}",
        "{trials_per_arm: 1, scheduler: ahsa}\n  confirm: {seeds: 1, top: 2}",
        f"8: stages.search.scheduler: {SCHEDULER}",
        "9: stages.confirm.seeds: must be greater than or equal to 2, got 1",
        "9: stages.confirm.top: must be at most the 1 trials_per_arm, got 2",
    ),
    (
        "claims:\n",
        "budget: {trials: 3}\nclaims:\n",
        "11: budget.trials: leave it out: the stages set the number of trials",
    ),
    ("claims:\n", "scheduler: {asha: {}}\nclaims:\n", "11: scheduler: put it in stages.search"),
    ("claims:\n", "scheduler: asha\nclaims:\n", "11: scheduler: put it in stages.search"),
    ("claims:\n", "scheduler: ahsa\nclaims:\n", f"11: scheduler: {SCHEDULER}"),
    ("claims:\n", "sampler: tpe\nclaims:\n", "11: sampler: put it in stages.search"),
    (
        "claims:\n",
        "seeds: 3\nclaims:\n",
        "11: seeds: leave it out: stages.confirm.seeds sets the seeds",
    ),
    (
        "claims:\n",
        "seed: 4294967295\nclaims:\n",
        "9: stages.confirm.seeds: must be at most 0, as the last seed is 4294967295, got 2",
    ),
    (CLAIMS, "claims: x\n", "11: claims: must be a list, got 'x'"),
    (CLAIMS, "claims: 3\n", "11: claims: must be a list, got 3"),
    (CLAIMS, "claims: {}\n", "11: claims: must be a list, got {}"),
    (CLAIMS, "claims: [x]\n", f"11: claims[0]: {MAPPING}, got 'x'"),
    (CLAIMS, "claims: [3]\n", f"11: claims[0]: {MAPPING}, got 3"),
    (CLAIMS, "claims: [null]\n", f"11: claims[0]: {MAPPING}, got nothing"),
    (
        CLAIMS,
        "claims: [{}]\n",
        "11: claims[0].name: is missing: the claim in words",
    ),
    (CLAIMS, "claims:\n", "11: claims: must be a list, got nothing"),
    ("layer beats none", "''", "12: claims[0].name: must not be empty: the claim in words"),
    ("layer beats none", "3", "12: claims[0].name: must be text, got 3; write it in quotes"),
    ("layer beats none", "[a]", "12: claims[0].name: must be text, got ['a']"),
    ("name: layer beats none, ", "", "12: claims[0].name: is missing: the claim in words"),
    (ARMS, "metric: test_accuracy, better: layer", f"12: claims[0]: {FORM}, got better"),
    (ARMS, "metric: test_accuracy, worse: none", f"12: claims[0]: {FORM}, got worse"),
    (ARMS, "metric: test_accuracy, equal: [layer, none]", f"12: claims[0]: {FORM}, got equal"),
    (ARMS, "metric: test_accuracy, within: 1", f"12: claims[0]: {FORM}, got within"),
    (ARMS, "metric: test_accuracy, better: ~, worse: ~", f"12: claims[0]: {FORM}, got none of them"),
    (
        ARMS,
        "metric: test_accuracy, better: layer, worse: none, equal: [none, all], within: 1",
        f"12: claims[0]: {FORM}, got better, worse, equal, within",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: layer, worse: none, within: 1",
        f"12: claims[0]: {FORM}, got better, worse, within",
    ),
    (
        ARMS,
        "metric: test_accuracy, bettr: layer, worse: none",
        f"12: claims[0].bettr: 'bettr' is not known; did you mean 'better'? it can be {CLAIM_KEYS}",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: 3, worse: none",
        f"12: claims[0].better: 3 is not an arm; it can be {STUDIED}",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: al, worse: none",
        f"12: claims[0].better: 'al' is not an arm; did you mean 'all'? it can be {STUDIED}",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: [], worse: none",
        "12: claims[0].better: must have at least one value, got []",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: [[1]], worse: none",
        f"12: claims[0].better[0]: {ONE_VALUE}, got [1]",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: {a: 1}, worse: none",
        "12: claims[0].better: must be an arm or a list of arms, got {'a': 1}",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: layer, worse: 2024-01-01",
        "12: claims[0].worse: must be an arm or a list of arms, got 2024-01-01",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: layer, worse: [none, nil]",
        f"12: claims[0].worse: 'nil' is not an arm; it can be {STUDIED}",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: [layer, layer], worse: none",
        "12: claims[0].better: lists an arm twice, got ['layer', 'layer']",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: layer, worse: layer",
        "12: claims[0].worse: 'layer' cannot be better than itself",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: [layer, all], worse: [none, all]",
        "12: claims[0].worse: 'all' cannot be better than itself",
    ),
    (
        ARMS,
        "metric: test_accuracy, equal: none, within: 1",
        "12: claims[0].equal: must be a list, got 'none'",
    ),
    (
        ARMS,
        "metric: test_accuracy, equal: [none], within: 1",
        "12: claims[0].equal: must have two values or more, got ['none']",
    ),
    (
        ARMS,
        "metric: test_accuracy, equal: [none, none], within: 1",
        "12: claims[0].equal: lists an arm twice, got ['none', 'none']",
    ),
    (
        ARMS,
        "metric: test_accuracy, equal: [none, al], within: 1",
        f"12: claims[0].equal: 'al' is not an arm; did you mean 'all'? it can be {STUDIED}",
    ),
    (
        ARMS,
        "metric: test_accuracy, equal: [layer, none], within: 1, by: 1",
        "12: claims[0]: must not have by beside equal: within is what matters there",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: layer, worse: none, by: 0",
        "12: claims[0].by: must be greater than 0, got 0",
    ),
    (
        ARMS,
        "metric: val_accuracy, better: layer, worse: none, by: 4, reach: common",
        "12: claims[0].by: counts epochs when reach is given, and must be below the 4 of a trial, got 4",
    ),
    (
        ARMS,
        "metric: test_accuracy, equal: [layer, none], within: 0",
        "12: claims[0].within: must be greater than 0, got 0",
    ),
    (
        ARMS,
        "metric: test_accuracy, equal: [layer, none], within: x",
        "12: claims[0].within: must be a number, got 'x'",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: layer, worse: none, reach: 0.9",
        "12: claims[0].reach: needs a metric of every epoch: train_loss, val_loss or val_accuracy",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: layer, worse: none, epoch: 2",
        "12: claims[0].epoch: needs a metric of every epoch: train_loss, val_loss or val_accuracy",
    ),
    (
        ARMS,
        "metric: test_accuracy, better: layer, worse: none, where: {sigma: 0.1}",
        ("12: claims[0].where.sigma: leave it out, or list its values in across or in stages.confirm.at"),
    ),
    (
        ARMS,
        "metric: test_accuracy, better: layer, worse: none, where: 3",
        f"12: claims[0].where: {MAPPING}, got 3",
    ),
    (
        ARMS,
        "metric: 3, better: layer, worse: none",
        "12: claims[0].metric: must be text, got 3; write it in quotes",
    ),
    (
        ARMS,
        "metric: val_acc, better: layer, worse: none",
        (
            "12: claims[0].metric: 'val_acc' is not known; did you mean 'val_accuracy'? it can "
            f"be {ANY_METRIC}"
        ),
    ),
    (
        ARMS,
        "metric: grad_norm, better: layer, worse: none",
        f"12: claims[0].metric: has no better direction; this claim can be about {JUDGED}",
    ),
    (
        ARMS,
        "metric: hessian_trace, better: layer, worse: none",
        "12: claims[0].metric: needs curvature: end, in stages.confirm",
    ),
    (
        ARMS,
        "metric: test_accuracy_under_0.1, better: layer, worse: none",
        "12: claims[0].metric: needs weight_noise: [0.1], in stages.confirm",
    ),
    (
        ARMS,
        "metric: val_accuracy_under_0.1, better: layer, worse: none",
        ("12: claims[0].metric: is measured on the test split in this sweep, as test_accuracy_under_0.1"),
    ),
    (
        ARMS,
        "metric: test_accuracy_under_0, better: layer, worse: none",
        (
            "12: claims[0].metric: 'test_accuracy_under_0' is not known; did you mean 'test_accuracy'? "
            f"it can be {ANY_METRIC}"
        ),
    ),
    (
        ARMS,
        "metric: grad_norm, equal: [layer, none], within: 1, reach: common",
        f"12: claims[0].metric: has no better direction; this claim can be about {JUDGED}",
    ),
    (
        ARMS,
        "better: layer, worse: none",
        "12: claims[0]: must have metric or area, one of them",
    ),
    (
        ARMS,
        "metric: val_accuracy, better: layer, worse: none, reach: soon",
        "12: claims[0].reach: must be a number or common, got 'soon'",
    ),
    (
        ARMS,
        "metric: val_accuracy, better: layer, worse: none, reach: [1]",
        "12: claims[0].reach: must be a number or common, got [1]",
    ),
    (
        ARMS,
        "metric: val_accuracy, better: layer, worse: none, reach: {a: 1}",
        "12: claims[0].reach: must be a number or common, got {'a': 1}",
    ),
    (
        ARMS,
        "metric: val_accuracy, better: layer, worse: none, reach: true",
        "12: claims[0].reach: must be a number or common, got true",
    ),
    (
        ARMS,
        "metric: val_accuracy, better: layer, worse: none, reach: .nan",
        "12: claims[0].reach: must be a number or common, got nan",
    ),
    (
        ARMS,
        "metric: val_accuracy, better: layer, worse: none, reach: '0.9'",
        "12: claims[0].reach: must be a number or common, got '0.9'",
    ),
    (
        ARMS,
        "metric: val_accuracy, better: layer, worse: none, reach: common, epoch: 1",
        "12: claims[0]: must have reach or epoch, not both",
    ),
    (
        ARMS,
        "metric: val_accuracy, better: layer, worse: none, epoch: 0",
        "12: claims[0].epoch: must be greater than or equal to 1, got 0",
    ),
    (
        ARMS,
        "metric: val_accuracy, better: layer, worse: none, epoch: 1.5",
        "12: claims[0].epoch: must be a whole number, got 1.5",
    ),
    (
        ARMS,
        "metric: val_accuracy, better: layer, worse: none, epoch: x",
        "12: claims[0].epoch: must be a whole number, got 'x'",
    ),
    (
        ARMS,
        "metric: val_accuracy, better: layer, worse: none, epoch: 5",
        "12: claims[0].epoch: must be at most the 4 epochs of a trial, got 5",
    ),
    (
        ARMS,
        "metric: val_accuracy, equal: [layer, none], within: 4, reach: common",
        "12: claims[0].within: counts epochs when reach is given, and must be below the 4 of a trial, got 4",
    ),
    (
        CLAIMS,
        f"{CLAIMS}  - {{name: layer beats none, metric: test_loss, better: layer, worse: none}}\n",
        "13: claims[1].name: 'layer beats none' is already the name of claims[0]",
    ),
]

# A replacement in CURVES, and its messages.
IN_A_GRID: list[tuple[str, ...]] = [
    (", where: {sigma: 0.1}", "", "10: claims[0].where: must say which sigma, such as {sigma: 0.1}"),
    (", where: {sigma: 0.1}", ", where: 3", f"10: claims[0].where: {MAPPING}, got 3"),
    (
        ", where: {sigma: 0.1}",
        ", where: {}",
        "10: claims[0].where: must say which sigma, such as {sigma: 0.1}",
    ),
    (
        ", where: {sigma: 0.1}",
        ", where: {sigma: 0.3}",
        "10: claims[0].where.sigma: 0.3 is not a value of sigma; it can be 0.1 or 0.2",
    ),
    (
        ", where: {sigma: 0.1}",
        ", where: {sigma: x}",
        "10: claims[0].where.sigma: 'x' is not a value of sigma; it can be 0.1 or 0.2",
    ),
    (
        ", where: {sigma: 0.1}",
        ", where: {sigma: true}",
        "10: claims[0].where.sigma: true is not a value of sigma; it can be 0.1 or 0.2",
    ),
    (
        ", where: {sigma: 0.1}",
        ", where: {sigma: [0.1]}",
        "10: claims[0].where.sigma: must be one value or {between: [lowest, highest]}, got [0.1]",
    ),
    (
        ", where: {sigma: 0.1}",
        ", where: {sgma: 0.1}",
        "10: claims[0].where.sgma: 'sgma' is not searched; did you mean 'sigma'? it can be sigma",
    ),
    (
        ", where: {sigma: 0.1}",
        ", where: {sigma: 0.1, lr: 1}",
        "10: claims[0].where.lr: 'lr' is not searched; it can be sigma",
    ),
    (
        ", where: {sigma: 0.1}",
        ", where: {sigma: 0.1, noise: all}",
        "10: claims[0].where.noise: tells the arms apart: name them in better and worse, or in equal",
    ),
    (
        ", where: {sigma: 0.1}",
        ", where: {sigma: 0.1}, epoch: 5",
        "10: claims[0].epoch: must be at most the 4 epochs of a trial, got 5",
    ),
    (
        "val_accuracy, better",
        "test_accuracy, better",
        (
            "10: claims[0].metric: 'test_accuracy' is reported only by a confirm stage, or a grid with "
            f"test: true; did you mean 'val_accuracy'? it can be {GRID_METRIC}"
        ),
    ),
    ("val_accuracy, better", "hessian_trace, better", "10: claims[0].metric: needs curvature: end, in fixed"),
    (
        "val_accuracy, better",
        "val_loss_under_0.2, better",
        "10: claims[0].metric: needs weight_noise: [0.2], in fixed",
    ),
    (
        "val_accuracy, better",
        "test_loss_under_0.2, better",
        "10: claims[0].metric: is measured on the validation split in this sweep, as val_loss_under_0.2",
    ),
    (
        "search: {sigma",
        "search: {weight_noise: {grid: [0.1]}, sigma",
        "6: search.weight_noise: cannot be searched: put it in fixed",
    ),
    (
        "{grid: [0.1, 0.2],",
        "{uniform: [0.1, 0.2],",
        "6: search.sigma: must be a list in mode: grid, got uniform",
    ),
    (
        "search: {sigma",
        "search: {lr: {log_uniform: [0.1, 0.2]}, sigma",
        "6: search.lr: must be a list in mode: grid, got log_uniform",
    ),
    (
        "search: {sigma",
        "search: {lr: [0.1, 0.2], sigma",
        "10: claims[0].where: must say which lr, such as {lr: 0.1}",
    ),
    (
        "search: {sigma",
        "search: {noise: [none, all], sigma",
        "6: search.noise: leave it out: compare gives its values",
    ),
    (
        "search: {sigma: {grid: [0.1, 0.2], when: {noise: [all]}}}",
        "search: {}",
        "4: compare: needs sigma, in fixed or in search, for all",
        "10: claims[0].where.sigma: leave it out: the grid has no dimension but the arms",
    ),
    (
        "[none, all]}",
        "[none, all, layer, after_all]}",
        "6: search.sigma.when.noise: leaves out layer, after_all, which would have no noise",
    ),
    ("seeds: 3", "seeds: 1", "8: seeds: must be 2 or more to judge claims, such as 10"),
    (
        "seeds: 3",
        "seeds: 3\nseed: 4294967294",
        "8: seeds: must be at most 2, as the last seed is 4294967295, got 3",
    ),
    (
        "seeds: 3",
        "seeds: 3\nbudget: {trials: 3}",
        "9: budget.trials: leave it out: a grid counts its own trials (points x seeds)",
    ),
    (
        "seeds: 3",
        "seeds: 3\nscheduler: {asha: {grace_epochs: 1}}",
        "9: scheduler: leave it out: trials that are stopped early cannot be compared",
    ),
    (
        "seeds: 3",
        "seeds: 3\nscheduler: median",
        "9: scheduler: leave it out: trials that are stopped early cannot be compared",
    ),
    ("seeds: 3", "seeds: 3\nsampler: random", "9: sampler: leave it out: a grid runs all combinations"),
    (
        "seeds: 3",
        "seeds: 3\nstages: {search: {trials_per_arm: 3}, confirm: {seeds: 3}}",
        "9: stages: leave it out: mode: grid runs every point with every seed",
    ),
    ("seeds: 3", "seeds: 3\nstages: 3", f"9: stages: {MAPPING}, got 3"),
    ("mode: grid\n", "", f"3: compare: {NEEDS_STAGES}"),
]


def in_table(rows: list[tuple[str, ...]]) -> pytest.MarkDecorator:
    ids = [" ".join(new.split()) or "nothing" for _, new, *_ in rows]
    return pytest.mark.parametrize(
        ("old", "new", "lines"), [(*row[:2], list(row[2:])) for row in rows], ids=ids
    )


@in_table(IN_A_COMPARISON)
def test_mistake_in_a_comparison(old, new, lines, tmp_path):
    assert mistakes(tmp_path, changed(old, new, COMPARE)) == lines


@in_table(IN_A_GRID)
def test_mistake_in_a_grid_of_arms(old, new, lines, tmp_path):
    assert mistakes(tmp_path, changed(old, new, CURVES)) == lines


def test_sigmas_of_weight_noise_are_listed_once(tmp_path):
    text = changed("epochs: 4", "epochs: 4, weight_noise: [0.1]", COMPARE)
    text = changed("{seeds: 2}", "{seeds: 2, weight_noise: [0.2]}", text)
    assert mistakes(tmp_path, text) == ["9: stages.confirm.weight_noise: is already in fixed; keep one"]


@pytest.mark.parametrize(
    ("text", "old", "new", "metric"),
    [
        (COMPARE, "{seeds: 2}", "{seeds: 2, weight_noise: [0.1, 1]}", "test_accuracy_under_0.1"),
        (COMPARE, "epochs: 4", "epochs: 4, weight_noise: [0.1, 1]", "test_loss_under_1"),
        (CURVES, "epochs: 4", "epochs: 4, weight_noise: [0.1, 1]", "val_accuracy_under_1"),
        (f"{CURVES}test: true\n", "epochs: 4", "epochs: 4, weight_noise: [1.0e-5]", "test_loss_under_1e-05"),
    ],
)
def test_a_claim_can_be_about_a_score_under_weight_noise(text, old, new, metric, tmp_path):
    plain = "test_accuracy" if text == COMPARE else "val_accuracy"
    with_sigmas = changed(old, new, text)
    content = changed(f"metric: {plain}, better", f"metric: {metric}, better", with_sigmas)
    (tmp_path / "spec.yaml").write_text(content)
    spec = load_spec(tmp_path / "spec.yaml")
    score = "loss" if "loss" in metric else "accuracy"
    assert spec.directions[metric] == spec.directions[f"val_{score}"]
    assert spec.claims[0].metric == metric
    (line,) = mistakes(tmp_path, content.replace("better:", "drops:").replace(", worse: none", ""))[:1]
    assert "claims[0].drops: needs a metric of every epoch" in line

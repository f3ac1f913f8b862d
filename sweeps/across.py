"""One table across studies: dataset and architecture by arm, as a conclusion would have it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sweeps.claims import Arm, arms_of, is_judgeable
from sweeps.figures import points_of, reference_of
from sweeps.mistakes import SweepError
from sweeps.report import Table, interval, render
from sweeps.spec import Spec
from sweeps.state import SweepState
from sweeps.stats import ALPHA, holm, paired_difference, summarise
from sweeps.storage import SweepFolder, sweep_folders
from trainables import registry

BETTER, WORSE = "(+)", "(-)"
_NOTE = (
    "Mean over seeds with its 95% interval, on the test split where a study confirms, else on validation; "
    f"for losses and errors less is better. {BETTER} and {WORSE}: better and worse than the first arm, none "
    "where there is one (Wilcoxon's signed-rank test on shared seeds, corrected by Holm for the arms of the "
    f"row, at {ALPHA:g}). Studies are not corrected for one another."
)


def write_overview(storage: Path) -> Path:
    """Write the table of all studies of a storage.

    Args:
        storage: The storage folder.

    Returns:
        The page, ``overview.html``; ``overview.md`` is beside it.

    Raises:
        SweepError: If no study there has arms with several seeds.
    """
    names = sorted({path.parent.parent.name for path in storage.glob("*/*/resolved.yaml")})
    states = [state for name in names if (state := _state(sweep_folders(storage, name)[-1]))]
    table = overview([state for state in states if is_judgeable(state)])
    if not table.rows:
        raise SweepError(f"{storage}: no study has arms with several seeds yet: run one with stages.confirm")
    page = storage / "overview.html"
    for path in (page, page.with_suffix(".md")):
        render(f"overview{path.suffix}.j2", path, it=table)
    return page


def _state(folder: SweepFolder) -> SweepState | None:
    # A trainable that only a script registers cannot be read here.
    return folder.state() if folder.spec().trainable in registry.names() else None


def overview(states: Sequence[SweepState]) -> Table:
    """Tabulate studies by arm.

    Args:
        states: The studies.

    Returns:
        One row a study, or a point of a grid.
    """
    found: list[tuple[list[str], dict[str, str]]] = []
    for state in states:
        for suffix, where in points_of(state.spec):
            if cells := _cells(state, arms_of(state, where)):
                found.append((_head(state.spec, suffix), cells))
    arms = list(dict.fromkeys(arm for _, cells in found for arm in cells))
    rows = [[*head, *(cells.get(arm, "") for arm in arms)] for head, cells in found]
    columns = ["dataset", "architecture", "study", "score", *arms]
    return Table("All studies", columns, rows, words=4, note=_NOTE)


def _head(spec: Spec, suffix: str) -> list[str]:
    hyperparameters: Any = spec.hyperparameters({})
    architecture = getattr(hyperparameters, "model", None) or getattr(hyperparameters, "cell", "")
    if spec.compared == "model":
        architecture = "compared"
    study = f"{spec.name}, {suffix}" if suffix else spec.name
    return [spec.trainable, str(architecture), study, spec.verdict_metric]


def _cells(state: SweepState, arms: Sequence[Arm]) -> dict[str, str]:
    metric, reference = state.spec.verdict_metric, reference_of(state.spec)
    scores = {arm.name: arm.final(metric) for arm in arms}
    base = scores.get(reference, {})
    differences = {}
    for name, values in scores.items():
        seeds = sorted(values.keys() & base.keys())
        if name != reference and seeds:
            pairs = [values[seed] for seed in seeds], [base[seed] for seed in seeds]
            differences[name] = paired_difference(*pairs)
    adjusted = dict(zip(differences, holm([found.p_value for found in differences.values()]), strict=True))
    larger_is_better = state.spec.directions.get(metric) == "max"
    cells = {}
    for name, values in scores.items():
        mark = ""
        if adjusted.get(name, 1.0) <= ALPHA:
            mark = f" {BETTER if (differences[name].mean > 0) == larger_is_better else WORSE}"
        cells[name] = f"{interval(summarise(list(values.values())))}{mark}"
    return cells

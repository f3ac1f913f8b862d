"""One table across studies: dataset and architecture by arm, as a conclusion would have it."""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import Any

from sweeps.analysis.arms import Arm, arms_of, is_judgeable, on_shared_seeds, points_of, reference_of
from sweeps.analysis.claims import judge_claims
from sweeps.analysis.stats import ALPHA, PairedDifference, holm, paired_difference, summarise
from sweeps.errors import SweepError
from sweeps.record.folder import SweepFolder, study_names, sweep_folders
from sweeps.record.state import SweepState
from sweeps.report.labels import interval, number, seeds_needed
from sweeps.report.render import render
from sweeps.report.tables import Table
from sweeps.spec.model import Spec
from trainables import registry

BETTER, WORSE = "(+)", "(-)"
_NOTE = (
    "Mean over seeds with its 95% interval, on the test split where a study confirms, else on validation; "
    f"for losses and errors less is better. {BETTER} and {WORSE}: better and worse than none (no noise), or "
    "than the first arm where there is no none (Wilcoxon's signed-rank test on shared seeds, corrected by "
    f"Holm for the arms of the row, at {ALPHA:g}; no arm gains by seeds that diverged). No mark means not "
    "known: beside four others an arm can have one with eight seeds or more. Studies are not corrected for "
    "one another. Of a study that was run more than once: its newest sweep with such seeds."
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
    states = [state for name in study_names(storage) if (state := _state(sweep_folders(storage, name)))]
    table, claims = overview(states), verdicts(states)
    if not table.rows:
        raise SweepError(f"{storage}: no study has arms with several seeds yet: run one with stages.confirm")
    page = storage / "overview.html"
    for path in (page, page.with_suffix(".md")):
        render(f"overview{path.suffix}.j2", path, it=table, claims=claims)
    return page


def _state(folders: Sequence[SweepFolder]) -> SweepState | None:
    # The newest with anything to compare: one that has just begun does not hide the one before it.
    for folder in reversed(folders):
        if folder.spec().trainable not in registry.names():
            continue  # one that only a script registers cannot be read here
        state = folder.state()
        if is_judgeable(state):
            return state
    return None


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
                found.append((_head(state, suffix, where), cells))
    arms = list(dict.fromkeys(arm for _, cells in found for arm in cells))
    rows = [[*head, *(cells.get(arm, "") for arm in arms)] for head, cells in found]
    columns = ["dataset", "architecture", "study", "score", *arms]
    return Table("All studies", columns, sorted(rows, key=lambda row: row[0]), words=4, note=_NOTE)


def verdicts(states: Sequence[SweepState]) -> Table:
    """Tabulate the claims of studies.

    Args:
        states: The studies.

    Returns:
        One row a claim.
    """
    rows = [
        [
            state.spec.name,
            each.claim.name,
            each.judgement.verdict,
            str(min(found.n for found in each.evidence.differences)),
            number(each.judgement.p_value),
            seeds_needed(each) or each.remark,
        ]
        for state in states
        for each in judge_claims(state)
    ]
    columns = ["study", "claim", "verdict", "seeds", "p (Holm)", "to decide"]
    return Table("Their claims", columns, rows, words=3)


def _head(state: SweepState, suffix: str, where: Mapping[str, Any]) -> list[str]:
    spec = state.spec
    study = f"{spec.name}, {suffix}" if suffix else spec.name
    if not state.complete:
        study += " (not complete)"
    return [spec.trainable, _architecture(spec, where), study, spec.verdict_metric]


def _architecture(spec: Spec, where: Mapping[str, Any]) -> str:
    chosen = spec.hyperparameters(where)
    name = next((name for name in ("model", "cell") if hasattr(chosen, name)), "")
    if name == spec.compared:
        return "compared"
    if name in spec.search and len(spec.search[name].values) > 1 and name not in where:
        return "searched"
    return str(getattr(chosen, name, ""))


def _cells(state: SweepState, arms: Sequence[Arm]) -> dict[str, str]:
    metric, reference = state.spec.verdict_metric, reference_of(state.spec)
    scores = {arm.name: arm.final(metric) for arm in arms}
    base = scores.get(reference, {})
    differences = {}
    for name, values in scores.items():
        if name != reference and values.keys() & base.keys():
            differences[name] = paired_difference(*on_shared_seeds(values, base))
    adjusted = dict(zip(differences, holm([found.p_value for found in differences.values()]), strict=True))
    unsound = {arm.name for arm in arms if arm.is_unsound(metric)}
    cells = {}
    for arm in arms:
        text = interval(summarise(list(scores[arm.name].values())))
        if arm.diverged:
            text += f", {arm.diverged} diverged"
        if adjusted.get(arm.name, 1.0) <= ALPHA:
            text += _mark(differences[arm.name], state.spec.objective.mode, arm.name, reference, unsound)
        cells[arm.name] = text
    return cells


def _mark(found: PairedDifference, mode: str, arm: str, reference: str, unsound: AbstractSet[str]) -> str:
    # By the test, not the mean, which one seed can turn; seeds that diverged do not help by being absent.
    better = (found.p_greater < found.p_less) == (mode == "max")
    if (arm if better else reference) in unsound:
        return ""
    return f" {BETTER if better else WORSE}"

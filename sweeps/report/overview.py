"""One table of all studies: datasets and architectures by arm."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeps.analysis.arms import Arm, arms_of, is_judgeable, points_of, reference_of
from sweeps.analysis.claims import judge_claims
from sweeps.analysis.stats import ALPHA, holm, summarise
from sweeps.errors import SweepError
from sweeps.record.folder import SweepFolder, study_names, sweep_folders
from sweeps.record.state import SweepState
from sweeps.report.labels import interval, number, seeds_to_decide
from sweeps.report.render import write_pages
from sweeps.report.tables import Table, differences_from_reference
from sweeps.spec.model import Spec
from trainables import registry

_BETTER, _WORSE = "(+)", "(-)"


def write_overview(storage: Path) -> Path:
    """Write the table of all studies of a storage: ``overview.html``, which is returned, and ``overview.md``.

    Raises:
        SweepError: If no study there has arms with several seeds.
    """
    states = [state for name in study_names(storage) if (state := _latest(sweep_folders(storage, name)))]
    table, claims = overview_table(states), verdicts_table(states)
    if not table.rows:
        raise SweepError(f"{storage}: no study has arms with several seeds yet; run one with stages.confirm")
    page = storage / "overview.html"
    write_pages(page, studies=table, claims=claims, better=_BETTER, worse=_WORSE, alpha=ALPHA)
    return page


def _latest(folders: Sequence[SweepFolder]) -> SweepState | None:
    """Return the latest sweep that can be judged: one that has just begun does not hide its predecessor."""
    for folder in reversed(folders):
        # A trainable that only a script registers is not known here.
        if folder.spec().trainable in registry.names() and is_judgeable(state := folder.state()):
            return state
    return None


def overview_table(states: Sequence[SweepState]) -> Table:
    """Return one row for each study, or for each point of a grid."""
    heads_and_cells: list[tuple[list[str], dict[str, str]]] = []
    for state in states:
        for suffix, where in points_of(state.spec):
            if cells := _cells(state.spec, arms_of(state, where)):
                heads_and_cells.append((_head(state, suffix, where), cells))
    arms = list(dict.fromkeys(arm for _, cells in heads_and_cells for arm in cells))
    rows = [[*head, *(cells.get(arm, "") for arm in arms)] for head, cells in heads_and_cells]
    columns = ["dataset", "architecture", "study", "score", *arms]
    return Table("All studies", columns, sorted(rows, key=lambda row: row[0]), words=4)


def verdicts_table(states: Sequence[SweepState]) -> Table:
    """Return one row for each claim."""
    rows = []
    for state in states:
        for judged in judge_claims(state):
            verdict, p_value = judged.judgement.verdict, number(judged.judgement.p_value)
            seeds = min(difference.n for difference in judged.evidence.differences)
            needed = seeds_to_decide(judged) or judged.remark
            rows.append([state.spec.name, judged.claim.name, verdict, str(seeds), p_value, needed])
    columns = ["study", "claim", "verdict", "seeds", "p (Holm)", "to decide"]
    return Table("Their claims", columns, rows, words=3)


def _head(state: SweepState, suffix: str, where: Mapping[str, Any]) -> list[str]:
    spec = state.spec
    study = f"{spec.name}, {suffix}" if suffix else spec.name
    if not state.complete:
        study += " (not complete)"
    return [spec.trainable, _architecture(spec, where), study, spec.verdict_metric]


def _architecture(spec: Spec, where: Mapping[str, Any]) -> str:
    hyperparameters = spec.hyperparameters(where)
    name = next((name for name in ("model", "cell") if hasattr(hyperparameters, name)), "")
    if name == spec.compared:
        return "compared"
    if name in spec.search and len(spec.search[name].values) > 1 and name not in where:
        return "searched"
    return str(getattr(hyperparameters, name, ""))


def _cells(spec: Spec, arms: Sequence[Arm]) -> dict[str, str]:
    marks = _marks(spec, arms)
    cells = {}
    for arm in arms:
        text = interval(summarise(list(arm.final(spec.verdict_metric).values())))
        if arm.diverged:
            text += f", {arm.diverged} diverged"
        cells[arm.name] = text + marks.get(arm.name, "")
    return cells


def _marks(spec: Spec, arms: Sequence[Arm]) -> dict[str, str]:
    """Return the marks of the arms that differ significantly from the reference."""
    differences = {name: pair for name, pair in differences_from_reference(spec, arms).items() if pair.n}
    p_values = holm([difference.p_value for difference in differences.values()])
    unsound = {arm.name for arm in arms if arm.is_unsound(spec.verdict_metric)}
    marks = {}
    for (name, difference), p_value in zip(differences.items(), p_values, strict=True):
        # A single seed can turn the mean, but not the test.
        better = (difference.p_greater < difference.p_less) == (spec.objective.mode == "max")
        # Diverged seeds are missing from the test, which must not help their arm.
        if p_value <= ALPHA and (name if better else reference_of(spec)) not in unsound:
            marks[name] = f" {_BETTER if better else _WORSE}"
    return marks

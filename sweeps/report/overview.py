"""One table of all studies: datasets and architectures by arm."""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from sweeps.analysis.arms import arms_of, is_judgeable, points_of
from sweeps.analysis.claims import judge_studies
from sweeps.analysis.levels import summary_of
from sweeps.analysis.significance import told_apart
from sweeps.errors import SweepError
from sweeps.record.folder import SweepFolder, study_names, sweep_folders
from sweeps.record.state import SweepState
from sweeps.report.cells import Cell, Table, mean_cell, number_cell
from sweeps.report.labels import name_of, what_is_left
from sweeps.report.paper import write_paper
from sweeps.report.render import write_pages
from sweeps.spec.looks import ALPHA
from sweeps.spec.model import REGISTER, Spec

_BETTER, _WORSE = "(+)", "(-)"


def write_overview(storage: Path, formats: Collection[str] = ()) -> Path:
    """Write the table of all studies of a storage: ``overview.html``, which is returned, and ``overview.md``.

    Args:
        storage: The folder of all sweeps.
        formats: Formats of tables in ``write_paper``, in which to write it too, beside the page.

    Raises:
        SweepError: If no study there has arms with several seeds.
    """
    folders = {name: sweep_folders(storage, name) for name in study_names(storage)}
    states = [state for of_study in folders.values() if (state := _latest(of_study))]
    left_out = _left_out(folders)
    table, claims = overview_table(states), verdicts_table(states)
    if not table.rows:
        reasons = "".join(f"; {note}" for note in left_out)
        rule = "no study has arms with several seeds yet; run one with stages.confirm"
        raise SweepError(f"{storage}: {rule}{reasons}")
    page, marks = storage / "overview.html", {"better": _BETTER, "worse": _WORSE, "alpha": ALPHA}
    write_pages(page, studies=table, claims=claims, left_out=left_out, **marks)
    write_paper(storage, formats, [table, *([claims] if claims.rows else [])])
    return page


def _latest(folders: Sequence[SweepFolder]) -> SweepState | None:
    """Return the latest sweep that can be judged: one that has just begun does not hide its predecessor."""
    for folder in reversed(folders):
        if not folder.spec().missing and is_judgeable(state := folder.state()):
            return state
    return None


def _left_out(folders: Mapping[str, Sequence[SweepFolder]]) -> list[str]:
    """Say which studies are left out as something that all their sweeps use is not known here, by reason."""
    names: dict[str, list[str]] = {}
    for name, of_study in folders.items():
        missing = [folder.spec().missing for folder in of_study]
        if missing and all(missing):
            names.setdefault(missing[-1], []).append(name)
    notes = [f"{_joined(left)} left out, as {missing}" for missing, left in names.items()]
    return [*notes, REGISTER] if notes else []


def _joined(names: Sequence[str]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last} are" if others else f"{last} is"


def overview_table(states: Sequence[SweepState]) -> Table:
    """Return one row for each study, for each point of a grid, or for each value of ``across``."""
    heads_and_cells: list[tuple[list[str], dict[str, Cell]]] = []
    for state in states:
        for suffix, where in points_of(state.spec):
            if cells := _cells(state, where):
                heads_and_cells.append((_head(state, suffix, where), cells))
    arms = list(dict.fromkeys(arm for _, cells in heads_and_cells for arm in cells))
    rows = [[*head, *(cells.get(arm, "") for arm in arms)] for head, cells in heads_and_cells]
    columns = ["dataset", "architecture", "study", "score", *arms]
    return Table("overview-studies", "All studies", columns, sorted(rows, key=lambda row: row[0]), words=4)


def verdicts_table(states: Sequence[SweepState]) -> Table:
    """Return one row for each claim; p-values are corrected for the claims of all studies together."""
    rows = []
    for state, claims in zip(states, judge_studies(states), strict=True):
        for judged in claims:
            verdict, p_value = judged.judgement.verdict, number_cell("p", judged.judgement.p_value)
            seeds = str(min(difference.n for difference in judged.differences))
            left = what_is_left(judged) or judged.remark
            rows.append([state.spec.name, name_of(judged), verdict, seeds, p_value, left])
    columns = ["study", "claim", "verdict", "seeds", "p (Holm)", "still to decide"]
    return Table("overview-claims", "Their claims", columns, rows, words=3)


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


def _cells(state: SweepState, where: Mapping[str, Any]) -> dict[str, Cell]:
    spec, metric, (apart,) = state.spec, state.spec.verdict_metric, told_apart(state, [where])
    cells = {}
    for arm in arms_of(state, where):
        mean = mean_cell(arm.name, summary_of(spec, metric, arm.final(metric).values()))
        lost = f", {arm.diverged} diverged" if arm.diverged else ""
        mark = (_BETTER if apart[arm.name] else _WORSE) if arm.name in apart else ""
        about = {f"{arm.name}_diverged": arm.diverged, f"{arm.name}_mark": mark}
        cells[arm.name] = Cell(f"{mean}{lost} {mark}".rstrip(), {**mean.values, **about})
    return cells

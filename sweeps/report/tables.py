"""The tables of claims, looks and the search."""

from collections.abc import Sequence

from sweeps.analysis.arms import in_stratum
from sweeps.analysis.claims import JudgedClaim
from sweeps.analysis.stats import detectable
from sweeps.analysis.verdicts import Verdict
from sweeps.record.state import SweepState
from sweeps.record.trials import SEARCH, TrialRecord
from sweeps.report.arm_tables import configuration_cell
from sweeps.report.cells import Cell, Table, mean_cell, number_cell, typical_cell
from sweeps.report.labels import (
    between,
    name_of,
    position,
    stopped_by,
    what_is_left,
    when_decided,
)
from sweeps.spec.looks import ALPHA


def claims_table(judged: Sequence[JudgedClaim]) -> Table:
    """Return one row for each pair of arms that a claim compares."""
    columns = ["claim", "verdict", "arms", "mean advantage of the first [interval]"]
    columns += ["typical advantage [interval], against 0 and by", "effect size", "seeds"]
    columns += [f"p of the claim, against {ALPHA}", "trainings"]
    rows = [row for claim in judged for row in _claim_rows(claim)]
    return Table("claims", "Claims", columns, rows, words=3)


def _claim_rows(judged: JudgedClaim) -> list[list[str]]:
    rows = []
    for index, (text, difference) in enumerate(zip(judged.comparisons, judged.differences, strict=True)):
        usual = typical_cell("typical", difference, position(judged, index))
        numbers = [number_cell("effect_size", difference.effect_size), str(difference.n)]
        cells = [text, _advantage_cell(judged, index), usual, *numbers]
        # The texts about the whole claim stand in its first row only.
        about = _cells_of_claim(judged)
        about = about if index == 0 else [Cell("", cell.values) for cell in about]
        rows.append([*about[:2], *cells, *about[2:]])
    return rows


def _advantage_cell(judged: JudgedClaim, index: int) -> Cell:
    """Return the mean advantage, and below it the interval for other test examples too, if it is known."""
    cell, ends = mean_cell("advantage", judged.differences[index]), judged.beyond[index]
    if ends is None:
        return cell
    beyond = {"beyond_low": ends[0], "beyond_high": ends[1]}
    return Cell(f"{cell}\nbeyond this test set {between(*ends)}", {**cell.values, **beyond})


def _cells_of_claim(judged: JudgedClaim) -> list[Cell]:
    """Return the cells about a whole claim: its text, its verdict, its p-value and its trainings."""
    verdict, about = str(judged.judgement.verdict), {"claim": name_of(judged), "unit": judged.unit}
    trainings = f"{judged.spent}\n{judged.spared} spared" if judged.spared else str(judged.spent)
    return [
        Cell(_claim_text(judged), about),
        Cell(f"{verdict}\n{when_decided(judged)}", {"verdict": verdict}),
        number_cell("p", judged.judgement.p_value),
        Cell(trainings, {"trainings": judged.spent, "spared": judged.spared}),
    ]


def _claim_text(judged: JudgedClaim) -> str:
    """Return the name of a claim, and below it its unit, what was published, and what is left to decide."""
    published = " ".join(judged.claim.published.split())
    by = f"; less than {judged.claim.by:.3g} does not matter" if judged.claim.by else ""
    lines = [
        name_of(judged),
        f"{judged.unit}{by}",
        f"Published: {published}" if published else "",
        what_is_left(judged),
    ]
    return "\n".join(filter(None, lines))


def looks_table(state: SweepState, judged: Sequence[JudgedClaim]) -> Table:
    """Return one row for each declared look: its level, what it can detect, and what it took and decided."""
    rows, taken = [], len(state.taken)
    declared = [claim for claim in judged if not claim.post_hoc]
    for index, look in enumerate(state.looks):
        decided = [
            claim
            for claim in declared
            if claim.judgement.look == index and claim.judgement.verdict is not Verdict.UNDECIDED
        ]
        trials = len(state.rounds[index]) if index < len(state.rounds) else 0
        cells = [str(trials), str(len(decided))] if index < taken else ["", ""]
        detects = number_cell("detects", detectable(look.n_tested, look.error / max(1, len(declared))))
        level = Cell(f"{100 * (1 - look.error):.4g}%", {"level": 1 - look.error})
        rows.append([str(index + 1), str(look.seeds), level, detects, *cells])
    columns = ["look", "seeds", "level of intervals", "detects a difference of, in standard deviations"]
    return Table("looks", "The looks", [*columns, "trainings", "claims decided"], rows, words=0)


def search_table(state: SweepState) -> Table | None:
    """Return one row for each arm that the search has tried, in each stratum; None without a search."""
    spec = state.spec
    if spec.is_grid or not state.of_stage(SEARCH):
        return None
    rows = []
    for stratum in spec.strata:
        for arm in state.arms():
            trials = in_stratum(state.of_stage(SEARCH, arm), stratum)
            rows.append([*map(str, stratum.values()), arm, *_search_cells(state, trials)])
    ends, best_score = ["finished", stopped_by(spec), "diverged", "failed"], f"best {spec.objective.metric}"
    names = [*spec.strata[0], spec.compared, "best configuration"]
    columns = [*names, "trials", "epochs in total", *ends, best_score]
    return Table("search", "The search", columns, rows, words=len(names))


def _search_cells(state: SweepState, trials: Sequence[TrialRecord]) -> list[str]:
    statuses = [trial.status for trial in trials]
    counts = [str(statuses.count(status)) for status in ("finished", "stopped", "diverged", "failed")]
    epochs = str(sum(len(trial.epochs) for trial in trials))
    best = next(iter(state.ranked(trials)), None)
    score = number_cell("best", state.score(best)) if best else ""
    configuration = configuration_cell(state.spec, best.hyperparameters) if best else ""
    return [configuration, str(len(trials)), epochs, *counts, score]

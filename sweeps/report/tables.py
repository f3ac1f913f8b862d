"""The tables of a report, as text."""

from collections.abc import Sequence
from dataclasses import dataclass

from sweeps.analysis.arms import in_stratum
from sweeps.analysis.claims import JudgedClaim
from sweeps.analysis.descriptions import shown_values
from sweeps.analysis.stats import detectable
from sweeps.analysis.verdicts import Verdict
from sweeps.record.state import SweepState
from sweeps.record.trials import SEARCH, TrialRecord
from sweeps.report.labels import (
    between,
    interval,
    name_of,
    number,
    position,
    stopped_by,
    typical,
    what_is_left,
    when_decided,
)
from sweeps.spec.looks import ALPHA


@dataclass(frozen=True)
class Table:
    """A table of text. The first ``words`` columns hold words, the others numbers.

    Lines of a cell after its first are shown smaller.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: int = 1


def claims_table(judged: Sequence[JudgedClaim]) -> Table:
    """Return one row for each pair of arms that a claim compares."""
    columns = ["claim", "verdict", "arms", "mean advantage of the first [interval]"]
    columns += ["typical advantage [interval], against 0 and by", "effect size", "seeds"]
    columns += [f"p of the claim, against {ALPHA}", "trainings"]
    return Table("Claims", columns, [row for claim in judged for row in _claim_rows(claim)], words=3)


def _claim_rows(judged: JudgedClaim) -> list[list[str]]:
    rows = []
    for index, (text, difference) in enumerate(zip(judged.comparisons, judged.differences, strict=True)):
        advantage, usual = interval(difference), f"{typical(difference)}\n{position(judged, index)}"
        if (ends := judged.beyond[index]) is not None:
            advantage += f"\nbeyond this test set {between(*ends)}"
        numbers = [number(difference.effect_size), str(difference.n)]
        rows.append(["", "", text, advantage, usual, *numbers, "", ""])
    # Cells about the whole claim are filled in its first row only.
    rows[0][:2] = _claim_cell(judged), f"{judged.judgement.verdict}\n{when_decided(judged)}"
    trainings = f"{judged.spent}\n{judged.spared} spared" if judged.spared else str(judged.spent)
    rows[0][-2:] = number(judged.judgement.p_value), trainings
    return rows


def _claim_cell(judged: JudgedClaim) -> str:
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
        detects = number(detectable(look.n_tested, look.error / max(1, len(declared))))
        rows.append([str(index + 1), str(look.seeds), f"{100 * (1 - look.error):.4g}%", detects, *cells])
    columns = ["look", "seeds", "level of intervals", "detects a difference of, in standard deviations"]
    return Table("The looks", [*columns, "trainings", "claims decided"], rows, words=0)


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
    return Table(
        "The search", [*names, "trials", "epochs in total", *ends, best_score], rows, words=len(names)
    )


def _search_cells(state: SweepState, trials: Sequence[TrialRecord]) -> list[str]:
    statuses = [trial.status for trial in trials]
    counts = [str(statuses.count(status)) for status in ("finished", "stopped", "diverged", "failed")]
    epochs = str(sum(len(trial.epochs) for trial in trials))
    best = next(iter(state.ranked(trials)), None)
    score = number(state.score(best)) if best else ""
    configuration = shown_values(state.spec, best.hyperparameters) if best else ""
    return [configuration, str(len(trials)), epochs, *counts, score]

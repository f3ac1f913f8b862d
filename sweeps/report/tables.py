"""The tables of a report, as text."""

from collections.abc import Sequence
from dataclasses import dataclass

from sweeps.analysis.arms import in_stratum
from sweeps.analysis.claims import JudgedClaim
from sweeps.analysis.descriptions import shown_values
from sweeps.record.state import SEARCH, SweepState, TrialRecord
from sweeps.report.labels import interval, number, seeds_to_decide, stopped_by, typical
from sweeps.spec.claim import Claim


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
    differences = ["mean advantage of the first [95% interval]", "typical advantage [95% interval]"]
    differences += ["effect size", "seeds", "p of the pair"]
    columns = ["claim", "verdict", "arms", *differences, "p of the claim (Holm)", "to decide"]
    return Table("Claims", columns, [row for claim in judged for row in _claim_rows(claim)], words=5)


def _claim_rows(judged: JudgedClaim) -> list[list[str]]:
    claim, judgement = judged.claim, judged.judgement
    rows, evidence = [], judged.evidence
    for index, (text, difference) in enumerate(zip(judged.comparisons, evidence.differences, strict=True)):
        # A claim of equivalence has two tests a pair.
        p_value = "" if claim.equal else number(evidence.p_pairs[index])
        advantage, effect = interval(difference, judged.unit), number(difference.effect_size)
        usual = typical(difference, judged.unit)
        rows.append(["", "", text, advantage, usual, effect, str(difference.n), p_value, "", ""])
    # Cells about the whole claim are filled in its first row only.
    rows[0][:2] = _claim_cell(claim), judgement.verdict
    rows[0][-2:] = number(judgement.p_value), seeds_to_decide(judged)
    return rows


def _claim_cell(claim: Claim) -> str:
    """Return the name of a claim, and below it the sentence that was published."""
    name, published = (" ".join(text.split()) for text in (claim.name, claim.published))
    return f"{name}\nPublished: {published}" if published else name


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

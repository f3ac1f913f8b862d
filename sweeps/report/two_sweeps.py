"""The tables that compare two sweeps."""

import math
from collections.abc import Sequence

from sweeps.analysis.claims import JudgedClaim
from sweeps.analysis.levels import interval_name
from sweeps.analysis.stats import Summary
from sweeps.analysis.two_sweeps import Pair, compare_sweeps, shared_metric, shared_reference
from sweeps.errors import shown
from sweeps.record.state import SweepState
from sweeps.report.cells import Table
from sweeps.report.labels import interval, name_of, number
from sweeps.report.summary import judged_claims
from sweeps.spec.changes import changes
from sweeps.spec.model import Spec

# Keys in which any two studies differ.
_NAMES = ("name", "question", "data_dir")


def comparison_tables(first: SweepState, second: SweepState) -> list[Table]:
    """Return what differs between the YAMLs of two sweeps, A and B, their arms, and their claims.

    Raises:
        SweepError: As ``compare_sweeps``.
    """
    arms = _arms_table(first, second, compare_sweeps(first, second))
    tables = [_keys_table(first, second), arms, _claims_table(judged_claims(first), judged_claims(second))]
    return [table for table in tables if table.rows]


def _keys_table(first: SweepState, second: SweepState) -> Table:
    found = changes(*map(_with_defaults, (first.spec, second.spec)))
    rows = [[each.key, *map(_written, each[1:])] for each in found if each.key not in _NAMES]
    return Table("keys", "What differs in their YAML", ["key", "A", "B"], rows, words=3)


def _with_defaults(spec: Spec) -> Spec:
    """Fix what the spec leaves to defaults, which another one may write out."""
    defaults = {
        # A YAML has lists.
        name: list(field.default) if isinstance(field.default, tuple) else field.default
        for name, field in spec.declaration.Hyperparameters.model_fields.items()
        if name not in spec.varied and field.default is not None
    }
    return spec.model_copy(update={"fixed": {**defaults, **spec.fixed}})


def _written(value: object) -> str:
    return "" if value is None else shown(value)


def _arms_table(first: SweepState, second: SweepState, pairs: Sequence[Pair]) -> Table:
    metric, reference = shared_metric(first.spec, second.spec), shared_reference(first.spec, second.spec)
    rows = [
        [
            pair.name,
            pair.point,
            f"{pair.first.mean.n}, {pair.second.mean.n}",
            *(interval(side.mean) for side in (pair.first, pair.second)),
            *(interval(side.difference) if side.difference else "" for side in (pair.first, pair.second)),
            _change(pair),
        ]
        for pair in pairs
    ]
    columns = [first.spec.compared, "at", "seeds", "A: mean", "B: mean", "A: difference", "B: difference"]
    level = interval_name(first.spec) if len(second.spec.n_seeds) == 1 else "interval"
    title = f"{metric}: means and paired differences from {reference}, each with its {level}"
    return Table("arms", title, [*columns, "B minus A"], rows, words=2)


def _change(pair: Pair) -> str:
    """Write the difference of the differences with its interval."""
    if pair.change is None or math.isnan(pair.change[0]):
        return ""
    mean, low, high = pair.change
    n = min(pair.first.mean.n, pair.second.mean.n)
    return interval(Summary(n, mean, math.nan, low, high))


def _claims_table(first: Sequence[JudgedClaim], second: Sequence[JudgedClaim]) -> Table:
    """Return one row for each claim that both make, by its name."""
    others = {claim.claim.name: claim for claim in second}
    rows = [
        [name_of(claim), *_verdict(claim), *_verdict(others[claim.claim.name])]
        for claim in first
        if claim.claim.name in others
    ]
    columns = ["claim", "A: verdict", "A: p", "B: verdict", "B: p"]
    return Table("claims", "Claims of the same name", columns, rows, words=1)


def _verdict(claim: JudgedClaim) -> tuple[str, str]:
    return str(claim.judgement.verdict), number(claim.judgement.p_value)

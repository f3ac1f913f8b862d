"""Writes the figures and tables of a report for a paper, as PDF, SVG, CSV and LaTeX."""

from collections.abc import Collection, Sequence
from pathlib import Path

from sweeps.record.rows import write_csv
from sweeps.report.cells import Table
from sweeps.report.charts import Chart, Panels
from sweeps.report.latex import to_latex
from sweeps.report.png import save_for_paper
from sweeps.report.stated_levels import with_levels

FIGURES, TABLES = ("pdf", "svg"), ("csv", "latex")


def write_paper(
    folder: Path,
    formats: Collection[str],
    tables: Sequence[Table],
    charts: Sequence[Chart | Panels] = (),
) -> None:
    """Write each chart and each table in the formats that are for it, into a folder."""
    if formats:
        folder.mkdir(exist_ok=True)
    for kind in formats:
        for chart in charts if kind in FIGURES else ():
            save_for_paper(chart, folder / f"{chart.slug}.{kind}")
        for table in tables if kind in TABLES else ():
            _write_table(folder / table.slug, table, kind)


def _write_table(path: Path, table: Table, kind: str) -> None:
    if kind == "csv":
        write_csv(path.with_name(f"{path.name}.csv"), table.records, table.fields)
    else:
        path.with_name(f"{path.name}.tex").write_text(to_latex(with_levels(table)), encoding="utf-8")

"""Figures and tables for a paper."""

import csv
import re

import plotly.graph_objects as go
import pytest

from sweeps import load
from sweeps.analysis.arms import arms_of
from sweeps.analysis.effects import difference_from
from sweeps.analysis.levels import summary_of
from sweeps.record.folder import SweepFolder
from sweeps.report.cells import Cell, Table
from sweeps.report.figures import all_figures
from sweeps.report.latex import to_latex
from sweeps.report.overview import write_overview
from sweeps.report.page import write_report
from sweeps.report.png import save_for_paper
from sweeps.report.stated_levels import with_levels
from tests.made_sweeps import TRUTH, MadeSweep, comparison, made_comparison, search, take_looks

CLAIM = {"name": "layer wins", "metric": "test_accuracy", "better": "layer", "worse": "none"}


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def sweep():
    return made_comparison(CLAIM, diverged={"all": [2]})


@pytest.fixture(scope="module")
def paper(sweep, tmp_path_factory):
    folder = sweep.write(tmp_path_factory.mktemp("paper"))
    write_report(folder, ["pdf", "csv", "latex"])
    return folder.paper


def test_every_figure_and_table_has_its_files(paper):
    figures = {path.stem for path in paper.parent.glob("*.png")}
    assert {path.stem for path in paper.glob("*.pdf")} == figures
    for suffix in (".csv", ".tex"):
        tables = {path.stem for path in paper.glob(f"*{suffix}")}
        assert tables == {"arms", "flatness", "claims", "looks", "search"}


def test_the_csv_of_the_arms_has_their_numbers_in_columns(paper, sweep):
    state = sweep.state
    arms = {arm.name: arm for arm in arms_of(state)}
    rows = {row["noise"]: row for row in rows_of(paper / "arms.csv")}
    assert rows.keys() == arms.keys()
    for name, row in rows.items():
        summary = summary_of(state.spec, "test_accuracy", arms[name].final("test_accuracy").values())
        assert [float(row[key]) for key in ("mean", "mean_low", "mean_high", "std")] == [
            *(summary.mean, summary.low, summary.high, summary.std)
        ]
        if name == "none":
            assert row["difference"] == row["typical_high"] == ""
            continue
        pair = difference_from(state.spec, arms[name], arms["none"], "test_accuracy", finished=True)
        assert [float(row[key]) for key in ("difference", "difference_low", "difference_high")] == [
            *(pair.mean, pair.low, pair.high)
        ]
        assert float(row["sigma"]) == arms[name].point["sigma"]
    assert (rows["all"]["diverged"], rows["all"]["seeds"]) == ("1", "9")


def test_the_csv_of_the_claims_has_their_verdicts(paper):
    (row,) = rows_of(paper / "claims.csv")
    assert (row["claim"], row["verdict"], row["seeds"]) == ("layer wins", "supported", "10")
    assert float(row["advantage_low"]) < float(row["advantage"]) < float(row["advantage_high"])
    assert float(row["p"]) <= 0.05


def test_figures_embed_truetype_fonts(paper):
    for path in paper.glob("*.pdf"):
        assert b"/FontFile2" in path.read_bytes()
        assert b"/Type3" not in path.read_bytes()


def test_equal_charts_give_equal_files(sweep, tmp_path):
    chart = all_figures(sweep.state)[0]
    for suffix in ("pdf", "svg"):
        files = [tmp_path / f"{name}.{suffix}" for name in ("one", "other")]
        for file in files:
            save_for_paper(chart, file)
        assert files[0].read_bytes() == files[1].read_bytes()
    # Matplotlib writes each text of an SVG as a comment before its outlines.
    svg = files[0].read_text()
    assert "<!-- test accuracy (fraction correct) -->" in svg
    assert chart.title == "Score of each arm"
    assert chart.title not in svg


def test_figures_of_a_result_are_those_of_the_report_in_its_order(paper):
    folder = SweepFolder(paper.parents[1])
    figures = load("made-comparison", storage=folder.storage).figures
    lines = folder.report.joinpath("report.md").read_text().splitlines()
    pictures = [line.rpartition("(")[2].removesuffix(".png)") for line in lines if line.startswith("![")]
    assert list(figures) == pictures
    assert all(isinstance(figure, go.Figure) for figure in figures.values())


def test_latex_has_the_rules_of_booktabs_and_numbers_in_mathematics(paper):
    text = (paper / "arms.tex").read_text()
    assert [rule for rule in re.findall(r"\\(\w+rule)", text)] == ["toprule", "midrule", "bottomrule"]
    number = r"\$0\.\d+\\;\[0\.\d+, 0\.\d+\]\$"
    assert re.search(rf"^layer & sigma=\S+ lr=\S+ & \$10\$ & .*{number}", text, re.MULTILINE)
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}")


def test_latex_escapes_what_it_would_interpret():
    rows = [
        ["[a_1] 50% & more\n[below]", "1.2e-05 [unbounded, 3]"],
        ["*", "-0.5\nof $2"],
        ["", "0.5 [unbounded]"],
    ]
    body = to_latex(Table("t", "T", ["a#b", "mean [95% interval]"], rows)).splitlines()
    assert body[3] == r"a\#b & \begin{tabular}[b]{@{}r@{}}mean [95\% \\ interval]\end{tabular} \\"
    assert body[5] == (
        r"\begin{tabular}[t]{@{}l@{}}{}[a\_1] 50\% \& more \\ {\footnotesize [below]}\end{tabular}"
        r" & $1.2 \times 10^{-5}\;[-\infty, 3]$ \\"
    )
    assert body[6] == (r"{}* & \begin{tabular}[t]{@{}r@{}}$-0.5$ \\ {\footnotesize of \$2}\end{tabular} \\")
    assert body[7] == r" & $0.5\;[-\infty, \infty]$ \\"


CHARACTERS = "λ≥0.1, °C ± ½ – “é” ŁÅ 𝜎₂ ✓ ą _"  # noqa: RUF001
AS_LATEX = r"$\lambda$$\geq$0.1, °C ± ½ – “é” ŁÅ $\sigma$2 U+2713 U+0105 \_"  # noqa: RUF001


def test_latex_has_what_pdflatex_does_not_know_as_mathematics_or_code():
    body = to_latex(Table("t", "T", ["ε"], [[CHARACTERS]])).replace(r" \\ ", " ")
    assert r"$\varepsilon$ \\" in body
    assert AS_LATEX in body


def test_the_level_of_intervals_is_stated_where_there_are_looks(tmp_path):
    stages = {"search": {"trials_per_arm": 2}, "confirm": {"looks": [9, 13]}}
    sweep = MadeSweep(comparison(CLAIM, stages=stages))
    search(sweep, TRUTH)
    sweep.select()
    take_looks(sweep, TRUTH, looks=1)
    folder = sweep.write(tmp_path)
    write_report(folder, ["csv", "latex"])
    level = 1 - sweep.state.looks[0].error
    for row in rows_of(folder.paper / "arms.csv"):
        assert float(row["mean_level"]) == pytest.approx(level)
        assert row["noise"] == "none" or float(row["typical_level"]) == pytest.approx(level)
    (claim,) = rows_of(folder.paper / "claims.csv")
    assert float(claim["advantage_level"]) == pytest.approx(level)
    for name in ("arms", "claims"):
        head = (folder.paper / f"{name}.tex").read_text().split(r"\midrule")[0].replace(r" \\ ", " ")
        assert head.count(rf"[{100 * level:.4g}\% interval]") >= 2, head


def test_levels_that_differ_stand_in_the_cells():
    cells = [Cell(f"{n} [0, 9]", {"mean": n, "mean_level": level}) for n, level in ((1, 0.95), (2, 0.98))]
    differ = with_levels(Table("t", "T", ["arm", "m [interval]"], [["a", cells[0]], ["b", cells[1]]]))
    assert differ.columns == ["arm", "m [interval]"]
    assert differ.rows == [["a", "1 [0, 9]\n95% interval"], ["b", "2 [0, 9]\n98% interval"]]
    same = with_levels(Table("t", "T", ["arm", "m"], [["a", cells[0]], ["b", cells[0]]]))
    assert same.columns == ["arm", "m [95% interval]"]


def test_the_columns_of_a_csv_are_in_the_order_of_the_cells():
    first, second = Cell("", {}), Cell("1 [0, 2]", {"mean": 1.0, "mean_low": 0.0})
    table = Table("t", "T", ["arm", "m", "n"], [["a", first, "3"], ["b", second, ""]])
    assert table.fields == ["arm", "mean", "mean_low", "n"]
    assert table.records == [{"arm": "a", "n": "3"}, {"arm": "b", "mean": 1.0, "mean_low": 0.0}]


def test_the_overview_is_written_as_tables_too(sweep, tmp_path):
    sweep.write(tmp_path)
    write_overview(tmp_path, ["csv", "latex"])
    (row,) = rows_of(tmp_path / "overview-studies.csv")
    assert float(row["layer_low"]) < float(row["layer"]) < float(row["layer_high"])
    assert (row["all_diverged"], row["layer_mark"]) == ("1", "(+)")
    assert (tmp_path / "overview-claims.tex").exists()

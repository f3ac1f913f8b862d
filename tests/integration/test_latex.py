"""pdfLaTeX sets the tables of a report, whatever characters are in them."""

import shutil
import subprocess
import unicodedata

import pytest

from sweeps.report import latex_characters
from sweeps.report.cells import Table
from sweeps.report.latex import to_latex

PDFLATEX = shutil.which("pdflatex")
SMALL = "ALPHA BETA GAMMA DELTA EPSILON ZETA ETA THETA IOTA KAPPA LAMDA MU NU XI PI RHO SIGMA TAU UPSILON PHI"
GREEK = [(size, name) for name in [*SMALL.split(), "CHI", "PSI", "OMEGA"] for size in ("SMALL", "CAPITAL")]


@pytest.mark.skipif(PDFLATEX is None, reason="needs pdflatex")
def test_pdflatex_sets_every_character(tmp_path):
    names = {*latex_characters._SIGNS, *(f"GREEK {size} LETTER {name}" for size, name in GREEK)}
    characters = {*map(unicodedata.lookup, names), *latex_characters._KNOWN, "\u4e2d", "\u0391", "\u03bf"}
    table = to_latex(Table("t", "T", ["a"], [[each] for each in sorted(characters)]))
    head = r"\documentclass{article}\usepackage{booktabs}\begin{document}"
    (tmp_path / "t.tex").write_text(rf"{head}{table}\end{{document}}")
    command = [PDFLATEX, "-halt-on-error", "-interaction=nonstopmode", "-draftmode", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]
    assert "Missing character" not in (tmp_path / "t.log").read_text(errors="replace")

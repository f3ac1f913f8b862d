"""A sweep from a notebook, in a real kernel."""

import nbformat
from nbclient import NotebookClient

CELLS = [
    """
from sweeps import load_spec, run
spec = load_spec({
    "name": "notebook",
    "trainable": "digits",
    "fixed": {"epochs": 1, "train_subset": 100},
    "search": {"noise": {"grid": ["none", "layer"]},
               "sigma": {"grid": [0.01], "when": {"noise": ["layer"]}}},
    "objective": {"metric": "val_accuracy", "mode": "max"},
    "budget": {"concurrent": 1},
})
result = run(spec)
""",
    "print(type(result.frame).__name__, sorted(result.frame.arm), result.complete, result.best.trial.seed)",
]


def test_run_in_a_notebook(tmp_path):
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}})
    client.execute()
    shown = "".join(output.get("text", "") for output in notebook.cells[0].outputs)
    assert "[2/2]" in shown
    assert notebook.cells[1].outputs[0].text == "DataFrame ['layer', 'none'] True 0\n"
    assert (tmp_path / "runs" / "notebook" / "001" / "journal.jsonl").exists()

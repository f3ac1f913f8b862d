"""A sweep that is resumed with other arrays stops, and goes on when they are restored."""

import json

import numpy as np
import pytest

from sweeps import SweepError, resume, run
from sweeps.record.folder import latest_sweep
from trainables import from_arrays, register, registry

X = np.random.default_rng(0).normal(size=(60, 4))
LABELS = (X[:, 0] > 0).astype(int)
SPEC = {
    "name": "own-data",
    "trainable": "own",
    "mode": "grid",
    "fixed": {"epochs": 2},
    "search": {"lr": {"grid": [0.01, 0.1]}},
    "seeds": 2,
    "objective": {"metric": "val_accuracy", "mode": "max"},
}


def test_other_labels_stop_a_resumed_sweep(ray_session, tmp_path, monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    register(from_arrays("own", X, LABELS))
    whole = run(SPEC, storage=tmp_path).frame
    folder = latest_sweep(tmp_path, "own-data")
    lines = folder.journal.path.read_text().splitlines(keepends=True)
    first_end = next(number for number, line in enumerate(lines) if json.loads(line)["event"] == "end")
    folder.journal.path.write_text("".join(lines[: first_end + 1]))
    folder.bookmark.unlink()
    register(from_arrays("own", X, 1 - LABELS))
    with pytest.raises(SweepError, match=r"the data have changed since the sweep began: .* --new.*resume"):
        resume("own-data", storage=tmp_path)
    stopped = folder.state()
    assert stopped.counts()["finished"] == 1
    assert len(stopped.fingerprints) == 1
    register(from_arrays("own", X, LABELS))
    again = resume("own-data", storage=tmp_path)
    assert again.complete
    columns = ["lr", "seed", "status", "train_loss", "val_loss", "val_accuracy"]
    pairs = [frame[columns].sort_values(["lr", "seed"]).to_numpy().tolist() for frame in (again.frame, whole)]
    assert pairs[0] == pairs[1]

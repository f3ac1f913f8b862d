"""The checkpoints of a trial in a folder, at a URI and in a store that is no disk."""

import io
from pathlib import Path

import pytest
import torch

from sweeps.record.checkpoints import Checkpoints
from sweeps.worker.serialization import from_bytes, to_bytes


@pytest.fixture(params=["path", "odd path", "file", "mock"])
def checkpoints(request, tmp_path):
    """Return the checkpoints of a trial in each kind of storage."""
    roots = {
        "path": str(tmp_path),
        "odd path": str(tmp_path / "été 100% #1"),
        "file": tmp_path.as_uri(),
        "mock": "mock:///store",
    }
    return Checkpoints(roots[request.param], "00001")


def names(checkpoints):
    return [path.rpartition("/")[2] for path in checkpoints._files()]


def content(epoch):
    """Make a checkpoint with every kind of content that training saves."""
    generator = torch.Generator().manual_seed(epoch)
    weights = {"weight": torch.randn(3, 2, generator=generator), "steps": torch.tensor(epoch)}
    reported = [
        {"epoch": each, "metrics": {"loss": float("nan")}, "diverged": False} for each in range(epoch)
    ]
    return {"training": {"epoch": epoch, "model": weights}, "reported": reported}


def epoch_of(loaded):
    return loaded and loaded["training"]["epoch"]


def write(checkpoints, name, data):
    with checkpoints._filesystem.open_output_stream(f"{checkpoints.folder}/{name}") as stream:
        stream.write(data)


def read(checkpoints, name):
    with checkpoints._filesystem.open_input_stream(f"{checkpoints.folder}/{name}") as stream:
        return stream.read()


def pickled(value, **options):
    buffer = io.BytesIO()
    torch.save(value, buffer, **options)
    return buffer.getvalue()


def test_what_is_saved_is_loaded(checkpoints):
    assert checkpoints.load(from_bytes) is None
    checkpoints.save(3, to_bytes(content(3)))
    loaded, saved = checkpoints.load(from_bytes), content(3)
    # Not compared directly, because NaN is not equal to itself.
    assert repr(loaded["reported"]) == repr(saved["reported"])
    model, expected = loaded["training"]["model"], saved["training"]["model"]
    assert model.keys() == expected.keys()
    assert all(torch.equal(model[name], expected[name]) for name in expected)


def test_the_last_two_are_kept_and_nothing_half_written(checkpoints):
    for epoch in (*range(1, 4), *range(98, 102)):
        checkpoints.save(epoch, to_bytes(content(epoch)))
        assert epoch_of(checkpoints.load(from_bytes)) == epoch
    assert names(checkpoints) == ["epoch-00100.pt", "epoch-00101.pt"]
    checkpoints.drop()
    assert checkpoints.load(from_bytes) is None
    assert names(checkpoints) == []
    # There are none.
    checkpoints.drop()


def test_trials_have_their_own(tmp_path):
    first, second = (Checkpoints(str(tmp_path), trial) for trial in ("00001", "00002"))
    first.save(1, to_bytes(content(1)))
    second.save(2, to_bytes(content(2)))
    assert epoch_of(first.load(from_bytes)) == 1
    second.drop()
    assert (epoch_of(first.load(from_bytes)), second.load(from_bytes)) == (1, None)
    assert [path.name for path in tmp_path.rglob("*.*")] == ["epoch-00001.pt"]


def truncated(data):
    return data[: len(data) // 2]


def flipped(data):
    middle = data.index(b"weight") + 1
    return data[:middle] + bytes([data[middle] ^ 0xFF]) + data[middle + 1 :]


DAMAGES = {
    "truncated": truncated,
    "flipped": flipped,
    "empty": lambda data: b"",
    "other": lambda data: b"not a checkpoint",
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_checkpoint_is_skipped_for_the_one_before_it(damage, checkpoints, capsys):
    for epoch in (1, 2):
        checkpoints.save(epoch, to_bytes(content(epoch)))
    for epoch, left in ((2, 1), (1, None)):
        name = f"epoch-{epoch:05d}.pt"
        write(checkpoints, name, damage(read(checkpoints, name)))
        assert epoch_of(checkpoints.load(from_bytes)) == left
        line = capsys.readouterr().err.splitlines()[-1]
        assert line.startswith(f"{checkpoints.folder}/{name}: cannot be read, so the one before it is used: ")


def test_one_that_was_never_finished_does_not_count(checkpoints, capsys):
    checkpoints.save(1, to_bytes(content(1)))
    write(checkpoints, "epoch-00002.pt.part", pickled(content(2)))
    assert epoch_of(checkpoints.load(from_bytes)) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("damaged", "start"), [((4, 5), 1), ((5,), 5), ((99998, 99999), 6)])
def test_damaged_ones_do_not_push_out_those_that_are_trained_again(damaged, start, checkpoints):
    for epoch in (4, 5):
        checkpoints.save(epoch, to_bytes(content(epoch)))
    for epoch in damaged:
        write(checkpoints, f"epoch-{epoch:05d}.pt", b"damaged")
    assert epoch_of(checkpoints.load(from_bytes)) == (start - 1 or None)
    for epoch in range(start, 8):
        checkpoints.save(epoch, to_bytes(content(epoch)))
        assert epoch_of(checkpoints.load(from_bytes)) == epoch
    assert names(checkpoints) == ["epoch-00006.pt", "epoch-00007.pt"]


class Harmful:
    """Writes a file when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return Path.touch, (self.marker,)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_would_run_code_is_refused_and_does_not_run(zipped, checkpoints, tmp_path, capsys):
    marker = tmp_path / "it-ran"
    harmful = pickled({**content(2), "more": Harmful(marker)}, _use_new_zipfile_serialization=zipped)
    torch.load(io.BytesIO(harmful), weights_only=False)
    # Without weights_only, the code runs.
    assert marker.exists()
    marker.unlink()
    checkpoints.save(1, to_bytes(content(1)))
    write(checkpoints, "epoch-00002.pt", harmful)
    assert epoch_of(checkpoints.load(from_bytes)) == 1
    assert not marker.exists()
    assert "epoch-00002.pt: cannot be read" in capsys.readouterr().err

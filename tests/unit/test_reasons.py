"""What is told of the error of a failed trial."""

from types import SimpleNamespace

import pytest
from ray import cloudpickle
from ray.exceptions import RaySystemError, RayTaskError

from sweeps.engine.callbacks import failure_reason, raised_by
from trainables.data import DataError

TRACE = """Traceback (most recent call last):
  File "serialization.py", line 460, in deserialize_objects
    obj = self._deserialize_object(data, metadata, object_ref)
          ^^^^^^^^^^^^^^^^^^^^^^^^
ModuleNotFoundError: No module named 'mine'
"""
MISSING = ModuleNotFoundError("No module named 'mine'")
TOLD = "ModuleNotFoundError: No module named 'mine'"


def failed(folder, error=None, text=TRACE):
    """A trial with the files that Tune writes of an error, whose pickle may be one that cannot be loaded."""
    trial = SimpleNamespace(error_file=folder / "error.txt", pickled_error_file=folder / "error.pkl")
    trial.error_file.write_text(text)
    trial.pickled_error_file.write_bytes(cloudpickle.dumps(error) if error else b"")
    return trial


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("label 10\n  is not one of 0 to 9"), "ValueError: label 10 is not one of 0 to 9"),
        (RaySystemError(MISSING, TRACE), TOLD),
        (RayTaskError("step", TRACE, RaySystemError(MISSING, TRACE)), TOLD),
        (RaySystemError("the node died", TRACE), "RaySystemError: System error: the node died"),
        (None, TOLD),
    ],
)
def test_the_reason_is_the_users_error_without_a_traceback(error, reason, tmp_path):
    trial = failed(tmp_path, error)
    assert failure_reason(trial, raised_by(trial)) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TRACE + "  in mine.py\nand in yours.py\n", f"{TOLD} in mine.py and in yours.py"),
        (f"{TRACE}\nDuring handling:\n\n{TRACE.replace('mine', 'other')}", TOLD.replace("mine", "other")),
        ("The actor died\nunexpectedly", "The actor died unexpectedly"),
        (TRACE + "x" * 1000, (TOLD + " " + "x" * 1000)[:500]),
    ],
)
def test_of_an_error_that_cannot_be_loaded_the_text_after_the_last_frame_is_told(text, reason, tmp_path):
    trial = failed(tmp_path, text=text)
    assert failure_reason(trial, raised_by(trial)) == reason


def test_an_error_in_the_data_of_a_worker_is_found(tmp_path):
    error = DataError("train.csv: row 3")
    found = raised_by(failed(tmp_path, RaySystemError(error, TRACE)))
    assert (type(found), str(found)) == (DataError, str(error))

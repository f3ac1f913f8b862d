"""What the packages export is documented."""

import inspect

import pytest

import sweeps
import trainables

EXPORTED = [(package, name) for package in (sweeps, trainables) for name in package.__all__]


@pytest.mark.parametrize(("package", "name"), EXPORTED, ids=lambda value: getattr(value, "__name__", value))
def test_exported_classes_and_functions_have_docstrings(package, name):
    exported = getattr(package, name)
    if inspect.isclass(exported) or inspect.isfunction(exported):
        assert exported.__doc__

"""A fixture for tests of the noise: every test of a module that imports it runs in both ways."""

import pytest

import trainables.noise.step


@pytest.fixture(autouse=True, scope="module", params=["swapping", "copying"])
def way_back(request):
    """Both ways to put weights back: another buffer for the step, as on a CPU, and copies, as elsewhere."""
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "copying":
            patch.setattr(trainables.noise.step, "_may_swap", lambda parameters: False)
        yield

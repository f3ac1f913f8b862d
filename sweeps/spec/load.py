"""A sweep's YAML read and checked: every mistake in one pass."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sweeps.errors import SpecError
from sweeps.spec.checks import check
from sweeps.spec.messages import explain
from sweeps.spec.model import Spec
from sweeps.spec.source import Source


def load_spec(
    source: str | Path | Mapping[str, Any], overrides: Sequence[str] = (), profile: str | None = None
) -> Spec:
    """Read and check a sweep.

    Args:
        source: A YAML file, the name of a shipped study, or a mapping of the same form.
        overrides: ``key=value`` with a dotted key and a YAML value, such as ``fixed.epochs=3``.
        profile: One of its ``profiles``, whose changes come before the overrides; the sweep is then called
            NAME-PROFILE.

    Returns:
        The spec; running it meets no mistake that could have been seen here.

    Raises:
        SpecError: With every mistake found.
    """
    read = Source(source, overrides, profile)
    spec, form = None, []
    try:
        spec = Spec.model_validate(read.content)
    except ValidationError as error:
        form = explain(error)
    wrong = {location for location, _ in form}
    checked = [  # where the form is wrong, nothing more is said
        (location, message)
        for location, message in check(read.content)
        if not any(location[:length] in wrong for length in range(1, len(location) + 1))
    ]
    mistakes = [*read.mistakes, *(read.mistake(*found) for found in (*form, *checked))]
    if mistakes or spec is None:
        raise SpecError(mistakes)
    if isinstance(spec.compare, str):  # with its arms written out, it can be read without the trainable
        spec = spec.model_copy(update={"compare": {spec.compare: spec.arms}})
    spec._text = read.text
    for part, names in (("fixed", spec.fixed), ("search", spec.search)):
        spec._places.update({name: read.mistake((part, name), "") for name in names})
    if spec.compare is not None:
        spec._places[spec.compared] = read.mistake(("compare", spec.compared), "")
    return spec

"""Reading and checking a sweep's YAML: every mistake in one pass."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from sweeps.errors import SpecError
from sweeps.spec.checks import check
from sweeps.spec.messages import message_of
from sweeps.spec.model import Spec
from sweeps.spec.source import Source, Written


def load_spec(
    source: str | Path | Written | Mapping[str, Any],
    overrides: Sequence[str] = (),
    profile: str | None = None,
) -> Spec:
    """Read and check a sweep.

    Args:
        source: A YAML file, the name of a shipped study, either of them as ``read`` returns it, or a mapping
            of the same form.
        overrides: ``key=value`` with a dotted key and a YAML value, such as ``fixed.epochs=3``.
        profile: One of its ``profiles``, applied before the overrides; the sweep is then called NAME-PROFILE.

    Returns:
        The spec; every mistake that can be found before running has been ruled out.

    Raises:
        SpecError: With every mistake found.
    """
    written = Source(source, overrides, profile)
    spec, in_form = None, {}
    try:
        spec = Spec.model_validate(written.content)
    except ValidationError as error:
        in_form = {item["loc"]: message_of(item["loc"], dict(item)) for item in error.errors()}
    problems = [*in_form.items(), *check(written.content, in_form)]
    mistakes = [*written.mistakes, *(written.mistake(*problem) for problem in problems)]
    if mistakes or spec is None:
        raise SpecError(mistakes)
    # With their values written out, the arms can be read without the trainable.
    if isinstance(spec.compare, str):
        spec = spec.model_copy(update={"compare": {spec.compare: spec.arms}})
    if isinstance(spec.across, str):
        values = [stratum[spec.across] for stratum in spec.strata]
        spec = spec.model_copy(update={"across": {spec.across: values}})
    spec._text = written.text
    for section, names in (("fixed", spec.fixed), ("search", spec.search)):
        spec._places.update({name: written.mistake((section, name), "") for name in names})
    if spec.compare is not None:
        spec._places[spec.compared] = written.mistake(("compare", spec.compared), "")
    looks = ("stages", "confirm", "looks") if spec.confirms else ("looks",)
    spec._places["looks"] = written.mistake(looks, "")
    return spec

"""Strict parsing of JSON."""

import json


def strict_json(line, source=""):
    """Parse a line of standard JSON, which has neither NaN nor infinities."""

    def refuse(constant):
        raise ValueError(f"{constant} in {source}: {line!r}")

    return json.loads(line, parse_constant=refuse)

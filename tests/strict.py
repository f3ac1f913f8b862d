"""JSON as the standard has it."""

import json


def strict_json(line, source=""):
    """Parse as other languages do, which know no NaN and no infinities."""

    def refuse(constant):
        raise ValueError(f"{constant} in {source}: {line!r}")

    return json.loads(line, parse_constant=refuse)

"""Links to a sweep's runs in MLflow's UI, and the view of its arms that they open.

The state of the runs page that MLflow's *Share* button stores in a tag of the experiment, and a link names
by its key, is an internal format of the UI (as of MLflow 3.17). A UI that does not understand it says so.
"""

import base64
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from mlflow.entities import Experiment

_TAG = "mlflow.sharedViewState."
# The UI's name of the section of metrics without a prefix.
_WITHOUT_PREFIX = "Model metrics"
_FIRST = "Arms"


def view_tag(parent: str) -> str:
    """Return the tag of the experiment that holds the view of a sweep's arms."""
    return f"{_TAG}{parent}"


def link(address: str, experiment: "Experiment", parent: str) -> str:
    """Return the link to a sweep's runs: to the view of its arms, or to its trials if it has none."""
    query = {"workflowType": "machine_learning", "compareRunsMode": "CHART"}
    if view_tag(parent) in experiment.tags:
        query["viewStateShareKey"] = parent
    else:
        query["searchFilter"] = _of_sweep(parent)
    return f"{address.rstrip('/')}/#/experiments/{experiment.experiment_id}/runs?{urlencode(query)}"


def arms_view(parent: str, content: Mapping[str, Any]) -> str:
    """Return the view of a sweep's arms, as a tag: their charts, grouped by ``arm``.

    Args:
        parent: The sweep's parent run.
        content: As ``sweeps.analysis.arm_records`` writes it, with one arm or more.
    """
    arms = content["arms"]
    curves = {name: epochs for record in arms for name, epochs in record["metrics"].items()}
    prefixes = sorted({name.split("/")[0] for name in curves if "/" in name} - {"interval"})
    state = {
        "searchFilter": " and ".join(_conditions(parent, arms)),
        # The best arm comes first. In the order of starting, the UI adds the parent run to those it finds.
        "orderByKey": f"metrics.`{content['metrics'][0]}`",
        "orderByAsc": content.get("mode") == "min",
        "groupBy": {"aggregateFunction": "average", "groupByKeys": [{"mode": "tag", "groupByData": "arm"}]},
        # A group has a single run, which need not be listed below it.
        "groupsExpanded": {f"tag.arm.{record['arm']}": False for record in arms},
        "runsHiddenMode": "FIRST_20_RUNS",
        "compareRunCharts": [*_charts(content["metrics"], prefixes, curves)],
        "compareRunSections": [
            _section(_FIRST, columns=2),
            *(_section(name) for name in (*prefixes, _WITHOUT_PREFIX)),
            _section("interval", display=False),
        ],
        "isAccordionReordered": True,
    }
    return f"deflate;{base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()}"


def _of_sweep(parent: str) -> str:
    return f"tags.`mlflow.parentRunId` = '{parent}'"


def _conditions(parent: str, arms: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Yield what selects one run for each arm: at the first point, as the search chose it."""
    yield "tags.kind = 'arm'"
    if arms[0]["confirmed"]:
        yield "tags.at = 'chosen'"
    if arms[0]["point"]:
        yield f"tags.point = '{arms[0]['point']}'"
    yield _of_sweep(parent)


def _charts(
    metrics: Sequence[str], prefixes: Sequence[str], curves: Mapping[str, Mapping[str, float]]
) -> Iterator[dict[str, Any]]:
    """Yield charts of the most important metrics and their differences: lines with intervals, or bars."""
    for metric in metrics:
        for name in [metric, *(f"{prefix}/{metric}" for prefix in prefixes)]:
            ends = f"interval/{name}" if name == metric else name
            if len(curves.get(name, ())) > 1:
                yield _chart("LINE", name, [name, f"{ends}_low", f"{ends}_high"])
            elif name in curves:
                yield _chart("BAR", name, [name])


def _chart(kind: str, metric: str, shown: Sequence[str]) -> dict[str, Any]:
    return {
        "type": kind,
        "uuid": f"chart {metric}",
        "metricSectionId": f"section {_FIRST}",
        "metricKey": metric,
        "selectedMetricKeys": shown,
        "displayName": metric,
        "runsCountToCompare": 20,
        "xAxisKey": "step",
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
        "deleted": False,
        "isGenerated": False,
    }


def _section(name: str, *, columns: int = 3, display: bool = True) -> dict[str, Any]:
    fixed = {"isReordered": True, "deleted": False, "isGenerated": False}
    return {"uuid": f"section {name}", "name": name, "columns": columns, "display": display, **fixed}

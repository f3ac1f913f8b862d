"""Reads the runs of a sweep from MLflow."""

from mlflow import MlflowClient


def children(result):
    client = MlflowClient(result.tracking_uri)
    experiment = client.get_experiment_by_name(result.state.spec.name).experiment_id
    condition = f"tags.mlflow.parentRunId = '{result.run_id}' and tags.trial != ''"
    runs = client.search_runs([experiment], condition)
    by_trial = {child.data.tags["trial"]: child for child in runs}
    # No trial has two runs.
    assert len(by_trial) == len(runs)
    return by_trial


def history(result, run_id, metric):
    points = MlflowClient(result.tracking_uri).get_metric_history(run_id, metric)
    return {point.step: point.value for point in points}

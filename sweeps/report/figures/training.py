"""Figures of the arms during training: learning curves and speed of convergence."""

from collections.abc import Mapping, Sequence

from sweeps.analysis.arms import Arm, common_target
from sweeps.analysis.convergence import reached_by
from sweeps.analysis.stats import summarise
from sweeps.report.charts import Chart, Series
from sweeps.report.labels import label_of
from sweeps.report.styles import Style
from sweeps.spec.model import Spec


def learning_curves(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Chart:
    """Chart the mean score of each arm after each epoch."""
    metric = spec.objective.metric
    series = []
    for arm in arms:
        curves = [trial.epochs for trial in arm.trials if trial.status == "finished"]
        epochs = range(1, arm.horizon + 1) if curves else range(0)
        summaries = [
            summarise([curve[epoch][metric] for curve in curves if epoch in curve]) for epoch in epochs
        ]
        series.append(Series.of_means(arm.name, style_of[arm.name], epochs, summaries, "line"))
    caption = "Mean over the seeds that finished, after each epoch, with a band for its 95% interval."
    if diverged := [f"{arm.diverged} of {arm.name}" for arm in arms if arm.diverged]:
        caption += f" Seeds left out because they diverged: {', '.join(diverged)}."
    title, y_label = "Learning curves", label_of(metric)
    return Chart("learning-curves", title, "epoch", y_label, series, caption, integer_x=True)


def convergence(spec: Spec, arms: Sequence[Arm], style_of: Mapping[str, Style]) -> Chart | None:
    """Chart how soon the seeds reach the worst final score; None if no seed has finished."""
    metric = spec.objective.metric
    larger_is_better = spec.objective.mode == "max"
    target = common_target(arms, metric, larger_is_better=larger_is_better)
    if target is None:
        return None
    series = []
    for arm in arms:
        epochs = list(arm.reaching(metric, target, larger_is_better=larger_is_better).values())
        # Before one of its seeds has ended, an arm has no curve.
        if epochs:
            curve = reached_by(epochs, arm.horizon)
            series.append(Series(arm.name, style_of[arm.name], curve.epochs, curve.fraction, "step"))
    title, y_label = "Speed of convergence", "fraction of seeds that reached the target"
    caption = (
        f"Fraction of seeds whose {label_of(metric)} has reached {target:.3g}, by epoch (Kaplan-Meier). This "
        "target is the worst final score, so every seed that finished reaches it."
    )
    return Chart("convergence", title, "epoch", y_label, series, caption, integer_x=True)

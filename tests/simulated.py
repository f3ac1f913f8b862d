"""A search without Ray: real searchers, schedulers and journal events, and formulas in place of training."""

import json

from ray.tune.experiment import Trial

from sweeps.record.state import SweepState
from sweeps.record.trials import SEARCH
from sweeps.search.configuration import OBJECTIVE, TRIAL, split_config, worst
from sweeps.search.history import known_trials, reports
from sweeps.search.scheduler import build_scheduler, rungs
from sweeps.search.searcher import build_searcher

TAGS = {"host": "simulated", "data_fingerprint": "formula"}


class SimulatedDriver:
    """Runs trials side by side and writes journal events; starts from those of an earlier driver."""

    def __init__(self, spec, outcome, events=(), concurrent=3):
        """``outcome(point, epoch)`` is a score, None for a trial that fails, or NaN for one that diverges."""
        self.spec, self.outcome, self.concurrent = spec, outcome, concurrent
        self.events = json.loads(json.dumps(list(events)))
        state = SweepState(spec, self.events)
        self.searcher = build_searcher(spec, known_trials(state))
        self.scheduler = build_scheduler(spec, reports(state, self.events))
        self.rungs = rungs(spec)
        # The last epoch of each running trial.
        self.running, self.suggested = {}, 0

    def step(self):
        """Train the trial that is furthest behind until its next report; return whether there was one."""
        while len(self.running) < self.concurrent and self._start():
            pass
        if not self.running:
            return False
        trial = min(self.running, key=lambda each: (self.running[each], each.config[TRIAL]))
        self._train(trial)
        return True

    def _start(self):
        self.suggested += 1
        config = self.searcher.suggest(str(self.suggested))
        if not isinstance(config, dict):
            return False
        trial = Trial("curve", trial_id=str(self.suggested), config=config, stub=True)
        if self.scheduler:
            self.scheduler.on_trial_add(None, trial)
        name, point, seed = split_config(config)
        known = [event for event in self.events if event.get("trial") == name]
        if not known:
            values, used = self.spec.values(point), self.spec.used(point)
            about = {"stage": SEARCH, "arm": str(values[self.spec.compared]), "seed": seed}
            self._write("start", name, number=int(name), hyperparameters=values, used=used, **about)
        self.running[trial] = sum(event["event"] == "epoch" for event in known)
        return True

    def _train(self, trial):
        name, point, _ = split_config(trial.config)
        values = self.spec.hyperparameters(point)
        result, end = {}, None
        while end is None and (not result or result["epoch"] not in self.rungs):
            self.running[trial] += 1
            epoch, score = self.running[trial], self.outcome(values, self.running[trial])
            if score is None:
                return self._end(trial, "failed", None)
            metrics = {} if score != score else {self.spec.objective.metric: score}
            self._write("epoch", name, epoch=epoch, metrics=metrics, tags=TAGS)
            result = {"epoch": epoch, OBJECTIVE: metrics.get(self.spec.objective.metric, worst(self.spec))}
            end = None if metrics else "diverged"
            end = "finished" if epoch == values.epochs else end
        decision = self.scheduler.on_trial_result(None, trial, result) if self.scheduler else "CONTINUE"
        if end or decision == "STOP":
            return self._end(trial, end or "stopped", result)
        return self.searcher.on_trial_result(trial.trial_id, result)

    def _end(self, trial, status, result):
        del self.running[trial]
        if self.scheduler:
            if result:
                self.scheduler.on_trial_complete(None, trial, result)
            else:
                self.scheduler.on_trial_error(None, trial)
        self.searcher.on_trial_complete(trial.trial_id, result, error=result is None)
        self._write("end", trial.config[TRIAL], status=status, reason="")

    def _write(self, event, trial, **fields):
        self.events.append({"event": event, "time": len(self.events), "trial": trial, **fields})

    def run(self):
        """Run the search to its end and return the state."""
        while self.step():
            pass
        return SweepState(self.spec, self.events)

"""Runs each stage of a sweep as a run of Ray Tune that starts from the journal."""

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from pyarrow.fs import FileSystem
from ray import tune

from sweeps.analysis.claims import closing_event, judge_claims
from sweeps.engine.arms import write_arms
from sweeps.engine.callbacks import SweepCallback
from sweeps.engine.resources import as_ray_resources
from sweeps.engine.stopping import Stop, Stopped
from sweeps.engine.tune_private import patched_tune
from sweeps.errors import SweepError
from sweeps.process_state import environment, log_level
from sweeps.record.folder import SweepFolder
from sweeps.record.trials import CONFIRM, SEARCH
from sweeps.report.labels import look_lines
from sweeps.search.history import known_trials, listed_trials, not_ended, reports
from sweeps.search.scheduler import build_scheduler, rungs
from sweeps.search.searcher import build_searcher
from sweeps.spec.model import Spec
from sweeps.worker.tasks import Registered, run_trial


def run_stages(
    folder: SweepFolder,
    spec: Spec,
    registered: Registered | None,
    stop: Stop,
    say: Callable[[str], None],
) -> None:
    """Run the rest of a sweep.

    Args:
        folder: The sweep.
        spec: Its spec.
        registered: What the user's script has registered, for workers; None if no trial is left to run.
        stop: Whether the user has asked to stop.
        say: Prints what a look at the results has found.

    Raises:
        SweepError: If Tune fails, or the journal cannot be written.
        Stopped: If the user has asked to stop.
    """
    with _quiet_libraries(), patched_tune():
        if not folder.state().searched:
            _fit(folder, spec, SEARCH, registered, stop)
            stop.check()
        state = folder.state()
        if spec.confirms and state.searched and state.selected is None:
            folder.journal.append("select", points=state.select())
        if state.looked_stage and state.searched:
            _take_looks(folder, spec, state.looked_stage, registered, stop, say)


def _take_looks(
    folder: SweepFolder,
    spec: Spec,
    stage: str,
    registered: Registered | None,
    stop: Stop,
    say: Callable[[str], None],
) -> None:
    """Train what each look needs, until every claim is decided or the last look is taken."""
    while not (state := folder.state()).complete:
        if not state.round_is_complete:
            _fit(folder, spec, stage, registered, stop)
            stop.check()
            state = folder.state()
        event = closing_event(state)
        if event is None:
            # The last look has been taken, or Tune could not start a trial.
            return
        for line in look_lines(state, judge_claims(state), len(event["points"])):
            say(line)
        # First, as the publisher logs the arms when it reads of the look.
        write_arms(folder, state)
        folder.journal.extend([event])


def _fit(folder: SweepFolder, spec: Spec, stage: str, registered: Registered | None, stop: Stop) -> None:
    """Start Tune afresh from the journal: Tune's own record lacks trials if a driver is killed."""
    filesystem, path = FileSystem.from_uri(folder.tune_root)
    # At first, the folder does not exist.
    with suppress(OSError):
        filesystem.delete_dir(path)
    try:
        _tuner(folder, spec, stage, registered, stop).fit()
    except (SweepError, Stopped):
        raise
    except Exception as error:
        stop.check()
        logging.getLogger(__name__).exception("Ray Tune failed")
        reason = (str(error).splitlines() or [type(error).__name__])[-1]
        raise SweepError(f"Ray Tune failed: {reason}") from None


def _tuner(
    folder: SweepFolder, spec: Spec, stage: str, registered: Registered | None, stop: Stop
) -> tune.Tuner:
    state = folder.state()
    listed = listed_trials(state) if stage == state.looked_stage else []
    history = reports(state, (event for event, _ in folder.journal.read()))
    scheduler = None if stage == CONFIRM else build_scheduler(spec, history)
    trainable = tune.with_resources(
        tune.with_parameters(
            run_trial,
            spec=spec,
            registered=registered,
            checkpoints=folder.checkpoint_root,
            test=stage == CONFIRM or spec.test,
            rungs=frozenset() if stage == CONFIRM else rungs(spec),
        ),
        as_ray_resources(spec.resources),
    )
    tune_config = tune.TuneConfig(
        search_alg=None
        if listed
        else build_searcher(spec, known_trials(state), max(map(int, state.trials), default=0)),
        scheduler=scheduler,
        num_samples=1 if listed else -1,
        max_concurrent_trials=spec.budget.concurrent,
        reuse_actors=True,
        trial_dirname_creator=lambda trial: trial.trial_id,
    )
    run_config = tune.RunConfig(
        name=stage,
        storage_path=folder.tune_root,
        failure_config=tune.FailureConfig(max_failures=spec.max_failures),
        callbacks=[SweepCallback(folder, stage, stop)],
        verbose=0,
    )
    space = {"point": tune.grid_search(not_ended(state, listed))} if listed else {}
    return tune.Tuner(trainable, param_space=space, tune_config=tune_config, run_config=run_config)


@contextmanager
def _quiet_libraries() -> Iterator[None]:
    """Let Tune and Optuna print nothing, keep no record and handle no signal: sweeps do that themselves."""
    with ExitStack() as settings:
        settings.enter_context(
            environment(
                RAY_AIR_NEW_OUTPUT="0",
                TUNE_DISABLE_AUTO_CALLBACK_LOGGERS="1",
                TUNE_DISABLE_SIGINT_HANDLER="1",
                TUNE_GLOBAL_CHECKPOINT_S="inf",
            )
        )
        settings.enter_context(log_level("ray.tune", logging.CRITICAL))
        settings.enter_context(log_level("optuna", logging.WARNING))
        yield

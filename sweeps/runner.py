"""A sweep from its spec to its results: Ray Tune, the journal, and what follows it."""

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import ray
from mlflow.exceptions import MlflowException
from pyarrow.fs import FileSystem
from ray import tune

from sweeps.callbacks import SweepCallback
from sweeps.changes import Change, changes
from sweeps.claims import JudgedClaim, judge_claims, undecidable
from sweeps.cluster import leave, start_or_join
from sweeps.display import Display
from sweeps.history import known_trials, listed_trials, not_ended, reports
from sweeps.journal import Follower
from sweeps.log import JsonLog, Log, teller
from sweeps.mirror import Mirror
from sweeps.mistakes import SweepError, in_a_line
from sweeps.resources import check_satisfiable, wanted
from sweeps.search import build_scheduler, build_searcher
from sweeps.spec import Spec, load_spec
from sweeps.state import CONFIRM, SEARCH, SweepState, TrialRecord
from sweeps.stopping import Stop, Stopped, stopping
from sweeps.storage import (
    SweepFolder,
    check_database,
    check_scheme,
    create_sweep,
    default_tracking_uri,
    in_ray_job,
    newest_sweep,
    open_storage,
    sweep_folders,
)
from sweeps.store import Store, connect, import_store, open_store
from sweeps.tracking import Publisher, log_report, provenance
from sweeps.trial import run_trial
from sweeps.workers import mend_ray, mend_tune
from trainables import registry
from trainables.data import DataError

INTERRUPTED = 130  # exit status, as after Ctrl-C
_LEAVING_SECONDS = 10.0
_NOTICE_SECONDS = 2.0  # reading what is prepared takes less


@dataclass(frozen=True)
class SweepResult:
    """What a sweep came to.

    Attributes:
        path: Its folder.
        tracking_uri: The MLflow store.
        run_id: Its parent run there.
        state: Its trials.
        undelivered: Writes that MLflow has not got; they are kept and delivered by resuming.
    """

    path: Path
    tracking_uri: str
    run_id: str
    state: SweepState
    undelivered: int

    @property
    def frame(self) -> pd.DataFrame:
        """One row a trial: configuration, status, last metrics."""
        return self.state.frame()

    @property
    def best(self) -> TrialRecord | None:
        """The best trial by the objective after its last epoch, of the confirm stage if there is one."""
        return self.state.best()

    @property
    def best_by_arm(self) -> dict[str, TrialRecord | None]:
        """The best trial of each arm."""
        return {arm: self.state.best(arm) for arm in self.state.arms()}

    @property
    def claims(self) -> list[JudgedClaim]:
        """The claims with their verdicts, in the order of the spec."""
        return judge_claims(self.state)

    @property
    def complete(self) -> bool:
        """Whether every trial of every stage has ended."""
        return self.state.complete


def run(
    spec: Spec | str | Path | Mapping[str, Any],
    *,
    storage: str | Path | None = None,
    tracking_uri: str | None = None,
    new: bool = False,
    log: Log = "text",
) -> SweepResult:
    """Run a sweep.

    Args:
        spec: A spec, or what ``load_spec`` takes.
        storage: Where sweeps are kept: a folder that every node has, or a URI that pyarrow reads; None for
            ``runs``, in a Ray job ``noisesweep`` in the home directory.
        tracking_uri: MLflow store; ``MLFLOW_TRACKING_URI`` or an SQLite file in the storage when None.
        new: Start another sweep of a study that has one.
        log: What is printed: ``text`` for people, ``json`` lines for programs.

    Returns:
        The results, also of a sweep that was interrupted.

    Raises:
        SweepError: If the spec has mistakes, the study has a sweep already, or data, storage or MLflow are
            out of reach.
    """
    spec = spec if isinstance(spec, Spec) else load_spec(spec)
    storage = open_storage(storage)
    if not new and (known := sweep_folders(storage, spec.name)):
        raise SweepError(
            f"{known[-1].uri or known[-1].path}: the study {spec.name!r} has a sweep; go on with it "
            f"({known[-1].resume_command}) or start another (run with --new)"
            + _differences(changes(known[-1].spec(), _located(spec)))
        )
    spec = _located(spec)
    uri = tracking_uri or default_tracking_uri(storage)
    check_scheme(uri)
    say = teller(spec, log)
    try:
        with ThreadPoolExecutor(1) as beside:  # Ray starts in processes of its own, which leaves time
            beside.submit(import_store, uri)
            _start_ray(spec, say)
            _prepare_data(spec, say)
        store = open_store(uri, spec.name)
        return _drive(create_sweep(storage, spec), spec, store, log)
    finally:
        leave()


def resume(
    sweep: str | Spec,
    *,
    storage: str | Path | None = None,
    tracking_uri: str | None = None,
    log: Log = "text",
) -> SweepResult:
    """Go on with the newest sweep of a study, or deliver what MLflow has not got of it.

    Args:
        sweep: The study's name; or its spec, which may differ from the sweep's in what says where and how
            trials run: ``resources``, ``budget.concurrent``, ``max_failures``, ``data_dir``, ``question``.
        storage: Where sweeps are kept, as for ``run``.
        tracking_uri: MLflow store; the one that it was started with when None.
        log: What is printed, as for ``run``.

    Returns:
        The results.

    Raises:
        SweepError: If there is no such sweep, it is running, the spec has changed so that its trials would
            not compare, or MLflow is out of reach.
    """
    storage = open_storage(storage)
    name = sweep.name if isinstance(sweep, Spec) else sweep
    folder = newest_sweep(storage, name)
    before = folder.spec()
    spec = _located(sweep) if isinstance(sweep, Spec) else before
    _check_harmless(folder, found := changes(before, spec))
    uri = tracking_uri or folder.tracking_uri or default_tracking_uri(storage)
    store = open_store(uri, spec.name)
    try:
        if not folder.state().complete:
            _check_known(folder, spec, f"sweeps.resume({name!r})")
            say = teller(spec, log)
            _start_ray(spec, say)
            _prepare_data(spec, say)
        if found:
            folder.rewrite(spec)
        return _drive(folder, spec, store, log)
    finally:
        leave()


def publish_report(folder: SweepFolder) -> Path:
    """Write a sweep's report, also of one that is still running, and log it to its parent run.

    Args:
        folder: The sweep.

    Returns:
        The page.

    Raises:
        SweepError: If there is nothing to report, or MLflow is out of reach: the report is written then.
    """
    _check_known(folder, folder.spec(), "sweeps.runner.publish_report")
    _quiet()
    from sweeps.report import write_report

    page = write_report(folder)
    if folder.tracking_uri is None:  # MLflow has nothing of it yet
        return page
    try:
        check_database(folder.tracking_uri)
        log_report(connect(folder.tracking_uri), folder)
    except (SweepError, MlflowException) as error:
        raise SweepError(f"{page} is written, but not logged: {error}") from None
    return page


def _located(spec: Spec) -> Spec:
    return spec.model_copy(update={"data_dir": _data_dir(spec)})


def _check_harmless(folder: SweepFolder, found: Sequence[Change]) -> None:
    if broken := [change for change in found if not change.harmless]:
        raise SweepError(
            f"{folder.path}: its trials would not compare with those to come; take these back, or start "
            f"another sweep (run with --new){_differences(broken)}"
        )


def _differences(found: Sequence[Change]) -> str:
    return "".join(f"\n  {change}" for change in found)


def _check_known(folder: SweepFolder, spec: Spec, call: str) -> None:
    if spec.trainable not in registry.names():
        raise SweepError(
            f"{folder.path}: trains {spec.trainable!r}, which is not known here; register it in a script "
            f"that calls {call}, or give its package an entry point"
        )


def _data_dir(spec: Spec) -> str | None:
    # Workers run elsewhere, in other folders: what is relative here must be absolute there.
    given = spec.data_dir or os.environ.get("NOISESWEEP_DATA_DIR")
    return str(Path(given).expanduser().resolve()) if given else None


def _prepare_data(spec: Spec, say: Callable[[str], None]) -> None:
    trainable = spec.build_trainable()
    notice = f"preparing the data of {spec.trainable}, once per machine ..."
    timer = threading.Timer(_NOTICE_SECONDS, say, [notice])
    timer.start()
    try:
        for hyperparameters in spec.variants(trainable.data_hyperparameters):
            trainable.prepare(hyperparameters, test=spec.confirms)
    except DataError as error:
        raise spec.refused(error.hyperparameter, error.message) from None
    finally:
        timer.cancel()


def _open(
    folder: SweepFolder, spec: Spec, store: Store, log: Log
) -> tuple[Display | JsonLog, Mirror | None, Publisher]:
    folder.claim()
    folder.journal.repair()
    display = JsonLog(spec, folder) if log == "json" else Display(spec, folder)
    if note := undecidable(spec):
        display.say(f"note: {note}")
    mirror = folder.mirror(display.say)
    try:
        return display, mirror, Publisher(spec, folder, store, say=display.say, mirror=mirror)
    except Exception as error:  # each kind of store raises its own
        if mirror:
            mirror.release()
        if isinstance(error, SweepError):
            raise
        reason = in_a_line(error)
        advice = f"put it right and go on with: {folder.resume_command}"
        raise SweepError(f"MLflow does not take writes at {store.uri}: {reason}; {advice}") from None


def _drive(folder: SweepFolder, spec: Spec, store: Store, log: Log) -> SweepResult:
    lock = folder.lock()
    try:
        display, mirror, publisher = _open(folder, spec, store, log)
    except BaseException:
        lock.release()
        raise
    followers: list[Follower] = [display, *filter(None, [mirror]), publisher]
    for follower in followers:
        follower.start()

    def close() -> None:
        _close_journal(folder, display)
        for follower in followers:
            follower.close()
        if mirror:
            mirror.release()
        lock.release()

    def give_up() -> None:
        close()
        os._exit(INTERRUPTED)

    try:
        made_by = provenance()
        if earlier := folder.state().versions - {made_by["versions"]}:
            display.say(f"note: it has run with {'; '.join(sorted(earlier))}; now with {made_by['versions']}")
        folder.journal.append("begin", versions=made_by["versions"], git_commit=made_by.get("git_commit"))
        _quiet()
        if in_ray_job():
            os.chdir(folder.path)  # its copy of the working directory goes first when it is stopped
        with stopping(when_stuck=give_up) as stop:
            _run_stages(folder, spec, stop)
    except Stopped:
        pass
    except SweepError as error:
        advice = f"what is done is kept; put it right and go on with: {folder.resume_command}"
        raise SweepError(f"{error}; {advice}") from None
    finally:
        leaving = threading.Thread(target=leave, daemon=True)  # which waits, for ever where Ray is gone
        leaving.start()
        close()
        leaving.join(_LEAVING_SECONDS)
    result = SweepResult(folder.path, store.uri, publisher.parent, folder.state(), publisher.undelivered)
    from sweeps.report import summary_lines

    display.summarise(result.state, store.uri, result.undelivered, summary_lines(folder))
    return result


def _quiet() -> None:
    """Keep to one display, and one record: the journal's."""
    os.environ["RAY_AIR_NEW_OUTPUT"] = "0"
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    os.environ["TUNE_DISABLE_SIGINT_HANDLER"] = "1"  # ours also takes SIGTERM
    os.environ["TUNE_GLOBAL_CHECKPOINT_S"] = "inf"  # the journal is the record
    logging.getLogger("ray.tune").setLevel(logging.CRITICAL)
    optuna.logging.set_verbosity(optuna.logging.WARNING)


def _run_stages(folder: SweepFolder, spec: Spec, stop: Stop) -> None:
    if not folder.state().searched:
        _fit(folder, spec, SEARCH, stop)
        stop.check()
    state = folder.state()
    if spec.confirms and state.searched:
        if state.selected is None:
            state.apply(folder.journal.append("select", points=state.select()))
        if state.selected and not state.complete:
            _fit(folder, spec, CONFIRM, stop)


def _fit(folder: SweepFolder, spec: Spec, stage: str, stop: Stop) -> None:
    # Tune is started anew each time, with what the journal knows: its own record is written now and then, in
    # several files, and a driver that is killed meanwhile would lose trials, or all of them.
    filesystem, path = FileSystem.from_uri(folder.tune_root)
    with suppress(OSError):  # there is none yet
        filesystem.delete_dir(path)
    try:
        _tuner(folder, spec, stage, stop).fit()
    except (SweepError, Stopped):
        raise
    except Exception as error:  # Tune has fallen over
        stop.check()
        logging.getLogger(__name__).exception("Ray Tune failed")
        reason = (str(error).splitlines() or [type(error).__name__])[-1]
        raise SweepError(f"Ray Tune failed: {reason}") from None


def _tuner(folder: SweepFolder, spec: Spec, stage: str, stop: Stop) -> tune.Tuner:
    state = folder.state()
    listed = listed_trials(state, stage)
    history = reports(spec, (event for event, _ in folder.journal.read()))
    scheduler = None if stage == CONFIRM else build_scheduler(spec, history)
    trainable = tune.with_resources(
        tune.with_parameters(
            run_trial,
            spec=spec,
            trainable_class=spec.trainable_class,
            checkpoints=folder.checkpoint_root,
            test=stage == CONFIRM,
            judged=scheduler is not None,
        ),
        wanted(spec.resources),
    )
    tune_config = tune.TuneConfig(
        search_alg=None if listed else build_searcher(spec, known_trials(state)),
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


def _start_ray(spec: Spec, say: Callable[[str], None]) -> None:
    mend_ray()
    if not ray.is_initialized():
        try:
            start_or_join(spec.resources, spec.budget.concurrent)
        except (ConnectionError, RuntimeError) as error:
            reason = in_a_line(error)
            advice = "RAY_ADDRESS names a cluster; RAY_ADDRESS=local runs on this machine alone"
            raise SweepError(f"Ray cannot be reached ({advice}): {reason}") from None
    check_satisfiable(spec, say)
    mend_tune()


def _close_journal(folder: SweepFolder, display: Display | JsonLog) -> None:
    """Write down how the sweep ended, which trials it left unfinished, and what it shows."""
    state = folder.state()
    with suppress(SweepError):  # where the journal cannot be written, it was said, and no more is left to do
        for trial in state.trials.values():
            if trial.status == "running":
                folder.journal.append("end", trial=trial.id, status="interrupted", reason="")
        try:
            if state.complete:
                from sweeps.report import write_report  # plots take a second to import

                write_report(folder)
        except Exception as error:  # a fault of ours, which must not cost the night's results
            logging.getLogger(__name__).exception("the report failed")
            display.say(f"the report failed ({error}); the results are kept, see {folder.report_command}")
        folder.journal.append("finish", status="finished" if state.complete else "interrupted")

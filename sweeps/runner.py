"""A sweep from its spec to its results: Ray Tune, the journal, and what follows it."""

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from sweeps.analysis.claims import JudgedClaim, judge_claims, undecidable
from sweeps.console.display import Display
from sweeps.console.jsonl import JsonLog, Log, teller
from sweeps.engine import ahead
from sweeps.engine.ray_session import ensure_ray, leave
from sweeps.engine.stopping import Stopped, stopping
from sweeps.errors import SweepError
from sweeps.record.folder import SweepFolder, create_sweep, newest_sweep, sweep_folders
from sweeps.record.journal import Follower
from sweeps.record.mirror import Mirror
from sweeps.record.state import SweepState, TrialRecord
from sweeps.record.storage import in_ray_job, open_storage
from sweeps.spec.changes import Change, changes
from sweeps.spec.load import load_spec
from sweeps.spec.model import Spec
from sweeps.tracking.bookmark import Bookmark
from sweeps.tracking.client import PublisherClient
from sweeps.tracking.provenance import provenance
from sweeps.tracking.uris import check_scheme, default_tracking_uri
from trainables import registry
from trainables.data import DataError
from trainables.precision import onednn_note

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
    with _getting_ready(spec, uri, teller(spec, log)) as delivery:
        return _drive(create_sweep(storage, spec), spec, delivery, log)


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
    bookmark = Bookmark.read(folder)
    uri = tracking_uri or (bookmark.uri if bookmark else default_tracking_uri(storage))
    check_scheme(uri)
    _check_known(folder, spec, f"sweeps.resume({name!r})")
    to_run = not folder.state().complete
    with _getting_ready(spec, uri, teller(spec, log), to_run) as delivery:
        if found:
            folder.rewrite(spec)
        return _drive(folder, spec, delivery, log)


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
    from sweeps.report.page import write_report
    from sweeps.tracking.publisher import send_report

    page = write_report(folder)
    try:
        send_report(folder)
    except SweepError as error:
        raise SweepError(f"{page} is written, but not logged: {error}") from None
    return page


@contextmanager
def _getting_ready(
    spec: Spec, uri: str, say: Callable[[str], None], to_run: bool = True
) -> Iterator[PublisherClient]:
    # What takes seconds goes side by side: imports, here and there, and Ray.
    delivery = PublisherClient(uri, spec.name)
    try:
        if to_run:
            with ThreadPoolExecutor(1) as beside:
                beside.submit(import_module, "sweeps.engine.stages")
                ensure_ray(spec, say)
                _prepare_data(spec, say)
            _note_precision(spec, say)
        delivery.open()
        yield delivery
    finally:
        delivery.abandon()
        ahead.finish()
        # In a thread, for where Ray is gone it waits for ever; while this one does nothing, for Ray ends the
        # process if an object of its own is dropped meanwhile.
        leaving = threading.Thread(target=leave, daemon=True)
        leaving.start()
        leaving.join(_LEAVING_SECONDS)


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


def _note_precision(spec: Spec, say: Callable[[str], None]) -> None:
    precisions = [hyperparameters.precision for hyperparameters in spec.variants(["precision"])]
    if not spec.resources.gpu and (note := onednn_note(precisions)):
        say(f"note: {note}")


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
    folder: SweepFolder, spec: Spec, delivery: PublisherClient, log: Log
) -> tuple[Display | JsonLog, Mirror | None]:
    folder.claim()
    folder.journal.repair()
    display = JsonLog(spec, folder) if log == "json" else Display(spec, folder)
    if note := undecidable(spec):
        display.say(f"note: {note}")
    mirror = folder.mirror(display.say)
    try:
        delivery.follow(folder, spec.trainable_class, display.say, mirror)
    except BaseException:
        if mirror:
            mirror.release()
        raise
    return display, mirror


def _drive(folder: SweepFolder, spec: Spec, delivery: PublisherClient, log: Log) -> SweepResult:
    from sweeps.engine.stages import run_stages

    lock = folder.lock()
    try:
        display, mirror = _open(folder, spec, delivery, log)
    except BaseException:
        lock.release()
        raise
    followers: list[Follower | PublisherClient] = [display, *filter(None, [mirror]), delivery]
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
        if in_ray_job():
            os.chdir(folder.path)  # its copy of the working directory goes first when it is stopped
        with stopping(when_stuck=give_up) as stop:
            run_stages(folder, spec, stop)
    except Stopped:
        pass
    except SweepError as error:
        advice = f"what is done is kept; put it right and go on with: {folder.resume_command}"
        raise SweepError(f"{error}; {advice}") from None
    finally:
        close()
    result = SweepResult(folder.path, delivery.uri, delivery.parent, folder.state(), delivery.undelivered)
    from sweeps.report.page import summary_lines

    display.summarise(result.state, result.tracking_uri, result.undelivered, summary_lines(folder))
    return result


def _close_journal(folder: SweepFolder, display: Display | JsonLog) -> None:
    """Write down how the sweep ended, which trials it left unfinished, and what it shows."""
    state = folder.state()
    with suppress(SweepError):  # where the journal cannot be written, it was said, and no more is left to do
        for trial in state.trials.values():
            if trial.status == "running":
                folder.journal.append("end", trial=trial.id, status="interrupted", reason="")
        try:
            if state.complete:
                from sweeps.report.page import write_report

                write_report(folder)
        except Exception as error:  # a fault of ours, which must not cost the night's results
            logging.getLogger(__name__).exception("the report failed")
            display.say(f"the report failed ({error}); the results are kept, see {folder.report_command}")
        folder.journal.append("finish", status="finished" if state.complete else "interrupted")

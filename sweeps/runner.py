"""Runs a sweep, from its spec to its results."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from sweeps.analysis.advice import check_first_look
from sweeps.analysis.descriptions import counted
from sweeps.analysis.extension import extension
from sweeps.console.jsonl import Log, teller
from sweeps.console.output import Output
from sweeps.engine.data import check_data_dir, located, prepare_data
from sweeps.engine.drive import drive
from sweeps.engine.export import ModelExport
from sweeps.engine.ray_session import ray_session
from sweeps.errors import SweepError
from sweeps.process_state import lasting_output
from sweeps.record.folder import SweepFolder, check_known, create_sweep, latest_sweep, sweep_folders
from sweeps.record.journal import Event
from sweeps.record.retries import retry_event
from sweeps.record.state import SweepState
from sweeps.record.storage import check_writable, open_storage
from sweeps.results import SweepResult, read_result
from sweeps.spec.changes import Change, changes, missing_claims, new_claims
from sweeps.spec.load import load_spec
from sweeps.spec.model import Spec
from sweeps.tracking.bookmark import Bookmark
from sweeps.tracking.client import PublisherClient
from sweeps.tracking.uris import check_scheme, default_tracking_uri
from sweeps.worker.tasks import Registered
from trainables.settings import onednn_is_requested


def run(
    spec: Spec | str | Path | Mapping[str, Any],
    *,
    storage: str | Path | None = None,
    tracking_uri: str | None = None,
    new: bool = False,
    log: Log = "text",
    verbose: bool = False,
) -> SweepResult:
    """Run a sweep.

    Args:
        spec: A spec, or anything that ``load_spec`` takes.
        storage: The folder of all sweeps, which every node must have, or a URI that pyarrow reads. Default:
            ``runs``, and in a Ray job ``noisesweep`` in the home directory.
        tracking_uri: The tracking store. Default: ``MLFLOW_TRACKING_URI``, or an SQLite file in the storage.
        new: Start another sweep if the study has one.
        log: The form of the output: ``text`` for people, ``json`` lines for programs.
        verbose: Whether text has a line for each trial that ends, and not one for about ten.

    Returns:
        The results, also of a sweep that was interrupted.

    Raises:
        SweepError: If the spec has mistakes, the study has a sweep already, or data, storage, Ray or MLflow
            cannot be reached.
    """
    spec = spec if isinstance(spec, Spec) else load_spec(spec)
    check_first_look(spec)
    storage = open_storage(storage)
    if not new and (known := sweep_folders(storage, spec.name)):
        raise SweepError(
            f"{known[-1].uri or known[-1].path}: the study {spec.name!r} has a sweep; resume it "
            f"({known[-1].resume_command}) or start another (run with --new)"
            + _differences(changes(known[-1].spec(), located(spec)))
        )
    check_writable(storage)
    spec, say = located(spec), teller(spec, log)
    if note := _known_seeds_note(sweep_folders(storage, spec.name), spec):
        say(f"note: {note}")
    uri = tracking_uri or default_tracking_uri(storage)
    check_scheme(uri)
    with _prepared(spec, uri, say) as (delivery, export):
        # Two drivers that were started together both get here.
        folder = create_sweep(storage, spec, first=not new)
        drive(folder, spec, delivery, export, Output(log, verbose))
        return read_result(folder)


def resume(
    sweep: str | Spec,
    *,
    retry_failed: bool = False,
    storage: str | Path | None = None,
    tracking_uri: str | None = None,
    log: Log = "text",
    verbose: bool = False,
) -> SweepResult:
    """Resume a study's latest sweep, or upload what MLflow is still missing.

    Args:
        sweep: The study's name; or its spec, which may differ from the sweep's in ``resources``,
            ``budget.concurrent``, ``max_failures``, ``data_dir`` and ``question``. Claims that are new in it
            are judged post hoc.
        retry_failed: Run failed trials again, from their last epoch. Once the search has chosen, those of
            the search only in arms for which it has chosen nothing.
        storage: The folder or URI of all sweeps, as for ``run``.
        tracking_uri: The tracking store. Default: the one that the sweep was started with.
        log: The form of the output, as for ``run``.
        verbose: As for ``run``.

    Returns:
        The results.

    Raises:
        SweepError: If there is no such sweep, it is running, the spec has other changes, or data, Ray or
            MLflow cannot be reached.
    """
    storage = open_storage(storage)
    folder = latest_sweep(storage, sweep.name if isinstance(sweep, Spec) else sweep)
    before, events = folder.spec(), list[Event]()
    spec = before
    if isinstance(sweep, Spec):
        spec = located(sweep)
        _check_harmless(folder, changes(before, spec))
        known = [*before.claims, *folder.state().post_hoc]
        if added := new_claims(known, spec):
            events = [{"event": "claims", "claims": [claim.model_dump(exclude_none=True) for claim in added]}]
        for claim in missing_claims(known, spec):
            teller(spec, log)(f"note: the claim {claim.name!r} stays, as the sweep has made it")
        spec = spec.model_copy(update={"claims": before.claims})
    if retry_failed:
        events += _retries(folder, teller(spec, log))
    return _resume(folder, spec, events, tracking_uri, Output(log, verbose))


def extend(
    study: str,
    *,
    looks: Sequence[int] | None = None,
    trials_per_arm: int | None = None,
    storage: str | Path | None = None,
    tracking_uri: str | None = None,
    log: Log = "text",
    verbose: bool = False,
) -> SweepResult:
    """Resume a study's latest sweep with other looks or a larger search, and say what that costs.

    Args:
        study: The study's name.
        looks: The number of seeds at every look, those taken included.
        trials_per_arm: The number of trials of the search in each arm.
        storage: The folder or URI of all sweeps, as for ``run``.
        tracking_uri: The tracking store. Default: the one that the sweep was started with.
        log: The form of the output, as for ``run``.
        verbose: As for ``run``.

    Returns:
        The results.

    Raises:
        SweepError: As ``resume``, or if the extension is not permitted (``sweeps.analysis.extension``).
    """
    folder = latest_sweep(open_storage(storage), study)
    _check_idle(folder)
    extended = extension(folder.state(), looks, trials_per_arm)
    say = teller(extended.spec, log)
    for sentence in extended.cost:
        say(f"extended: {sentence}")
    return _resume(folder, extended.spec, extended.events, tracking_uri, Output(log, verbose))


def _retries(folder: SweepFolder, say: Callable[[str], None]) -> list[Event]:
    """Return the event that lets failed trials run again, if there are any, and say which."""
    _check_idle(folder)
    event = retry_event(folder.state())
    if event is None:
        say("note: no failed trial can be retried")
        return []
    say(f"retrying {counted(len(event['trials']), 'failed trial')}: {', '.join(event['trials'])}")
    return [event]


def _check_idle(folder: SweepFolder) -> None:
    """Raise SweepError if what the sweep uses is not known here, or if it is running."""
    check_known(folder, folder.spec())
    if folder.is_running():
        raise SweepError(f"{folder.path}: this sweep is running already")


def _resume(
    folder: SweepFolder, spec: Spec, events: Sequence[Event], tracking_uri: str | None, output: Output
) -> SweepResult:
    """Resume a sweep, with its spec and events that its journal must record first."""
    bookmark = Bookmark.read(folder)
    uri = tracking_uri or (bookmark.uri if bookmark else default_tracking_uri(folder.storage))
    check_scheme(uri)
    check_known(folder, spec)
    state = SweepState(spec, [*(event for event, _ in folder.journal.read()), *events])
    # An export that failed or was interrupted is retried.
    to_export = state.exporting != state.exported
    with _prepared(spec, uri, teller(spec, output.log), not state.complete, to_export) as (delivery, export):
        drive(folder, spec, delivery, export, output, events)
        return read_result(folder)


@contextmanager
def _prepared(
    spec: Spec, uri: str, say: Callable[[str], None], to_run: bool = True, to_export: bool = True
) -> Iterator[tuple[PublisherClient, ModelExport]]:
    """Do in parallel what takes seconds: the publisher's imports, Tune's imports and Ray's start."""
    delivery, export = PublisherClient(uri, spec.name), ModelExport(spec)
    with ExitStack() as session:
        session.enter_context(lasting_output())
        session.callback(delivery.abandon)
        if to_run or to_export:
            _check_settings()
            try:
                check_data_dir(spec)
                with ThreadPoolExecutor(1) as importer:
                    importer.submit(import_module, "sweeps.engine.stages")
                    session.enter_context(ray_session(spec, say))
                    registered = Registered.of(spec)
                    export.warm_up(prepare_data(spec, registered, say), registered)
            except SweepError as error:
                # The upload needs neither Ray nor the data.
                if to_run:
                    raise
                say(f"the best network is not exported: {error}")
        delivery.open()
        yield delivery, export


def _known_seeds_note(folders: Sequence[SweepFolder], spec: Spec) -> str:
    """Return a note if an earlier sweep of the study has used seeds of this one; empty otherwise.

    With the same configurations these are the same trainings, and claims would be judged by known results.
    """
    used = [seed for folder in folders for seed in folder.spec().replicates]
    if len(spec.replicates) == 1 or not set(used) & set(spec.replicates):
        return ""
    rule = "earlier sweeps of this study have used some of these seeds, so that results may be known"
    return f"{rule}; for seeds of its own, set seed to {max(used) + 1}"


def _check_harmless(folder: SweepFolder, found: Sequence[Change]) -> None:
    broken = [change for change in found if not change.harmless]
    if not broken:
        return
    has_claims = bool(folder.spec().claims)
    if all(change.extends and (has_claims or change.key.endswith("trials_per_arm")) for change in broken):
        advice = f"revert these changes, or extend the sweep (noisesweep extend {folder.study})"
        raise SweepError(
            f"{folder.path}: looks and budget are as the sweep declared them; {advice}:{_differences(broken)}"
        )
    raise SweepError(
        f"{folder.path}: new trials would not be comparable with existing ones; revert these changes, "
        f"or start another sweep (run with --new):{_differences(broken)}"
    )


def _differences(found: Sequence[Change]) -> str:
    return "".join(f"\n  {change}" for change in found)


def _check_settings() -> None:
    try:
        onednn_is_requested()
    except ValueError as error:
        raise SweepError(str(error)) from None

"""Drives a sweep on this machine: opens it, runs its stages, and closes it with its report."""

import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from typing import Any

from sweeps.analysis.advice import notes
from sweeps.analysis.best import best_of
from sweeps.analysis.failures import outcome
from sweeps.console.display import Display
from sweeps.console.jsonl import JsonLog
from sweeps.console.output import Output
from sweeps.engine.arms import write_arms
from sweeps.engine.export import ModelExport
from sweeps.engine.stopping import Stopped, stopping
from sweeps.errors import SweepError
from sweeps.process_state import working_directory
from sweeps.record.folder import SweepFolder
from sweeps.record.journal import Event, Follower
from sweeps.record.mirror import Mirror
from sweeps.record.rows import trial_rows, write_csv
from sweeps.record.state import SweepState
from sweeps.record.storage import in_ray_job
from sweeps.spec.model import Spec
from sweeps.tracking.client import PublisherClient
from sweeps.tracking.provenance import provenance

# The exit status of a shell after Ctrl-C.
INTERRUPTED = 130


def drive(
    folder: SweepFolder,
    spec: Spec,
    delivery: PublisherClient,
    export: ModelExport,
    output: Output,
    amendments: Sequence[Event] = (),
) -> None:
    """Run the rest of a sweep, and print its results.

    Args:
        folder: The sweep.
        spec: Its spec, as it is to be from now on.
        delivery: The publisher, which is closed with the sweep.
        export: What exports the best network.
        output: The form of the output.
        amendments: Events that the journal must record before anything runs.

    Raises:
        SweepError: If the sweep is running already, or data, storage or Ray fail.
    """
    from sweeps.engine.stages import run_stages

    # Ask git here: in a Ray job, the working directory changes below.
    made_by = provenance()
    with ExitStack() as opened:
        display, mirror = _open(opened, folder, spec, delivery, output, amendments)

        def give_up() -> None:
            opened.close()
            os._exit(INTERRUPTED)

        try:
            _begin(folder, made_by, display)
            with stopping(when_stuck=give_up) as stop:

                def lose_lease(error: SweepError) -> None:
                    stop.fail(error)
                    # The other driver writes to the same runs in MLflow.
                    delivery.abandon()

                def say_after_events(text: str) -> None:
                    display.catch_up()
                    display.say(text)

                if mirror:
                    mirror.on_lost = lose_lease
                # After the last trial, only the report and the export are left.
                with suppress(Stopped):
                    run_stages(folder, spec, export.registered, stop, say_after_events)
                if folder.state().complete:
                    with export.exporting(folder, stop, display.say):
                        _write_report(folder, display)
        except Stopped:
            pass
        except SweepError as error:
            advice = f"finished work is kept; fix the cause, then run: {folder.resume_command}"
            raise SweepError(f"{error}; {advice}") from None
    from sweeps.report.summary import summary_lines

    display.summarise(folder.state(), delivery.uri, delivery.undelivered, summary_lines(folder))


def _open(
    opened: ExitStack,
    folder: SweepFolder,
    spec: Spec,
    delivery: PublisherClient,
    output: Output,
    amendments: Sequence[Event],
) -> tuple[Display | JsonLog, Mirror | None]:
    """Lock a sweep, and start everything that follows its journal; the stack undoes it in reverse."""
    opened.callback(folder.lock().release)
    if in_ray_job():
        # Ray deletes the job's copy of the working directory before it stops the job.
        opened.enter_context(working_directory(folder.path))
    folder.claim()
    folder.journal.repair()
    folder.amend(spec, amendments)
    display = output.of(spec, folder)
    for note in notes(spec, folder.state().looks):
        display.say(f"note: {note}")
    mirror = folder.mirror(display.say)
    if mirror:
        opened.callback(mirror.release)
    delivery.follow(folder, display.say, mirror)
    followers: list[Follower | PublisherClient] = [delivery, display]
    if mirror:
        followers.insert(1, mirror)
    for follower in followers:
        follower.start()
        opened.callback(follower.close)
    opened.callback(_close_journal, folder)
    return display, mirror


def _begin(folder: SweepFolder, made_by: Mapping[str, str], display: Display | JsonLog) -> None:
    """Append the ``begin`` event with this driver's versions."""
    earlier = "; ".join(sorted(folder.state().versions - {made_by["versions"]}))
    if earlier:
        display.say(f"note: earlier drivers used {earlier}; this one uses {made_by['versions']}")
    folder.journal.append("begin", versions=made_by["versions"], git_commit=made_by.get("git_commit"))


def _close_journal(folder: SweepFolder) -> None:
    """Record how the sweep ended and which trials it left unfinished, and write the table of its trials."""
    state = folder.state()
    write_arms(folder, state)
    # A journal that cannot be written has been reported already.
    with suppress(SweepError):
        for trial in state.trials.values():
            if trial.status == "running":
                folder.journal.append("end", trial=trial.id, status="interrupted", reason="")
        state = folder.state()
        # The publisher uploads the table when it reads the next event; on a full disk there is none.
        with suppress(OSError):
            write_csv(folder.results, trial_rows(state))
        folder.journal.append("finish", status=outcome(state), best=_best_fields(state))


def _best_fields(state: SweepState) -> dict[str, Any] | None:
    """Return what the publisher, which judges nothing, writes about the best configuration."""
    best = best_of(state)
    if best is None:
        return None
    return {
        "trial": best.trial.id,
        "winner": best.winner,
        "mean": best.mean,
        "hyperparameters": best.trial.logged,
    }


def _write_report(folder: SweepFolder, display: Display | JsonLog) -> None:
    """Write the report; a defect in it must not cost the results."""
    try:
        from sweeps.report.page import write_report

        write_report(folder)
    except SweepError as error:
        display.say(f"there is no report: {error}")
    except Exception as error:
        logging.getLogger(__name__).exception("the report failed")
        display.say(f"the report failed ({error}); the results are kept; retry with: {folder.report_command}")

"""Writes what is known of a sweep's arms, for the publisher."""

from contextlib import suppress

from sweeps.analysis.arm_records import arm_records
from sweeps.record.files import write_whole
from sweeps.record.folder import SweepFolder
from sweeps.record.state import SweepState


def write_arms(folder: SweepFolder, state: SweepState) -> None:
    """Write the file that the publisher logs the runs of arms from, unless the disk is full."""
    with suppress(OSError):
        write_whole(folder.arms, arm_records(state))

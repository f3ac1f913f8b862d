"""The messages between the driver and the publisher process.

Those up to ``Close`` come from the driver, the others from the publisher. This module imports nothing that
would delay the start of the process.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sweeps.record.folder import SweepFolder


@dataclass(frozen=True)
class OpenStore:
    """Open this tracking store and the study's experiment in it."""

    uri: str
    study: str


@dataclass(frozen=True)
class SendReport:
    """Log the report of a sweep to its parent run, instead of following a sweep."""

    folder: "SweepFolder"
    uri: str
    parent: str


@dataclass(frozen=True)
class FollowSweep:
    """Open the sweep's parent run and upload its journal.

    ``registered`` has the pickled classes of noise modes that only the driver's process knows, and the
    declaration of such a trainable.
    """

    folder: "SweepFolder"
    registered: bytes
    safe_offset: float


@dataclass(frozen=True)
class SafeUpTo:
    """This many bytes of the journal may be uploaded; infinity for all."""

    offset: float


@dataclass(frozen=True)
class Close:
    """The sweep has ended: upload the rest and exit."""


@dataclass(frozen=True)
class Opened:
    """The store is open, or the sweep with this parent run, or the report is logged."""

    parent: str = ""


@dataclass(frozen=True)
class Failed:
    """The store or the sweep could not be opened, or the report not be logged; the publisher exits."""

    text: str
    is_sweep_error: bool


@dataclass(frozen=True)
class Say:
    """Tell the user this."""

    text: str


@dataclass(frozen=True)
class Closed:
    """MLflow has the whole journal except this many events; the publisher exits."""

    undelivered: int

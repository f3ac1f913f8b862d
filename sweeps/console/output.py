"""What a sweep prints while it runs: text for people or JSON lines for programs."""

from dataclasses import dataclass

from sweeps.console.display import Display
from sweeps.console.jsonl import JsonLog, Log
from sweeps.record.folder import SweepFolder
from sweeps.spec.model import Spec


@dataclass(frozen=True)
class Output:
    """The form of a sweep's output.

    Attributes:
        log: ``text`` for people, ``json`` lines for programs.
        verbose: Whether text has a line for each trial that ends.
    """

    log: Log = "text"
    verbose: bool = False

    def of(self, spec: Spec, folder: SweepFolder) -> Display | JsonLog:
        """Return what prints a sweep, from its journal."""
        return JsonLog(spec, folder) if self.log == "json" else Display(spec, folder, verbose=self.verbose)

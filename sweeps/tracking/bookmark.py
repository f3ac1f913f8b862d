"""What delivery to MLflow writes down about a sweep, in its folder: which runs, and how far it got."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from sweeps.errors import SweepError
from sweeps.record.files import write_whole
from sweeps.record.folder import SweepFolder
from sweeps.tracking.uris import own_store

_OWN_STORE = "STORAGE"  # names the SQLite file in the storage, so that a storage can be moved


@dataclass(frozen=True)
class Bookmark:
    """How far a sweep is delivered.

    Attributes:
        uri: The tracking store.
        id: Tag of the sweep's runs.
        parent: Id of the parent run; empty while it is being created.
        offset: Bytes of the journal that the store has.
    """

    uri: str
    id: str
    parent: str
    offset: int

    @classmethod
    def read(cls, folder: SweepFolder) -> Self | None:
        """Read a sweep's bookmark.

        Args:
            folder: The sweep.

        Returns:
            The bookmark; None before the first delivery.

        Raises:
            SweepError: If it is damaged.
        """
        try:
            known = json.loads(folder.bookmark.read_text())
            uri = own_store(folder.storage) if known["uri"] == _OWN_STORE else known["uri"]
            return cls(uri, known["id"], known["parent"], known["offset"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            advice = "delete it, and MLflow gets the sweep once more, as another one"
            raise SweepError(f"{folder.bookmark}: is damaged; {advice}") from None

    def save(self, folder: SweepFolder) -> None:
        """Write it, if it has changed.

        Args:
            folder: The sweep.
        """
        uri = _OWN_STORE if self.uri == own_store(folder.storage) else self.uri
        text = json.dumps({**asdict(self), "uri": uri})
        if not folder.bookmark.exists() or folder.bookmark.read_text() != text:
            write_whole(folder.bookmark, text)

"""The bookmark of a sweep's upload to MLflow, a small file in the sweep's folder."""

import json
from dataclasses import asdict, dataclass
from typing import Self

from sweeps.errors import SweepError
from sweeps.record.files import write_whole
from sweeps.record.folder import SweepFolder
from sweeps.tracking.uris import own_store

# Stands for the SQLite file in the storage, so that the storage can be moved.
_OWN_STORE = "STORAGE"


@dataclass(frozen=True)
class Bookmark:
    """Which MLflow runs are a sweep's, and how much of its journal they hold.

    Attributes:
        id: Tag of the sweep's parent run.
        parent: Id of the parent run; empty while it is being created.
        offset: Bytes of the journal that the store has.
    """

    uri: str
    id: str
    parent: str
    offset: int

    @classmethod
    def read(cls, folder: SweepFolder) -> Self | None:
        """Return the sweep's bookmark, None before the first upload; raise SweepError if it is damaged."""
        try:
            fields = json.loads(folder.bookmark.read_text())
            uri = own_store(folder.storage) if fields["uri"] == _OWN_STORE else fields["uri"]
            return cls(uri, fields["id"], fields["parent"], fields["offset"])
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError):
            remedy = "delete it, and the sweep is uploaded again, to a new parent run"
            raise SweepError(f"{folder.bookmark}: is damaged; {remedy}") from None

    def save(self, folder: SweepFolder) -> None:
        """Write the bookmark if it has changed."""
        uri = _OWN_STORE if self.uri == own_store(folder.storage) else self.uri
        text = json.dumps({**asdict(self), "uri": uri})
        if not folder.bookmark.exists() or folder.bookmark.read_text() != text:
            write_whole(folder.bookmark, text)

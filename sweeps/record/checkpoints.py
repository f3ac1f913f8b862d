"""The checkpoints of trials, in a folder or any store that pyarrow can use.

Tune's own checkpoints belong to one run of Tune, but a killed sweep resumes in another. A checkpoint appears
whole or not at all; if one is damaged later, its trial resumes from the one before it.
"""

import sys
from collections.abc import Callable
from typing import TypeVar

from pyarrow.fs import FileSelector, FileSystem

from sweeps.errors import in_a_line

# Two, in case the latest is damaged.
_KEPT = 2
Content = TypeVar("Content")


class Checkpoints:
    """The checkpoints of one trial in ``root``, an absolute path or a URI; each is named after its epoch."""

    def __init__(self, root: str, trial: str) -> None:
        self._filesystem, path = FileSystem.from_uri(root)
        self.folder = f"{path}/{trial}"

    def save(self, epoch: int, content: bytes | memoryview) -> None:
        """Write a checkpoint after an epoch, and delete all others but the one before it."""
        self._filesystem.create_dir(self.folder, recursive=True)
        name = f"epoch-{epoch:05d}.pt"
        scratch = f"{self.folder}/{name}.part"
        with self._filesystem.open_output_stream(scratch) as stream:
            stream.write(content)
        self._filesystem.move(scratch, f"{self.folder}/{name}")
        files = self._files()
        # Later checkpoints are damaged, or this epoch would not have been trained again.
        kept = [file for file in files if file.rpartition("/")[2] <= name][-_KEPT:]
        for file in files:
            if file not in kept:
                self._filesystem.delete_file(file)

    def load(self, read: Callable[[bytes], Content]) -> Content | None:
        """Read the latest undamaged checkpoint; None if there is none.

        Args:
            read: Makes its content from the bytes of a file; what it raises means that the file is damaged.
        """
        for path in reversed(self._files()):
            try:
                with self._filesystem.open_input_stream(path) as stream:
                    return read(stream.read())
            # A damaged file can raise anything.
            except Exception as error:
                reason = in_a_line(error)
                sys.stderr.write(f"{path}: cannot be read, so the one before it is used: {reason}\n")
        return None

    def drop(self) -> None:
        """Delete all checkpoints of the trial."""
        if self._files():
            self._filesystem.delete_dir(self.folder)

    def _files(self) -> list[str]:
        infos = self._filesystem.get_file_info(FileSelector(self.folder, allow_not_found=True))
        return sorted(info.path for info in infos if info.path.endswith(".pt"))


def saved_trials(root: str) -> set[str]:
    """Return the IDs of the trials that have a folder of checkpoints in ``root``, a path or a URI."""
    filesystem, path = FileSystem.from_uri(root)
    return {info.base_name for info in filesystem.get_file_info(FileSelector(path, allow_not_found=True))}

"""The checkpoints of trials, in a folder or any store that pyarrow reads.

Not Tune's own: those are known to one run of Tune alone, and a sweep that was killed is run by another. Files
appear whole or not at all, and one that was damaged afterwards costs the epochs since the one before it.
"""

import io
import sys
from typing import Any

import torch
from pyarrow.fs import FileSelector, FileSystem

from sweeps.errors import in_a_line

_KEPT = 2  # should the newest be damaged


class Checkpoints:
    """The checkpoints of one trial, each named by its epoch."""

    def __init__(self, root: str, trial: str) -> None:
        """Name the trial.

        Args:
            root: Folder of all trials' checkpoints: an absolute path, or a URI.
            trial: The trial's id.
        """
        self._filesystem, path = FileSystem.from_uri(root)
        self.folder = f"{path}/{trial}"

    def save(self, epoch: int, content: dict[str, Any]) -> None:
        """Write a checkpoint, and drop all but the one before it.

        Args:
            epoch: Epochs finished.
            content: What ``torch.load(weights_only=True)`` takes.

        Raises:
            OSError: If it cannot be written.
        """
        buffer = io.BytesIO()
        torch.save(content, buffer)
        self._filesystem.create_dir(self.folder, recursive=True)
        path = f"{self.folder}/epoch-{epoch:05d}.pt"
        with self._filesystem.open_output_stream(f"{path}.part") as stream:
            stream.write(buffer.getbuffer())
        self._filesystem.move(f"{path}.part", path)
        files = self._files()
        number = [_name(each) for each in files].index(_name(path))
        # Those behind it were damaged, or it would not have been trained again.
        for old in [*files[: max(0, number + 1 - _KEPT)], *files[number + 1 :]]:
            self._filesystem.delete_file(old)

    def load(self) -> dict[str, Any] | None:
        """Read the newest checkpoint that can be read, on the CPU.

        A pickle that would run code is refused (``weights_only``) and counts as damaged.

        Returns:
            What was saved; None if there is none.
        """
        for path in reversed(self._files()):
            try:
                with self._filesystem.open_input_stream(path) as stream:
                    buffer = io.BytesIO(stream.read())
                content: dict[str, Any] = torch.load(buffer, map_location="cpu", weights_only=True)
            except Exception as error:  # whatever a damaged file makes of it
                reason = in_a_line(error)
                sys.stderr.write(f"{path}: cannot be read, so the one before it is used: {reason}\n")
            else:
                return content
        return None

    def drop(self) -> None:
        """Delete them all."""
        if self._files():
            self._filesystem.delete_dir(self.folder)

    def _files(self) -> list[str]:
        infos = self._filesystem.get_file_info(FileSelector(self.folder, allow_not_found=True))
        return sorted(info.path for info in infos if info.path.endswith(".pt"))


def _name(path: str) -> str:
    return path.rpartition("/")[2]

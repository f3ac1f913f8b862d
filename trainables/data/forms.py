"""What a dataset can look like in the data folder, besides the files of the Hugging Face hub."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

Content_co = TypeVar("Content_co", covariant=True)


class LocalForm(Protocol[Content_co]):
    """A published form of a dataset, such as the files that torchvision keeps.

    Forms with the same ``name`` and the same files must give the same content: the cache has them once.
    """

    @property
    def name(self) -> str:
        """Name of the form, for the cache."""

    def find(self, root: Path) -> Mapping[str, Sequence[Path]]:
        """Return the files of each split below the data folder; empty if there are none of this form."""

    def read(self, split: str, files: Sequence[Path]) -> Content_co:
        """Read a split from its files.

        Raises:
            DataError: If they cannot be read, or are not what was published.
        """


def find_form(
    forms: Sequence[LocalForm[Content_co]], root: Path | None
) -> tuple[LocalForm[Content_co], Mapping[str, Sequence[Path]]] | None:
    """Return the first form that a data folder has, with the files of each split; None if it has none."""
    if root:
        for form in forms:
            if found := form.find(root):
                return form, found
    return None
